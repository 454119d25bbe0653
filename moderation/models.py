"""Who keeps the rooms of a channel, who is kept out of them, and what was done. Called by all of this app.

A channel is what a broadcaster has, and has the id of its owner's account. Nothing here knows videos or comments.
"""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Viewer
from web.ids import new_id

REASON_MAX = 200
TEXT_MAX = 200
NOTE_MAX = 1_000
REPORTED_TEXT_MAX = 280
COMPLAINT_REASONS = {
    "spam": _("Spam or advertising"),
    "hate": _("Harassment or hate"),
    "sexual": _("Sexual content"),
    "danger": _("Violence or danger"),
    "other": _("Something else"),
}


class Role(models.Model):
    """What a viewer is in somebody's channel. The owner gives and takes it (moderation.roles)."""

    class Kind(models.TextChoices):
        MODERATOR = "moderator", _("moderator")
        HELPER = "helper", _("helper")

    channel = models.ForeignKey(
        Viewer, models.CASCADE, related_name="roles_given", verbose_name=_("channel"), db_index=False
    )
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="roles", verbose_name=_("viewer"))
    kind = models.CharField(_("role"), max_length=9, choices=Kind)
    created_at = models.DateTimeField(_("since"), db_default=Now())

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["channel", "viewer"], name="role_once"),
            models.CheckConstraint(condition=models.Q(kind__in=["moderator", "helper"]), name="role_kind"),
            models.CheckConstraint(condition=~models.Q(channel=models.F("viewer")), name="role_of_another"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} is {self.kind} of {self.channel_id}"


class Restriction(models.Model):
    """What keeps a viewer from taking part: in one channel, or (without a channel) in the whole site.

    It counts from `created_at` until `until` (null: without end), or until somebody lifts it.
    """

    class Kind(models.TextChoices):
        TIME_OUT = "time_out", _("time-out")
        BAN = "ban", _("ban")
        SHADOW = "shadow", _("shadow")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    channel = models.ForeignKey(
        Viewer, models.CASCADE, null=True, blank=True, related_name="restrictions_given", verbose_name=_("channel")
    )
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="restrictions", verbose_name=_("viewer"))
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    reason = models.CharField(_("reason"), max_length=REASON_MAX, blank=True, db_default="")
    created_at = models.DateTimeField(_("since"), db_default=Now())
    until = models.DateTimeField(_("until"), null=True, blank=True)
    given_by = models.ForeignKey(Viewer, models.SET_NULL, null=True, related_name="+", verbose_name=_("given by"))
    lifted_at = models.DateTimeField(_("lifted"), null=True, blank=True)
    network_until = models.DateTimeField(_("new guests of their networks until"), null=True, blank=True)
    source = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="inherited", verbose_name=_("because of")
    )
    """The restriction that this guest has by their browser or network (moderation.arrivals)."""
    is_of_network = models.BooleanField(db_default=False, default=False, editable=False)
    replaces = models.ForeignKey("self", models.SET_NULL, null=True, editable=False, related_name="+")
    """What it took the place of, which counts again when this one is undone."""

    class Meta:
        verbose_name = _("restriction")
        verbose_name_plural = _("restrictions")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # Also the index by which the group commit looks for the people of a batch.
            models.UniqueConstraint(
                fields=["viewer", "channel"],
                condition=models.Q(lifted_at=None),
                nulls_distinct=False,
                name="restriction_once",
            ),
            models.CheckConstraint(condition=models.Q(kind__in=["time_out", "ban", "shadow"]), name="restriction_kind"),
            models.CheckConstraint(
                condition=~models.Q(kind="time_out") | models.Q(until__isnull=False), name="restriction_time_out_ends"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.viewer_id}"


class SharedBans(models.Model):
    """A channel lets another one, the taker, have its bans. They count there while `effect` says how."""

    class Effect(models.TextChoices):
        BAN = "ban", _("ban")
        SHADOW = "shadow", _("shadow")

    channel = models.ForeignKey(
        Viewer, models.CASCADE, db_index=False, related_name="bans_shared", verbose_name=_("channel")
    )
    taker = models.ForeignKey(Viewer, models.CASCADE, related_name="bans_taken", verbose_name=_("shared with"))
    effect = models.CharField(_("effect"), max_length=6, choices=Effect, blank=True, db_default="")
    """Empty: it is offered, and not taken."""
    created_at = models.DateTimeField(_("since"), db_default=Now())

    class Meta:
        verbose_name = _("shared bans")
        verbose_name_plural = _("shared bans")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["channel", "taker"], name="shared_bans_once"),
            models.CheckConstraint(condition=~models.Q(channel=models.F("taker")), name="shared_bans_with_another"),
            models.CheckConstraint(condition=models.Q(effect__in=["", "ban", "shadow"]), name="shared_bans_effect"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_id} with {self.taker_id}"


class LetIn(models.Model):
    """Somebody whom a channel has let in although another one's ban, which it takes, would keep them out."""

    share = models.ForeignKey(SharedBans, models.CASCADE, db_index=False, related_name="let_in")
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["share", "viewer"], name="let_in_once"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} by {self.share_id}"


class Arrival(models.Model):
    """A browser and a network from which a viewer came. Only keyed hashes, and only for some weeks."""

    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="+", db_index=False)
    device = models.CharField(max_length=32, blank=True)
    network = models.CharField(max_length=32, db_index=True)
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["viewer", "device", "network"], name="arrival_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["device"], condition=~models.Q(device=""), name="arrival_device"),
            models.Index(fields=["seen_at"], name="arrival_at"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} at {self.seen_at}"


class AuditEntry(models.Model):
    """An act of moderation: who did what to whom, why, and who took it back. Written by moderation.audit only.

    The names stay when an account goes away, except that of the person concerned: that goes with their account.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    channel = models.ForeignKey(
        Viewer, models.CASCADE, null=True, related_name="+", verbose_name=_("channel"), db_index=False
    )
    seq = models.BigIntegerField()
    """Its place in the channel's topic; 0 where the act was of the whole site."""
    act = models.CharField(_("act"), max_length=24)
    actor = models.ForeignKey(Viewer, models.SET_NULL, null=True, related_name="+", verbose_name=_("by"))
    viewer = models.ForeignKey(
        Viewer, models.SET_NULL, null=True, related_name="+", verbose_name=_("viewer"), db_index=False
    )
    about = models.UUIDField(_("about"), null=True)
    """The id of what the act was about: a comment, a restriction."""
    video_id = models.UUIDField(_("video"), null=True)
    text = models.CharField(_("text"), max_length=TEXT_MAX, blank=True, db_default="")
    reason = models.CharField(_("reason"), max_length=REASON_MAX, blank=True, db_default="")
    until = models.DateTimeField(_("until"), null=True)
    created_at = models.DateTimeField(_("at"), db_default=Now())
    undone_at = models.DateTimeField(_("undone"), null=True)
    undone_by = models.ForeignKey(Viewer, models.SET_NULL, null=True, related_name="+", verbose_name=_("undone by"))

    class Meta:
        verbose_name = _("act of moderation")
        verbose_name_plural = _("acts of moderation")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # Those of the whole site are all 0: nulls count as different.
            models.UniqueConstraint(fields=["channel", "seq"], name="audit_seq"),
        ]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["viewer", "channel"], name="audit_viewer")]

    def __str__(self) -> str:
        return f"{self.act} by {self.actor_id}"


def about_question(question_id: int) -> UUID:
    """Return the number of a question as an id. No comment and no person has the same: theirs have a version."""
    return UUID(int=question_id)


class Complaint(models.Model):
    """What a viewer reports to the moderators of a channel: a comment, question or person. An act settles it.

    Written by moderation.complaints only. It goes with the reporter, and with the person that it is about.
    """

    class Kind(models.TextChoices):
        COMMENT = "comment", _("comment")
        PERSON = "person", _("person")
        QUESTION = "question", _("question")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    channel = models.ForeignKey(Viewer, models.CASCADE, related_name="+", verbose_name=_("channel"), db_index=False)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    about = models.UUIDField(_("about"))
    """The id of the comment, or of the person; the number of the question, as `about_question` writes it."""
    video_id = models.UUIDField(_("video"), null=True)
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="+", verbose_name=_("person"))
    """The person that it is about: of a comment or question, its author."""
    text = models.CharField(_("text"), max_length=REPORTED_TEXT_MAX, blank=True, db_default="")
    """How it began when it was reported."""
    reporter = models.ForeignKey(Viewer, models.CASCADE, related_name="+", verbose_name=_("reported by"))
    reason = models.CharField(_("reason"), max_length=8, choices=COMPLAINT_REASONS)
    remark = models.CharField(_("remark"), max_length=REASON_MAX, blank=True, db_default="")
    is_for_site = models.BooleanField(_("for the people of the site"), db_default=False, default=False)
    """About somebody who moderates the channel: they would read who has reported them."""
    created_at = models.DateTimeField(_("at"), db_default=Now())
    settled_at = models.DateTimeField(_("settled"), null=True)
    settlement = models.UUIDField(null=True, editable=False)
    """The act that has settled it (`AuditEntry`). Null, too, where authors have deleted their own comment."""

    class Meta:
        verbose_name = _("report by a viewer")
        verbose_name_plural = _("reports by viewers")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["channel", "about", "reporter"], name="complaint_once"),
            models.CheckConstraint(condition=~models.Q(reporter=models.F("viewer")), name="complaint_about_another"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["channel", "about"], condition=models.Q(settled_at=None), name="complaint_open"),
            models.Index(fields=["created_at"], name="complaint_at"),
        ]

    def __str__(self) -> str:
        return self.text or str(self.viewer)


class PersonNote(models.Model):
    """What the moderators of a channel have written down about a person. The person never reads it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    channel = models.ForeignKey(Viewer, models.CASCADE, related_name="notes_kept", verbose_name=_("channel"))
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="notes", verbose_name=_("viewer"), db_index=False)
    author = models.ForeignKey(Viewer, models.SET_NULL, null=True, related_name="+", verbose_name=_("author"))
    body = models.CharField(_("text"), max_length=NOTE_MAX)
    created_at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["viewer", "channel"], name="note_about")]

    def __str__(self) -> str:
        return self.body[:60]
