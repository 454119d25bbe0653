from __future__ import annotations

from django.apps import AppConfig


class MessagingConfig(AppConfig):
    name = "messaging"
    verbose_name = "Direct messages"

    def ready(self) -> None:
        """Declare the topics of conversations and inboxes, and the commands of a WebSocket."""
        from accounts import typists
        from accounts.belongings import belongings
        from accounts.circles import acquaintances, friends, muted, strangers
        from messaging import commands, contacts, merging, removal
        from messaging.presence import PresenceTopics
        from messaging.topics import ConversationTopics, UserTopics
        from messaging.typists import type_in_conversation
        from realtime.registry import registry

        registry.add_kind(ConversationTopics())
        registry.add_kind(UserTopics())
        registry.add_kind(PresenceTopics())
        for op, command in commands.COMMANDS.items():
            registry.add_command(op, command)
        belongings += [merging.MessagesOfGuest(), removal.MessagesOfViewer()]
        typists.places["conversation"] = type_in_conversation
        acquaintances.append(contacts.acquaintances)
        friends.append(contacts.friends)
        strangers.append(contacts.blocked)
        muted.append(contacts.blocks)
