from __future__ import annotations

from django.apps import AppConfig


class ModerationConfig(AppConfig):
    name = "moderation"
    verbose_name = "Moderation"

    def ready(self) -> None:
        """Declare the topics of moderators, and look at everybody who gets a session."""
        from django.contrib.auth.signals import user_logged_in

        from accounts import permissions
        from accounts.belongings import belongings
        from moderation import arrivals, commands, topics
        from moderation.belongings import ModerationOfGuest, ModerationOfViewer
        from moderation.complaints import ReportedPart
        from moderation.roles import GROUPS_OF
        from realtime.registry import registry

        registry.add_kind(topics.ModerationTopics())
        topics.parts.append(ReportedPart())
        for op, command in commands.COMMANDS.items():
            registry.add_command(op, command)
        belongings.extend((ModerationOfGuest(), ModerationOfViewer()))
        permissions.grouping.append(GROUPS_OF)
        user_logged_in.connect(arrivals.see)
