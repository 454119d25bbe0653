"""The tables of screening: the rules of a channel, and the lists of words of channels and of the site.

Written by videos.channel_rules and the admin; read by videos.screened, inside the transaction that stores a comment.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Viewer
from screening.words import Measure, Wordlist, entries_of
from web.ids import new_id
from web.refusals import Invalid

SLOW_MAX_SECONDS = 3_600
AGE_MAX_MINUTES = 129_600  # 90 days
TEXT_MAX = 60_000  # a request has 64 KiB at most


class ChannelRules(models.Model):
    """What comments at a broadcaster's videos must be like, and who may come. Without a row there are no rules."""

    owner = models.OneToOneField(Viewer, models.CASCADE, primary_key=True, related_name="rules")
    slow_seconds = models.PositiveIntegerField(
        _("slow mode, seconds"),
        default=0,
        db_default=0,
        validators=[MaxValueValidator(SLOW_MAX_SECONDS)],
        help_text=_("So long each viewer waits between two comments; 0: no wait."),
    )
    account_minutes = models.PositiveIntegerField(
        _("age of accounts, minutes"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(AGE_MAX_MINUTES)],
        help_text=_("Only accounts that are as old may comment, no guests; empty: all may."),
    )
    follow_minutes = models.PositiveIntegerField(
        _("followers only, minutes"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(AGE_MAX_MINUTES)],
        help_text=_("Only those who have followed for as long may comment; empty: all may."),
    )
    emoji_only = models.BooleanField(_("emoji only"), default=False, db_default=False)
    links_off = models.BooleanField(_("no links"), default=False, db_default=False)
    capitals_off = models.BooleanField(_("no shouting in capitals"), default=False, db_default=False)
    repeats_off = models.BooleanField(_("no repeating"), default=False, db_default=False)
    shield = models.BooleanField(
        _("attack shield"),
        default=False,
        db_default=False,
        help_text=_("When an attack is noticed, newcomers are shut out for ten minutes."),
    )
    raids_off = models.BooleanField(
        _("no raids from other channels"),
        default=False,
        db_default=False,
        help_text=_("Other broadcasters cannot send their viewers here."),
    )
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("rules of a channel")
        verbose_name_plural = _("rules of channels")

    def __str__(self) -> str:
        return str(self.owner)


class Gate(models.Model):
    """Until then only those who came to the site before `since` may comment in the channel (videos.gate)."""

    owner = models.OneToOneField(Viewer, models.CASCADE, primary_key=True, related_name="gate")
    since = models.DateTimeField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.owner_id} until {self.until}"


class Alarm(models.Model):
    """The last attack that was noticed in the channel (videos.alarms), in numbers: its moderators read them."""

    owner = models.OneToOneField(Viewer, models.CASCADE, primary_key=True, related_name="+")
    video_id = models.UUIDField()
    kind = models.CharField(max_length=8)
    people = models.PositiveIntegerField()
    addresses = models.PositiveIntegerField()
    comments = models.PositiveIntegerField()
    seconds = models.PositiveIntegerField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.kind} at {self.video_id}"


class Words(models.Model):
    """Lists of words, one entry a line (screening.words). `version` is another one after each change."""

    refused = models.TextField(_("refused"), blank=True, default="", db_default="", max_length=TEXT_MAX)
    held = models.TextField(_("held for review"), blank=True, default="", db_default="", max_length=TEXT_MAX)
    version = models.UUIDField(default=new_id, editable=False)
    changed_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.version = new_id()
        super().save(*args, **kwargs)

    def clean(self) -> None:
        try:
            wordlist_of(self.refused, self.held)
        except Invalid as refusal:
            raise ValidationError(refusal.detail) from refusal


class ChannelWords(Words):
    """The words of a channel."""

    owner = models.OneToOneField(Viewer, models.CASCADE, primary_key=True, related_name="words")

    class Meta:
        verbose_name = verbose_name_plural = _("words of channels")

    def __str__(self) -> str:
        return str(self.owner)


class SiteWords(Words):
    """The words of the whole site: one row, or none."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)

    class Meta:
        verbose_name = verbose_name_plural = _("words of the site")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(id=1), name="site_words_one_row"),
        ]

    def __str__(self) -> str:
        return str(_("words of the site"))


def wordlist_of(refused: str, held: str) -> Wordlist:
    """Return both lists, ready to be matched. Raises Invalid."""
    return Wordlist([*entries_of(refused, Measure.REFUSE), *entries_of(held, Measure.HOLD)])
