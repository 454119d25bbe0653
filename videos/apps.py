from __future__ import annotations

from django.apps import AppConfig


class VideosConfig(AppConfig):
    name = "videos"
    verbose_name = "Videos"

    def ready(self) -> None:
        """Tell the platform what a video's topic is, how to know a viewer, and what viewers may do on a WebSocket."""
        from realtime.registry import registry
        from videos import auth, commands
        from videos.topics import VideoTopics

        registry.add_kind(VideoTopics())
        registry.identify = auth.identify
        registry.claim = auth.claimed_id
        registry.review = auth.review
        registry.save_last_active = auth.save_last_active
        for op, command in commands.COMMANDS.items():
            registry.add_command(op, command)
