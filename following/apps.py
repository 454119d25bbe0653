from __future__ import annotations

from django.apps import AppConfig


class FollowingConfig(AppConfig):
    name = "following"
    verbose_name = "Channels"

    def ready(self) -> None:
        """Say what viewers may do on a WebSocket, what is kept of them here, and who follows since when; hear of
        messages.
        """
        from accounts.belongings import belongings
        from following import commands, screening, written
        from following.belongings import FollowingOfViewer
        from following.reading import channel_written
        from messaging.listeners import listeners
        from moderation import sharing
        from realtime.registry import registry
        from screening import followers

        for op, command in commands.COMMANDS.items():
            registry.add_command(op, command)
        belongings.append(FollowingOfViewer())
        followers.readers.append(screening.since)
        listeners.append(written.note)
        sharing.finders.append(lambda text: channel_written(text).id)
