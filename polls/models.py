"""The tables of what is beside the picture: polls and viewers' questions with their votes, announcements, goals, raids.
Called by all of this app.

The constraints here decide: one vote per viewer and poll or question, one question that is being answered, no negative
count.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import NAME_MAX, Viewer
from videos.models import Video
from web.ids import new_id
from web.text import TITLE_MAX

QUESTION_MAX = 200
OPTION_MAX = 80
OPTIONS_MIN, OPTIONS_MAX = 2, 6
ANNOUNCEMENT_MAX = 200
GOAL_TITLE_MAX = 60
ASKED_MAX = 300


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
        verbose_name_plural = _("polls")
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


class QuestionList(models.Model):
    """Whether viewers may ask questions at a video now. Without a row, they never could."""

    video = models.OneToOneField(Video, models.CASCADE, primary_key=True, related_name="question_list")
    is_open = models.BooleanField(db_default=True, default=True)

    def __str__(self) -> str:
        return f"questions of {self.video_id}"


IS_LISTED = models.Q(answered_at=None, deleted_at=None)
"""The question waits for an answer, or is being answered."""


class Question(models.Model):
    """What a viewer asks the broadcaster. It is listed until it is answered. `answering_at`: since when all see it
    beside the picture; it is kept afterwards.

    Its id is a number, short in the counters of a topic. `votes` equals `count(*)` of QuestionVote, kept in the same
    transaction. `deleted_at`: it is kept for staff, and shown to nobody.
    """

    id = models.BigAutoField(primary_key=True)
    video = models.ForeignKey(Video, models.CASCADE, related_name="questions", verbose_name=_("video"))
    author = models.ForeignKey(Viewer, models.CASCADE, related_name="questions", verbose_name=_("author"))
    body = models.CharField(_("question"), max_length=ASKED_MAX)
    client_id = models.CharField(max_length=64, null=True)  # noqa: DJ001
    votes = models.BigIntegerField(_("votes"), default=0, db_default=0)
    asked_at = models.DateTimeField(_("asked"), db_default=Now())
    answering_at = models.DateTimeField(_("answering since"), null=True)
    answered_at = models.DateTimeField(_("answered"), null=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True)
    deletion = models.UUIDField(null=True, editable=False)
    """The act of moderation that deleted it with other texts, by which it can be taken back (polls.purged)."""

    class Meta:
        verbose_name = _("viewer's question")
        verbose_name_plural = _("viewers' questions")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["video"], condition=IS_LISTED, name="question_listed"),
            models.Index(
                fields=["video", "-answered_at"],
                condition=models.Q(answered_at__isnull=False, deleted_at=None),
                name="question_answered",
            ),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["video", "author", "client_id"], name="question_client_id"),
            models.UniqueConstraint(
                fields=["video"],
                condition=IS_LISTED & models.Q(answering_at__isnull=False),
                name="question_one_answering",
            ),
            models.CheckConstraint(condition=models.Q(votes__gte=0), name="question_votes_not_negative"),
        ]

    def __str__(self) -> str:
        return self.body[:60]

    @property
    def state(self) -> str:
        """One of "open", "answering", "answered"."""
        if self.answered_at is not None:
            return "answered"
        return "open" if self.answering_at is None else "answering"


class QuestionVote(models.Model):
    """One vote per viewer and question, which they may take back. Written by the group commit (polls.asking) only."""

    pk = models.CompositePrimaryKey("question_id", "viewer_id")
    question = models.ForeignKey(Question, models.CASCADE, db_index=False, related_name="cast")
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.viewer_id} for {self.question_id}"


class Announcement(models.Model):
    """What a broadcaster says to all who watch. The newest is on the board until it is taken away."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    video = models.ForeignKey(Video, models.CASCADE, related_name="announcements", verbose_name=_("video"))
    author = models.ForeignKey(Viewer, models.SET_NULL, null=True, related_name="+", verbose_name=_("author"))
    text = models.CharField(_("text"), max_length=ANNOUNCEMENT_MAX)
    made_at = models.DateTimeField(_("made"), db_default=Now())
    ended_at = models.DateTimeField(_("taken away"), null=True)

    class Meta:
        verbose_name = _("announcement")
        verbose_name_plural = _("announcements")

    def __str__(self) -> str:
        return self.text[:60]


class Goal(models.Model):
    """How many likes or viewers a broadcaster wants. The page compares it with the video's own numbers.

    `set_at` and `reached_at` are for the replay. A job writes the second, some seconds late (polls.tasks).
    """

    class Kind(models.TextChoices):
        LIKES = "likes", _("likes")
        VIEWERS = "viewers", _("viewers")

    id = models.BigAutoField(primary_key=True)
    video = models.ForeignKey(Video, models.CASCADE, related_name="goals", db_index=False, verbose_name=_("video"))
    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    title = models.CharField(_("title"), max_length=GOAL_TITLE_MAX, blank=True, db_default="")
    target = models.PositiveIntegerField(_("number"))
    set_at = models.DateTimeField(_("set"), db_default=Now())
    reached_at = models.DateTimeField(_("reached"), null=True)

    class Meta:
        verbose_name = _("goal")
        verbose_name_plural = _("goals")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["video", "kind"], name="goal_once"),
        ]

    def __str__(self) -> str:
        return f"{self.target} {self.kind}"


class Raid(models.Model):
    """A broadcaster takes all who watch to another channel's broadcast. Of that it keeps what was shown then."""

    video = models.OneToOneField(Video, models.CASCADE, primary_key=True, related_name="raid")
    target_id = models.UUIDField(db_index=True)
    target_title = models.CharField(max_length=TITLE_MAX)
    target_name = models.CharField(max_length=NAME_MAX)
    name = models.CharField(max_length=NAME_MAX)
    viewers = models.PositiveIntegerField(_("viewers"))
    at = models.DateTimeField(_("at"), db_default=Now())
    leaves_at = models.DateTimeField(_("left"))

    class Meta:
        verbose_name = _("raid")
        verbose_name_plural = _("raids")

    def __str__(self) -> str:
        return f"{self.video_id} to {self.target_id}"
