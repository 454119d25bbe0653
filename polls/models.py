"""The tables of what is beside the picture: polls with their votes. Called by all of this app.

The constraints here decide: one vote per viewer and poll, no negative count.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Viewer
from videos.models import Video
from web.ids import new_id

QUESTION_MAX = 200
OPTION_MAX = 80
OPTIONS_MIN, OPTIONS_MAX = 2, 6


class Poll(models.Model):
    """A question with options. It is over when `ends_at` is past; without one, it is open until somebody closes it.

    `withdrawn_at`: a moderator has taken it away. It is kept for staff, and shown to nobody.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    video = models.ForeignKey(Video, models.CASCADE, db_index=False, related_name="polls", verbose_name=_("video"))
    opener = models.ForeignKey(
        Viewer, models.SET_NULL, null=True, related_name="opened_polls", verbose_name=_("opened by")
    )
    question = models.CharField(_("question"), max_length=QUESTION_MAX)
    is_for_accounts = models.BooleanField(_("for accounts only"), default=False, db_default=False)
    opened_at = models.DateTimeField(_("opened"), db_default=Now())
    ends_at = models.DateTimeField(_("ends"), null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True)

    class Meta:
        verbose_name = _("poll")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["video", "-opened_at", "-id"], name="poll_newest"),
        ]

    def __str__(self) -> str:
        return self.question[:60]

    @property
    def is_open(self) -> bool:
        return self.withdrawn_at is None and (self.ends_at is None or self.ends_at > timezone.now())


class PollOption(models.Model):
    """What one may vote for. `votes` equals `count(*)` of Vote, kept in the same transaction.

    Its id is a number, short in the counters of a topic.
    """

    id = models.BigAutoField(primary_key=True)
    poll = models.ForeignKey(Poll, models.CASCADE, db_index=False, related_name="options")
    place = models.SmallIntegerField()
    text = models.CharField(max_length=OPTION_MAX)
    votes = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["poll", "place"], name="option_place"),
            models.CheckConstraint(condition=models.Q(votes__gte=0), name="votes_not_negative"),
        ]

    def __str__(self) -> str:
        return self.text


class Vote(models.Model):
    """One vote per viewer and poll, for good. Written by the group commit of votes (polls.votes) only."""

    pk = models.CompositePrimaryKey("poll_id", "viewer_id")
    poll = models.ForeignKey(Poll, models.CASCADE, db_index=False, related_name="votes")
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="votes")
    option = models.ForeignKey(PollOption, models.CASCADE, db_index=False, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.viewer_id} for {self.option_id}"
