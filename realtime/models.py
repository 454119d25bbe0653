"""The event log: PostgreSQL's truth about every durable event. Written by realtime.log, read by frontend nodes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class Topic(models.Model):
    """The head of a topic. Its row lock gives the topic's events one order: the order of commit.

    `seq` numbers durable events from 1 without a hole; `version` grows with each change of the topic's state
    (like totals), so the newest of two states can be told.
    """

    name = models.CharField(primary_key=True, max_length=100)
    seq = models.BigIntegerField(default=0)
    version = models.BigIntegerField(default=0)
    viewers_peak = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}@{self.seq}"


class LoggedEvent(models.Model):
    """A durable event, written in the transaction that makes it true. `data` is what viewers receive."""

    pk = models.CompositePrimaryKey("topic_id", "seq")
    topic = models.ForeignKey(Topic, models.CASCADE, related_name="events")
    seq = models.BigIntegerField()
    name = models.CharField(max_length=32)
    data = models.JSONField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["at"])]

    def __str__(self) -> str:
        return f"{self.topic_id}@{self.seq} {self.name}"
