"""The event log: PostgreSQL's truth about every durable event. Written by realtime.log.writer, read by frontend
nodes."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.functions import Now


class Topic(models.Model):
    """The head of a topic. Its row lock gives the topic's events one order: the order of commit.

    `seq` numbers durable events from 1 without a hole. `version` grows with each change of the topic's counters, so the
    newer of two is known. `changed` is the transaction that wrote one of them last, set by a trigger
    (realtime.log.changes).
    """

    name = models.CharField(primary_key=True, max_length=100)
    seq = models.BigIntegerField(default=0)
    version = models.BigIntegerField(default=0)
    viewers_peak = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        # Of this kind, a row is still updated in place (PostgreSQL 16): a change writes to no other index.
        indexes: ClassVar[list[models.Index]] = [
            BrinIndex(fields=["changed"], name="topic_changed", pages_per_range=8, autosummarize=True),
        ]
        permissions = (("view_figures", "Can see the operator's page"),)

    def __str__(self) -> str:
        return f"{self.name}@{self.seq}"


class GoneTopic(models.Model):
    """A topic that was deleted by a transaction, so that nodes take it away (realtime.log.changes).

    A trigger writes it, also when SQL by hand deletes the topic.
    """

    id = models.BigAutoField(primary_key=True)
    transaction = models.BigIntegerField(db_index=True)
    topic = models.CharField(max_length=100)
    at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.topic} deleted by {self.transaction}"


class LoggedEvent(models.Model):
    """A durable event, written in the transaction that makes it true. `data` is what viewers receive.

    `thing`: whose content `data` holds (realtime.kinds.TopicKind.thing), so that it is found when that is taken back.
    """

    pk = models.CompositePrimaryKey("topic_id", "seq")
    topic = models.ForeignKey(Topic, models.CASCADE, db_index=False, related_name="events")
    seq = models.BigIntegerField()
    name = models.CharField(max_length=32)
    data = models.JSONField()
    thing = models.CharField(max_length=64, blank=True, db_default="")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["at"]),
            models.Index(fields=["topic", "thing"], name="event_thing", condition=~models.Q(thing="")),
        ]

    def __str__(self) -> str:
        return f"{self.topic_id}@{self.seq} {self.name}"


class Audience(models.Model):
    """How many viewers a topic has had. `kept` of them are rows of `SeenViewer`: those whose low `level` bits are 0.

    When no more come (`is_open`), these rows are deleted and the number stays (realtime.log.audiences).
    """

    topic = models.OneToOneField(Topic, models.CASCADE, primary_key=True)
    level = models.SmallIntegerField(default=0)
    kept = models.BigIntegerField(default=0)
    is_open = models.BooleanField(default=True, db_default=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["topic"], condition=models.Q(is_open=True), name="audience_open"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(level__gte=0, kept__gte=0), name="audience_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.unique} of {self.topic_id}"

    @property
    def unique(self) -> int:
        """Every viewer once: exact while all are kept (level 0), then within 0.4 % (standard error)."""
        return self.kept << self.level


class SeenViewer(models.Model):
    """A viewer that a topic has had at some time, by their key (realtime.table.counting). Nobody can find out from the
    key who it is.
    """

    pk = models.CompositePrimaryKey("topic_id", "key")
    topic = models.ForeignKey(Topic, models.CASCADE, db_index=False, related_name="+")
    key = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.key} of {self.topic_id}"


class DrawnEpoch(models.Model):
    """A random text that distinguishes this database's history from others (realtime.log.epoch). One row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    drawn = models.CharField(max_length=40)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(id=1), name="one_drawn_epoch"),
        ]

    def __str__(self) -> str:
        return self.drawn
