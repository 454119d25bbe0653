"""The backend's tables: videos, likes, comments. Called by all of this app.

The constraints here decide: one like per viewer and video, no negative count. The acts check the same under their
locks, so an error of a constraint is a mistake of ours.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Viewer
from web.ids import new_id
from web.text import BODY_MAX, TITLE_MAX


def _listed(status: str) -> models.Q:
    return models.Q(status=status, visibility="public")


NO_TIME = datetime(9999, 12, 31, tzinfo=UTC)
"""In lists, the start of a video without a planned one."""


class Video(models.Model):
    """A broadcast, from announcement to recording. Its topic is `video:<id>`."""

    class Status(models.TextChoices):
        UPCOMING = "upcoming", _("upcoming")
        LIVE = "live", _("live")
        ENDED = "ended", _("ended")

    class Visibility(models.TextChoices):
        PUBLIC = "public", _("public")
        UNLISTED = "unlisted", _("unlisted")
        PRIVATE = "private", _("private")

    class Picture(models.TextChoices):
        """What comes from the encoder. Of a playlist set by hand nothing is known: ""."""

        WAITING = "waiting", _("waiting")
        LIVE = "live", _("live")
        STALLED = "stalled", _("stalled")
        GONE = "gone", _("gone")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # The index `video_owner` leads to it.
    owner = models.ForeignKey(
        Viewer, models.PROTECT, db_index=False, related_name="videos", verbose_name=_("broadcaster")
    )
    title = models.CharField(_("title"), max_length=TITLE_MAX)
    description = models.TextField(_("description"), blank=True, validators=[MaxLengthValidator(2_000)])
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.UPCOMING)
    visibility = models.CharField(_("visibility"), max_length=8, choices=Visibility, default=Visibility.PUBLIC)
    comments_enabled = models.BooleanField(_("comments"), default=True)
    playlist = models.CharField(
        _("HLS playlist"),
        max_length=300,
        blank=True,
        help_text=_("Path on this site, like /media/<id>/live.m3u8; empty: no picture."),
    )
    source = models.CharField(
        _("address to fetch from"),
        max_length=300,
        blank=True,
        db_default="",
        help_text=_("RTSP or HLS, at an origin of LIVE_PULL_ORIGINS; empty: an encoder sends."),
    )
    picture = models.CharField(_("picture"), max_length=8, choices=Picture, blank=True, db_default="", editable=False)
    picture_since = models.DateTimeField(_("picture since"), null=True, blank=True, editable=False)
    starts_itself = models.BooleanField(
        _("goes live by itself"),
        default=True,
        db_default=True,
        help_text=_("When the picture comes. Else with a click."),
    )
    is_recorded = models.BooleanField(
        _("recorded"), default=True, db_default=True, help_text=_("Can be watched when it has ended.")
    )
    comments_after_end = models.BooleanField(
        _("comments after the end"),
        default=False,
        db_default=False,
        help_text=_("Viewers may comment when it has ended. What they write is marked."),
    )
    captions = models.CharField(_("captions"), max_length=240, blank=True, db_default="", editable=False)
    """The languages of its captions (CaptionTrack), with a space between them."""
    has_board = models.BooleanField(default=False, db_default=False, editable=False)
    """There is a topic `board:<id>` beside its own (polls): pages follow it then only."""
    starts_at = models.DateTimeField(_("planned start"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True, editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("video")
        verbose_name_plural = _("videos")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["status", "-created_at"]),
            models.Index(fields=["-ended_at"], name="video_ended"),
            models.Index(fields=["owner", "-id"], name="video_owner"),
            # Of the lists of cards (videos.cards).
            models.Index(fields=["-started_at", "-id"], condition=_listed("live"), name="video_listed_live"),
            models.Index(
                Coalesce("starts_at", models.Value(NO_TIME)),
                "id",
                condition=_listed("upcoming"),
                name="video_listed_next",
            ),
            models.Index(fields=["-ended_at", "-id"], condition=_listed("ended"), name="video_listed_ended"),
            models.Index(fields=["owner", "-ended_at", "-id"], condition=_listed("ended"), name="video_channel_ended"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(status__in=["upcoming", "live", "ended"]), name="video_status"),
            models.CheckConstraint(
                condition=models.Q(status="upcoming")
                | models.Q(started_at__isnull=False)
                | models.Q(status="ended", ended_at__isnull=False),
                name="video_times",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def topic(self) -> str:
        return f"video:{self.id}"


class ChannelEmoji(models.Model):
    """A small picture that stands for `:code:` in what people write at a broadcaster's videos (videos.channel_emoji).

    A new picture of a code is another row, so an address of a picture means the same for ever.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    owner = models.ForeignKey(Viewer, models.CASCADE, db_index=False, related_name="emoji", verbose_name=_("channel"))
    code = models.CharField(_("code"), max_length=32)
    data = models.BinaryField()
    """A PNG."""
    created_at = models.DateTimeField(_("added"), db_default=Now())

    class Meta:
        verbose_name = _("emoji of a channel")
        verbose_name_plural = _("emoji of channels")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "code"], name="emoji_code"),
        ]

    def __str__(self) -> str:
        return f":{self.code}:"


class StreamKey(models.Model):
    """Which version of a broadcaster's stream key is good (videos.keys). Without a row it is the first."""

    viewer = models.OneToOneField(Viewer, models.CASCADE, primary_key=True, related_name="stream_key")
    version = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.viewer}: {self.version}"


class DeletedVideo(models.Model):
    """The id of a video that was deleted: its pictures go wherever a machine or a region still has them."""

    id = models.UUIDField(primary_key=True, editable=False)
    deleted_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return str(self.id)


class LikeKind(models.TextChoices):
    LIKE = "like", _("like")
    CELEBRATE = "celebrate", _("celebrate")
    SUPPORT = "support", _("support")
    LOVE = "love", _("love")
    INSIGHTFUL = "insightful", _("insightful")
    FUNNY = "funny", _("funny")


class Like(models.Model):
    """One like per viewer and video. Written by the group commit of likes only."""

    pk = models.CompositePrimaryKey("video_id", "viewer_id")
    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="likes")
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="likes")
    kind = models.CharField(max_length=10, choices=LikeKind)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(kind__in=LikeKind.values), name="like_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.viewer_id} for {self.video_id}"


class LikeCount(models.Model):
    """How many likes of a kind a video has: equals `count(*)` of Like, kept in the same transaction."""

    pk = models.CompositePrimaryKey("video_id", "kind")
    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="like_counts")
    kind = models.CharField(max_length=10, choices=LikeKind)
    count = models.BigIntegerField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(count__gte=0), name="like_count_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.count} x {self.kind} for {self.video_id}"


class Comment(models.Model):
    """What a viewer wrote. `seq` is its place in the topic; a deleted one is kept for moderators, shown to nobody."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="comments", verbose_name=_("video"))
    author = models.ForeignKey(Viewer, models.CASCADE, related_name="comments", verbose_name=_("author"))
    reply_to = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, db_index=False, related_name="replies")
    body = models.TextField(_("body"), validators=[MaxLengthValidator(BODY_MAX)])
    # Null, not empty: many comments without one must not count as the same.
    client_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    seq = models.BigIntegerField()
    created_at = models.DateTimeField(_("written"), db_default=Now())
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True)
    deletion = models.UUIDField(null=True, editable=False)
    """The act of moderation that deleted it, by which it can be taken back."""
    pinned_at = models.DateTimeField(_("pinned"), null=True, blank=True)
    edited_at = models.DateTimeField(_("edited"), null=True, blank=True)

    class Meta:
        verbose_name = _("comment")
        verbose_name_plural = _("comments")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["video", "seq"], name="comment_seq"),
            models.UniqueConstraint(fields=["video", "author", "client_id"], name="comment_client_id"),
            models.CheckConstraint(condition=~models.Q(body=""), name="comment_not_empty"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["video", "-seq"], condition=models.Q(deleted_at=None), name="comment_shown"),
            models.Index(fields=["video"], condition=models.Q(pinned_at__isnull=False), name="comment_pinned"),
            models.Index(fields=["video", "created_at"], name="comment_at"),  # for a replay
            models.Index(fields=["reply_to"], condition=models.Q(reply_to__isnull=False), name="comment_answers"),
            models.Index(fields=["id"], condition=models.Q(deleted_at__isnull=False), name="comment_deleted"),
        ]

    def __str__(self) -> str:
        return self.body[:60]


class Waiting(models.Manager["HeldComment"]):
    """What waits: not what an act has taken away, that can still be taken back."""

    def get_queryset(self) -> models.QuerySet[HeldComment]:
        return super().get_queryset().filter(taken_by=None)


class HeldComment(models.Model):
    """A comment or a question that waits for a moderator (videos.held). Its row is deleted when they have decided."""

    class Kind(models.TextChoices):
        COMMENT = "comment", _("comment")
        QUESTION = "question", _("question")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="held", verbose_name=_("video"))
    author = models.ForeignKey(Viewer, models.CASCADE, related_name="held", verbose_name=_("author"))
    reply_to = models.ForeignKey(Comment, models.SET_NULL, null=True, blank=True, related_name="+")
    body = models.TextField(_("body"), validators=[MaxLengthValidator(BODY_MAX)])
    client_id = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001
    reason = models.CharField(_("why"), max_length=200)
    """The entry of a list that it fits, or what the site's own program says."""
    created_at = models.DateTimeField(_("written"), db_default=Now())
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.COMMENT, db_default=Kind.COMMENT)
    taken_by = models.UUIDField(null=True, editable=False)
    """The act that has thrown it away with all that its author has written, for as long as that can be taken back."""
    taken_at = models.DateTimeField(null=True, editable=False)

    objects = Waiting()
    everything: ClassVar[models.Manager[HeldComment]] = models.Manager()

    class Meta:
        verbose_name = _("held comment")
        verbose_name_plural = _("held comments")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["video", "author", "kind", "client_id"], name="held_client_id_of_kind"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["taken_at"], condition=~models.Q(taken_at=None), name="held_taken_at"),
        ]

    def __str__(self) -> str:
        return self.body[:60]


class CommentVersion(models.Model):
    """What a comment said before it was edited, and since when: for moderators. Written by the group commit."""

    comment = models.ForeignKey(Comment, models.CASCADE, related_name="versions")
    body = models.TextField()
    written_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.body[:60]


class Pin(models.Model):
    """When a comment was on top. Written by videos.moderation, read by a replay."""

    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="pins")
    comment = models.ForeignKey(Comment, models.CASCADE, related_name="pins")
    pinned_at = models.DateTimeField()
    unpinned_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["video", "pinned_at"], name="pin_at")]

    def __str__(self) -> str:
        return f"{self.comment_id} from {self.pinned_at}"


class CaptionTrack(models.Model):
    """What is said in a recording, in one language: cues of WebVTT, in seconds of the recording (videos.captions)."""

    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="caption_tracks")
    language = models.CharField(max_length=20)
    text = models.TextField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["video", "language"], name="caption_language"),
        ]

    def __str__(self) -> str:
        return f"{self.language} of {self.video_id}"


class TimelineStep(models.Model):
    """What happened at a video in 5 seconds (videos.timeline). Without a row nothing did.

    `likes` are all that the video had by the end of the step, by kind; null: as before. `viewers`: the highest number
    of them; null: as before. `reactions` by kind and `comments` are those of the step alone.
    """

    pk = models.CompositePrimaryKey("video_id", "at")
    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="timeline")
    at = models.DateTimeField()
    likes = models.JSONField(null=True)
    reactions = models.JSONField(default=dict)
    comments = models.IntegerField(default=0)
    viewers = models.IntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.video_id} at {self.at}"
