"""The dispatcher: from a batch of events to one message for each frontend node that has viewers of them.

Hop: called by the Celery task (realtime.tasks), asks the shared table (realtime.subscriptions), sends through the
channel layer. Promise: at most once. What is lost here the nodes find by themselves (realtime.frontend, reconcile).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from realtime.events import Event, NodeId, TopicName, coalesce, from_wire, to_wire

logger = logging.getLogger(__name__)


class Lookup(Protocol):
    """The half of the shared table that a dispatcher needs."""

    async def nodes_for(self, topics: Sequence[TopicName]) -> dict[TopicName, frozenset[NodeId]]:
        """Return, per topic, the nodes with at least one viewer of it. Raises TableUnavailable."""
        ...


@dataclass(slots=True)
class Dispatched:
    """What a batch came to. `unwatched` events had no viewer in this region."""

    events: int = 0
    messages: int = 0
    unwatched: int = 0


@dataclass(slots=True)
class Dispatcher:
    """Looks up who watches and sends one message per node and batch.

    `send(node, message)` puts a message on the node's channel of the layer.
    A lookup is remembered for `cache_seconds`: a node that has just subscribed took its snapshot after it entered
    the table, so an event it misses for that reason is found by its next reconcile. That nobody watches is not
    remembered: it costs no message, and the first viewer of a video comes and acts within that time.
    """

    table: Lookup
    send: Callable[[NodeId, dict[str, Any]], Awaitable[None]]
    clock: Callable[[], float]
    cache_seconds: float = 0.1
    cache_max_topics: int = 50_000
    _cache: dict[TopicName, tuple[float, frozenset[NodeId]]] = field(default_factory=dict)

    async def dispatch(self, wire: Sequence[object]) -> Dispatched:
        """Send the events of a batch, in wire form, to the nodes that watch their topics.

        Raises TableUnavailable when the table does not answer; then nothing was sent.
        """
        events = coalesce(_parse(wire))
        nodes = await self._nodes_for({event.topic for event in events})
        outcome = Dispatched(events=len(events))
        boxes: dict[NodeId, list[list[Any]]] = {}
        for event in events:
            if not nodes[event.topic]:
                outcome.unwatched += 1
                continue
            item = to_wire(event)
            for node in nodes[event.topic]:
                boxes.setdefault(node, []).append(item)
        for node, items in boxes.items():
            await self.send(node, {"type": "node.deliver", "events": items})
        outcome.messages = len(boxes)
        return outcome

    async def _nodes_for(self, topics: set[TopicName]) -> dict[TopicName, frozenset[NodeId]]:
        now = self.clock()
        fresh_since = now - self.cache_seconds
        found = {topic: entry[1] for topic in topics if (entry := self._cache.get(topic)) and entry[0] > fresh_since}
        if missing := [topic for topic in topics if topic not in found]:
            if len(self._cache) + len(missing) > self.cache_max_topics:
                self._cache.clear()
            fresh = await self.table.nodes_for(missing)
            self._cache.update((topic, (now, nodes)) for topic, nodes in fresh.items() if nodes)
            found.update(fresh)
        return found


def _parse(wire: Sequence[object]) -> list[Event]:
    events = []
    for item in wire:
        try:
            event = from_wire(item)
        except ValueError:
            logger.warning("dispatcher: dropped an item that is no event")
            continue
        if event is not None:
            events.append(event)
    return events
