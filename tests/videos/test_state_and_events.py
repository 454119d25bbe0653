"""The rule of the whole platform: first state + events = fresh state, for every event type.

Source: Zulip's `verify_action`. Random acts on a real database; what a node makes of the events must equal what a
node that has just read the database knows.
"""

from __future__ import annotations

import copy
import random
from typing import Any

import orjson
import pytest

from realtime.events import Counters, Durable, TopicName, newest
from realtime.log.database import DatabaseStore
from realtime.log.store import Loaded
from realtime.registry import registry
from tests.videos.acts import Stage

DURABLE_NAMES = {
    "author",
    "comment",
    "comment_deleted",
    "comment_edited",
    "comment_pinned",
    "comment_restored",
    "comment_unpinned",
    "video",
}


async def load(stage: Stage) -> Loaded:
    return await DatabaseStore(registry).load(TopicName(stage.video.topic))


class Follower:
    """What a node knows: a snapshot, kept up by events alone."""

    def __init__(self, start: Loaded, topic: TopicName) -> None:
        self.kind = registry.kinds["video"]
        self.seq = start.head.seq
        self.snapshot: dict[str, Any] = copy.deepcopy(start.snapshot)
        self.counters = Counters(topic, start.head.version, start.counters or {})

    def take(self, event: object) -> None:
        if isinstance(event, Counters):
            self.counters = newest(self.counters, event)
        elif isinstance(event, Durable):
            assert event.seq == self.seq + 1, "a hole in the order of events"
            self.seq = event.seq
            self.kind.apply(self.snapshot, event.name, orjson.loads(event.body))


@pytest.mark.parametrize("seed", range(4))
async def test_first_state_and_events_equal_fresh_state(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randrange(80)):
        await stage.act(chance)
    stage.events.clear()
    follower = Follower(await load(stage), TopicName(stage.video.topic))
    for number in range(100):
        await stage.act(chance)
        if number % 10 == 0:
            for event in stage.events:
                follower.take(event)
            stage.events.clear()
            fresh = await load(stage)
            assert follower.snapshot == fresh.snapshot
            assert follower.seq == fresh.head.seq
            assert (follower.counters.kinds, follower.counters.version) == (fresh.counters, fresh.head.version)
    await stage.end()


async def test_every_type_of_durable_event_takes_part(stage: Stage) -> None:
    """A new type that the random acts do not produce would not be under the rule: then this fails."""
    chance = random.Random(1)
    for _ in range(150):
        await stage.act(chance)
    await stage.end()
    assert {event.name for event in stage.events if isinstance(event, Durable)} == DURABLE_NAMES
    log = (await load(stage)).log
    assert [(event.seq, event.name) for event in log] == [
        (event.seq, event.name) for event in stage.events if isinstance(event, Durable)
    ]
    assert [orjson.loads(event.body) for event in log] == [
        orjson.loads(event.body) for event in stage.events if isinstance(event, Durable)
    ]
