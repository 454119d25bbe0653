from __future__ import annotations

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = "Direct messages"

    def ready(self) -> None:
        """Tell the platform what conversations' and viewers' own topics are, and what may be said on a WebSocket."""
        from messaging import commands, contacts, merging, removal
        from messaging.presence import PresenceTopics
        from messaging.topics import ConversationTopics, UserTopics
        from realtime.registry import registry
        from videos import merging as videos_merging
        from videos.removal import belongings
        from videos.topics import muted
        from videos.watching import acquaintances, strangers

        registry.add_kind(ConversationTopics())
        registry.add_kind(UserTopics())
        registry.add_kind(PresenceTopics())
        for op, command in commands.COMMANDS.items():
            registry.add_command(op, command)
        belongings.append(removal.MessagesOfViewer())
        videos_merging.belongings.append(merging.MessagesOfGuest())
        acquaintances.append(contacts.acquaintances)
        strangers.append(contacts.blocked)
        muted.append(contacts.blocks)
