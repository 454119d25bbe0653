from __future__ import annotations

from django.apps import AppConfig


class FollowingConfig(AppConfig):
    name = "following"
    verbose_name = "Channels"

    def ready(self) -> None:
        """Say what viewers may do on a WebSocket, and what is kept of them here."""
        from accounts.belongings import belongings
        from following import commands
        from following.belongings import FollowingOfViewer
        from realtime.registry import registry

        for op, command in commands.COMMANDS.items():
            registry.add_command(op, command)
        belongings.append(FollowingOfViewer())
