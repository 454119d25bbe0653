from __future__ import annotations

from django.apps import AppConfig


class PollsConfig(AppConfig):
    name = "polls"
    verbose_name = "Beside the picture"

    def ready(self) -> None:
        """Say what a video's board is, and what viewers may do with it on a WebSocket."""
        from accounts.belongings import belongings
        from polls import commands
        from polls.attached import BoardOfVideo
        from polls.belongings import VotesOfViewer
        from polls.topics import BoardTopics
        from realtime.registry import registry
        from videos.attachments import attachments

        registry.add_kind(BoardTopics())
        for op, command in commands.COMMANDS.items():
            registry.add_command(op, command)
        belongings.append(VotesOfViewer())
        attachments.append(BoardOfVideo())
