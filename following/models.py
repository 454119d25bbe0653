"""What a broadcaster says of their channel, who follows it, and who gets which messages. Called by all of this app.

The constraints decide: one follow per viewer and channel, and a handle is one channel's.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Viewer
from following.text import ABOUT_MAX, HANDLE_MAX
from videos.models import Video
from web.ids import new_id


class Channel(models.Model):
    """A broadcaster's place on the site. Without a row nobody follows it, and nothing is said of it.

    `followers` equals `count(*)` of Follow, kept in the same transaction.
    """

    owner = models.OneToOneField(
        Viewer, models.CASCADE, primary_key=True, related_name="channel", verbose_name=_("broadcaster")
    )
    # Null, not empty: channels without one must not count as the same.
    handle = models.CharField(
        _("handle"), max_length=HANDLE_MAX, null=True, blank=True, unique=True, help_text=_("Its name in addresses.")
    )
    about = models.TextField(_("about"), blank=True, db_default="", validators=[MaxLengthValidator(ABOUT_MAX)])
    followers = models.BigIntegerField(_("followers"), db_default=0, editable=False)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(followers__gte=0), name="followers_not_negative"),
        ]

    def __str__(self) -> str:
        return self.handle or str(self.owner_id)


class Follow(models.Model):
    """One viewer follows one channel. `alerts`: they want to hear when it goes live."""

    pk = models.CompositePrimaryKey("viewer_id", "channel_id")
    viewer = models.ForeignKey(Viewer, models.CASCADE, db_index=False, related_name="following")
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="follows")
    alerts = models.BooleanField(db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["channel", "viewer"], condition=models.Q(alerts=True), name="follow_alerts"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} follows {self.channel_id}"


class Reminder(models.Model):
    """A viewer wants to hear of a planned broadcast before it starts."""

    pk = models.CompositePrimaryKey("video_id", "viewer_id")
    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="reminders")
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="reminders")
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.viewer_id} waits for {self.video_id}"


class PushDevice(models.Model):
    """A browser that shows messages to a viewer, as long as they are signed in with it (following.push)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="push_devices")
    endpoint = models.TextField(unique=True)
    p256dh = models.CharField(max_length=100)
    auth = models.CharField(max_length=100)
    session_key = models.CharField(max_length=40, blank=True, db_default="")
    """Of the session that it came with; empty: it came with a token, and stays."""

    def __str__(self) -> str:
        return f"{self.viewer_id}: {self.id}"


class DueMessage(models.Model):
    """Somebody has written to a viewer whose browsers want to show it (following.written). For some seconds."""

    viewer_id = models.UUIDField()
    conversation_id = models.UUIDField()
    at = models.DateTimeField(db_default=Now())
    """Of the first message that no browser has shown."""

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["viewer_id", "conversation_id"], name="due_message_once"),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} for {self.viewer_id}"


class Announced(models.Model):
    """A message about a video, and how far it has been sent (following.news). One row a video and kind."""

    class Kind(models.TextChoices):
        SOON = "soon", _("starts soon")
        LIVE = "live", _("is live")

    pk = models.CompositePrimaryKey("video_id", "kind")
    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="announced")
    kind = models.CharField(max_length=4, choices=Kind)
    at = models.DateTimeField()
    """The planned start, or the start."""
    after = models.UUIDField(db_default=UUID(int=0))
    """The viewers up to this one have got the message."""
    leased_until = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["leased_until"], condition=models.Q(done_at=None), name="announced_waiting"),
        ]

    def __str__(self) -> str:
        return f"{self.video_id} {self.kind}"
