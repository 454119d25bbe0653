"""The dispatcher: from a batch of events to one message for each frontend node that has viewers of them.

Hop: called by the Celery task (realtime.tasks), asks the shared table (realtime.table.subscriptions), sends through the
channel layer. Promise: at most once. What is lost here the nodes find by themselves (realtime.node.repair).
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgpack

from realtime import metrics
from realtime.events import NodeId, TopicName, coalesce, from_wire, merge_key, now_ms, to_wire
from realtime.stamps import clean, is_spoken

logger = logging.getLogger(__name__)

STATE = "s"  # the letter of `State` in its wire form


class Lookup(Protocol):
    """The half of the shared table that a dispatcher needs."""

    async def nodes_for(self, topics: Sequence[TopicName]) -> dict[TopicName, frozenset[NodeId]]:
        """Return, per topic, the nodes with at least one viewer of it. Raises TableUnavailable."""
        ...


class Relay(Protocol):
    """Hands events to the relay for other regions (realtime.relay.table.Outbox)."""

    async def offer(self, events: Sequence[tuple[str, bytes]], stamps: Mapping[str, Any]) -> None:
        """Hand over events, topic and packed wire form, for those regions that watch them. Never raises."""
        ...


@dataclass(slots=True)
class Dispatched:
    """The result of a batch. `unwatched` events had no viewer in this region. `bad` items were no events."""

    events: int = 0
    messages: int = 0
    unwatched: int = 0
    bad: int = 0


@dataclass(slots=True)
class Dispatcher:
    """Looks up who watches and sends one message per node and batch.

    `send(messages)` puts a message, packed as the layer carries it, on each node's channel. The dispatcher neither
    builds nor checks an event. It packs it once, for any number of nodes. The nodes check it, so an event of a newer
    version reaches the nodes that know that version.
    It remembers a lookup for `cache_seconds`. A node that has just subscribed took its snapshot after it entered the
    table. So if it misses an event for that reason, its next reconcile finds the event. An empty answer is not
    remembered: it costs no message, and the first viewer of a topic may come and act within that time.

    `relay` takes the same events for the other regions. Events that came from another region must stay here: then there
    is no `relay`. Each region finds out by itself the state that no row keeps (who is online).
    """

    table: Lookup
    send: Callable[[Mapping[NodeId, bytes]], Awaitable[object]]
    clock: Callable[[], float]
    relay: Relay | None = None
    cache_seconds: float = 0.1
    cache_max_topics: int = 50_000
    _cache: dict[TopicName, tuple[float, frozenset[NodeId]]] = field(default_factory=dict)

    async def dispatch(self, wire: Sequence[object], stamps: object = None) -> Dispatched:
        """Send the events of a batch, in wire form, to the nodes that watch their topics.

        `stamps` says when the batch passed the hops before this one (realtime.stamps); `dispatched` is added to them.
        If the batch has a wire version that is not spoken here, the nodes find its durable events in the database.
        Raises TableUnavailable when the table does not answer; then nothing was sent.
        """
        outcome = Dispatched()
        if not is_spoken(stamps):
            outcome.bad = len(wire)
            metrics.wire_refused.inc()
            logger.warning("dispatcher: a batch in an unknown version of the wire: %d events left", len(wire))
            return outcome
        items = _coalesced(wire, outcome)
        outcome.events = len(items)
        nodes = await self._nodes_for({item[1] for item in items})
        boxes: defaultdict[NodeId, list[bytes]] = defaultdict(list)
        remote: list[tuple[str, bytes]] = []
        pack = msgpack.Packer().pack
        for item in items:
            watching = nodes[item[1]]
            is_for_all = self.relay is not None and item[0] != STATE
            if not watching:
                outcome.unwatched += 1
                if not is_for_all:
                    continue
            packed = pack(item)
            for node in watching:
                boxes[node].append(packed)
            if is_for_all:
                remote.append((item[1], packed))
        stamped = {**clean(stamps), "dispatched": now_ms()}
        if boxes:
            packed_stamps = pack(stamped)
            await self.send({node: deliver_message(packed, packed_stamps) for node, packed in boxes.items()})
        if self.relay is not None and remote:
            await self.relay.offer(remote, stamped)
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


_HEAD = b"\x83" + msgpack.packb("type") + msgpack.packb("node.deliver") + msgpack.packb("events")
_STAMPS = msgpack.packb("stamps")


def deliver_message(packed_items: Sequence[bytes], packed_stamps: bytes) -> bytes:
    """Return the layer's message `{"type": "node.deliver", "events": […], "stamps": {…}}` made of packed parts."""
    return b"".join(
        (_HEAD, msgpack.Packer().pack_array_header(len(packed_items)), *packed_items, _STAMPS, packed_stamps)
    )


def _coalesced(wire: Iterable[object], outcome: Dispatched) -> list[list[Any]]:
    """Return the items that name a topic. If state of one topic came twice, it becomes one item. Count the rest."""
    kept: list[list[Any]] = []
    places: dict[tuple[str, ...], int] = {}
    for item in wire:
        if not (isinstance(item, list) and len(item) > 1 and isinstance(item[0], str) and isinstance(item[1], str)):
            outcome.bad += 1
            continue
        key = merge_key(item)
        if key is not None and places.setdefault(key, len(kept)) < len(kept):
            try:
                kept[places[key]] = _merged(kept[places[key]], item)
            except ValueError:
                outcome.bad += 1
        else:
            kept.append(item)
    if outcome.bad:
        logger.warning("dispatcher: dropped %d items that are no events", outcome.bad)
    return kept


def _merged(known: list[Any], other: list[Any]) -> list[Any]:
    """Raises ValueError when one of them is no event."""
    [event] = coalesce(event for item in (known, other) if (event := from_wire(item)) is not None)
    return to_wire(event)
