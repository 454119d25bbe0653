"""What people hear of that was said to them, and how they want to hear of things. Called by all of this app.

Comments, their authors and videos are named by their ids alone: these go away in statements of their own, and what was
said of them is cleared up after it (notices.telling).
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now

from accounts.models import Viewer
from web.ids import new_id


class Notice(models.Model):
    """A line: people have answered or named somebody at a video. What comes before they look joins it."""

    class Kind(models.TextChoices):
        ANSWER = "answer"
        MENTION = "mention"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    viewer = models.ForeignKey(Viewer, models.CASCADE, db_index=False, related_name="notices")
    video_id = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=8, choices=Kind)
    at = models.DateTimeField()
    """When its newest comment was written."""
    seen_at = models.DateTimeField(null=True)
    is_due = models.BooleanField(db_default=False)
    """Its viewer's browsers have to show it (following.news)."""

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["viewer", "video_id", "kind"], condition=models.Q(seen_at=None), name="notice_unseen"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["viewer", "-at"], name="notice_newest"),
            models.Index(fields=["at"], name="notice_at"),
            models.Index(fields=["at"], condition=models.Q(is_due=True), name="notice_due"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} for {self.viewer_id}"


class NoticeComment(models.Model):
    """The newest comment of one person in a line."""

    pk = models.CompositePrimaryKey("notice_id", "author_id")
    notice = models.ForeignKey(Notice, models.CASCADE, db_index=False, related_name="comments")
    author_id = models.UUIDField()
    comment_id = models.UUIDField(db_index=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.comment_id} in {self.notice_id}"


class ChangedComment(models.Model):
    """A comment that was written, edited, deleted or brought back: what people hear of it has to be looked at."""

    comment_id = models.UUIDField()

    def __str__(self) -> str:
        return str(self.comment_id)


class NoticeChoice(models.Model):
    """Somebody has chosen whether they hear of a kind of things in one way (notices.choices)."""

    pk = models.CompositePrimaryKey("viewer_id", "kind", "way")
    viewer = models.ForeignKey(Viewer, models.CASCADE, db_index=False, related_name="notice_choices")
    kind = models.CharField(max_length=8)
    way = models.CharField(max_length=4)
    is_on = models.BooleanField()
    changed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.kind} by {self.way} for {self.viewer_id}: {self.is_on}"
