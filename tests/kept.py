"""What a node keeps of a topic's events for those who come back, and how it compares with the event log."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import orjson

from realtime.events import Durable, Event, TopicName
from realtime.log.store import Loaded
from realtime.node.feed import Feed
from realtime.registry import registry
from realtime.stamps import Passage

Read = tuple[int, str, dict[str, Any]]
"""The seq of an event, its name and its data."""


def read(events: Iterable[Durable]) -> list[Read]:
    return [(event.seq, event.name, orjson.loads(event.body)) for event in events]


def kept_by_a_node(start: Loaded, topic: TopicName, events: Iterable[Event]) -> list[Read]:
    """Return what a node has kept that has read the topic and then taken the events."""
    feed = Feed(topic, registry.kinds[topic.partition(":")[0]])
    feed.load(copy.deepcopy(start))
    feed.is_ready = True
    for event in events:
        if event.topic == topic and isinstance(event, Durable):
            feed.take(event, Passage("local", {"node": 0}))
    return [(int(kept.id.rpartition(".")[2]), kept.name, orjson.loads(kept.body)) for kept in feed.ring]
