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
from realtime.log.database import DatabaseStore, events_after
from realtime.log.store import Loaded
from realtime.log.threads import backend_threads
from realtime.registry import registry
from tests.kept import kept_by_a_node, read
from tests.videos.acts import Stage
from videos.models import Comment

DURABLE_NAMES = {
    "author",
    "comment",
    "comment_deleted",
    "comment_edited",
    "comment_pinned",
    "comment_restored",
    "comment_unpinned",
    "emoji_added",
    "emoji_deleted",
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
    for _ in range(200):
        await stage.act(chance)
    await stage.end()
    assert {event.name for event in stage.events if isinstance(event, Durable)} == DURABLE_NAMES
    log = (await load(stage)).log
    assert [event.seq for event in log] == [event.seq for event in stage.events if isinstance(event, Durable)]


@pytest.mark.parametrize("seed", range(3))
async def test_who_resumes_over_a_deletion_gets_no_text_of_it_and_is_where_a_fresh_viewer_is(
    stage: Stage, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From any position, by what the event log has and by what a node has kept. Deleted and edited texts were in both
    until retention took them.
    """
    monkeypatch.setattr("videos.topics.SNAPSHOT_COMMENTS", 8)
    chance, topic = random.Random(seed), TopicName(stage.video.topic)
    start = await load(stage)
    stage.events.clear()
    known = []
    for number in range(150):
        await stage.act(chance)
        if number % 5 == 0:
            known.append(await load(stage))
    fresh = await load(stage)
    log = await backend_threads.run(events_after, "default", topic, start.head.seq, 10_000)
    assert [event.seq for event in log] == list(range(start.head.seq + 1, fresh.head.seq + 1))
    assert kept_by_a_node(start, topic, stage.events) == read(log)
    for loaded in known:
        follower = Follower(loaded, topic)
        for event in log:
            if event.seq > follower.seq:
                follower.take(event)
        assert follower.snapshot == fresh.snapshot
    said = await backend_threads.run(lambda: dict(Comment.objects.filter(deleted_at=None).values_list("id", "body")))
    bodies = {str(id): body for id, body in said.items()}
    for _, _, data in read(log):
        if "body" in data.get("comment", {}):
            assert data["comment"]["body"] == bodies[data["comment"]["id"]]
