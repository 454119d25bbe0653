from __future__ import annotations

from django.apps import AppConfig


class NoticesConfig(AppConfig):
    name = "notices"
    verbose_name = "Notices"

    def ready(self) -> None:
        """Hear of comments, add to inboxes, and say what is kept of viewers here."""
        from accounts.belongings import belongings
        from messaging.topics import parts
        from notices.belongings import NoticesOfViewer
        from notices.reading import NoticesPart
        from notices.telling import NotesChanges
        from videos.listeners import listeners

        belongings.append(NoticesOfViewer())
        parts.append(NoticesPart())
        listeners.append(NotesChanges())
