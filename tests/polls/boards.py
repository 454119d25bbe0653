"""What a node makes of the events of a board."""

from __future__ import annotations

import copy
from typing import Any

import orjson

from realtime.events import Counters, Durable, TopicName, newest
from realtime.log.database import DatabaseStore
from realtime.log.store import Loaded
from realtime.registry import registry
from tests.videos.acts import Stage


async def load(stage: Stage, prefix: str = "board") -> Loaded:
    return await DatabaseStore(registry).load(TopicName(f"{prefix}:{stage.video.id}"))


class BoardFollower:
    """A snapshot and a counter that are kept up by events alone."""

    prefix = "board"

    def __init__(self, stage: Stage, start: Loaded) -> None:
        self.stage = stage
        self.topic = TopicName(f"{self.prefix}:{stage.video.id}")
        self.kind = registry.kinds[self.prefix]
        self.seq = start.head.seq
        self.snapshot: dict[str, Any] = copy.deepcopy(start.snapshot)
        self.counters = Counters(self.topic, start.head.version, start.counters or {})
        stage.events.clear()

    def take_all(self) -> None:
        for event in self.stage.events:
            if event.topic != self.topic:
                continue
            if isinstance(event, Counters):
                self.counters = newest(self.counters, event)
            elif isinstance(event, Durable):
                assert event.seq == self.seq + 1, "a hole in the order of events"
                self.seq = event.seq
                self.kind.apply(self.snapshot, event.name, orjson.loads(event.body))

    async def check(self, *others: BoardFollower) -> None:
        """Check that the events led to what is in the database; for other followers of the stage, too."""
        self.take_all()
        for other in others:
            await other.check()
        self.stage.events.clear()
        fresh = await load(self.stage, self.prefix)
        assert self.snapshot == fresh.snapshot
        assert self.seq == fresh.head.seq
        assert (self.counters.kinds, self.counters.version) == (fresh.counters, fresh.head.version)


class QuestionsFollower(BoardFollower):
    """The same of the list of questions."""

    prefix = "questions"
