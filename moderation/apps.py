from __future__ import annotations

from django.apps import AppConfig


class ModerationConfig(AppConfig):
    name = "moderation"
    verbose_name = "Moderation"

    def ready(self) -> None:
        """Declare the topics of moderators."""
        from moderation.topics import ModerationTopics
        from realtime.registry import registry

        registry.add_kind(ModerationTopics())
