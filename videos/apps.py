from __future__ import annotations

from django.apps import AppConfig


class VideosConfig(AppConfig):
    name = "videos"
    verbose_name = "Videos"

    def ready(self) -> None:
        """Say what a video's topic is, what viewers may do on a WebSocket, and what is kept of them here."""
        from accounts import pages, permissions, taken, typists
        from accounts.belongings import belongings
        from moderation import topics as moderation_topics
        from moderation.acts import marks
        from moderation.undoing import undoings
        from realtime.registry import registry
        from videos import alarms, commands, gate, held, merging, removal, rights
        from videos.marks import FacesOfComments, MarksOfComments
        from videos.purges import RestoresComments
        from videos.topics import VideoTopics
        from videos.typists import type_at_video
        from videos.watching import is_one_at

        registry.add_kind(VideoTopics())
        moderation_topics.parts += [held.HeldPart(), gate.GatePart(), alarms.AlarmPart()]
        for op, command in commands.COMMANDS.items():
            registry.add_command(op, command)
        belongings += [merging.VideosOfGuest(), removal.VideosOfViewer(), FacesOfComments()]
        marks.append(MarksOfComments())
        undoings.update(delete=RestoresComments(), delete_all=RestoresComments())
        permissions.seeing += rights.SEE
        typists.places["video"] = type_at_video
        taken.presents.append(is_one_at)
        pages.doors["may_broadcast"] = rights.may_broadcast
