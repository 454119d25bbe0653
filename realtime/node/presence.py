"""Presence: who is online, for those who may see it, without flapping.

Hop: beside the path. A node sends a heartbeat for each viewer who has a connection on it, every d seconds and at the
connection's end, to a table in Redis. A viewer who appears in the table comes online. A viewer with a last heartbeat
older than d + 2e goes offline (e = d / 4: how late a heartbeat may be). Both changes are published as every other
event is, on the viewer's presence topic. A connection that is lost and back within d changes nothing.

Promise: state. Newest wins; the viewers of a dead node go offline within d + 2e, because any node sweeps for all. If an
event gets lost, the node's next look at the table (realtime.node.online) finds the change.
Source: LinkedIn, "Now You See Me, Now You Don't" (2018): heartbeats every d, entries that expire after d + e, a delayed
trigger at d + 2e. There, an actor for each viewer holds the trigger, and must be drained before its node restarts.
Here, the entry's place in a sorted set is the trigger, and it survives the node. d is fixed: adapting it to the
connection is patented.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set

from realtime import metrics
from realtime.batches import news_gathered
from realtime.events import Event, State
from realtime.log.store import StoreUnavailable
from realtime.table.presence import BATCH_MAX_VIEWERS, BEAT_SECONDS, PresenceTable, offline, online
from realtime.table.scripts import TableUnavailable

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 0.5
GATHER_SECONDS = 0.01  # viewers who come within this time go in one round trip
TICK_SECONDS = 0.25


class Presence:
    """One node's part: heartbeats for the viewers it holds, and its turn at sweeping for all nodes.

    `publish` gets the changes, `save` viewers and when they were last active (ms) to be kept in the database,
    `send_remote` the heartbeats, for the tables of other regions.
    """

    def __init__(
        self,
        table: PresenceTable,
        *,
        publish: Callable[[Sequence[Event]], None],
        save: Callable[[Mapping[str, int]], Awaitable[None]],
        clock: Callable[[], float],
        beat_seconds: float = BEAT_SECONDS,
        send_remote: Callable[[Sequence[str]], Awaitable[None]] | None = None,
    ) -> None:
        self.table = table
        self._send_remote = send_remote
        self._beat_seconds = beat_seconds
        self._publish = publish
        self._save = save
        self._clock = clock
        self._here: dict[str, float] = {}  # viewer -> when the next heartbeat is due
        self._schedule: deque[tuple[float, str]] = deque()  # in order: each is due one beat after its last heartbeat
        self._now: dict[str, None] = {}  # viewers who need a heartbeat at once
        self._wake = asyncio.Event()
        self.hidden: frozenset[str] = frozenset()
        self._absent: frozenset[str] = frozenset()

    def enter(self, viewer_id: str, *, is_hidden: bool) -> None:
        """The viewer has a first connection here."""
        if is_hidden:
            self.hidden |= {viewer_id}
        self._here[viewer_id] = 0.0
        self._beat_now(viewer_id)

    def leave(self, viewer_id: str) -> None:
        """The viewer's last connection here has ended. The last heartbeat gives them a beat's time to come back."""
        if self._here.pop(viewer_id, None) is not None:
            self._beat_now(viewer_id)

    def set_hidden(self, hidden: frozenset[str], *, among: Set[str]) -> None:
        """Note which of these viewers do not want to be seen, as the database says."""
        shown = (self.hidden & among) - hidden
        self.hidden = (self.hidden - among) | hidden
        for viewer_id in shown & self._here.keys():
            self._beat_now(viewer_id)

    def keep_hidden(self, viewer_ids: Set[str]) -> None:
        """Forget who hides of viewers who are not among these, and were not the last time: their last heartbeat must
        not show them.
        """
        absent = self.hidden - viewer_ids
        self.hidden -= absent & self._absent
        self._absent = absent

    def _beat_now(self, viewer_id: str) -> None:
        self._now[viewer_id] = None
        self._wake.set()

    async def run(self) -> None:
        """Send heartbeats: at once for viewers who come or go, in time for the others."""
        while True:
            await news_gathered(self._wake, at_most_seconds=TICK_SECONDS, gather_seconds=GATHER_SECONDS)
            await self.beat()

    async def beat(self) -> None:
        """Send the heartbeats that are due. If the table is away, they are due again soon."""
        now = self._clock()
        due = self._now
        self._now = {}
        while self._schedule and self._schedule[0][0] <= now:
            at, viewer_id = self._schedule.popleft()
            if self._here.get(viewer_id) == at:  # otherwise they have left, or another one was sent meanwhile
                due[viewer_id] = None
        waiting = list(due)
        for start in range(0, len(waiting), BATCH_MAX_VIEWERS):
            batch = waiting[start : start + BATCH_MAX_VIEWERS]
            seen = [viewer_id for viewer_id in batch if viewer_id not in self.hidden]
            try:
                if seen:
                    at_ms, came = await self.table.beat(seen)
                    metrics.heartbeats.inc(len(seen))
                    self._publish_changes([online(viewer_id, at_ms) for viewer_id in came])
                    if self._send_remote is not None:
                        await self._send_remote(seen)
                self._plan(batch, now + self._beat_seconds)
            except TableUnavailable:
                metrics.table_errors.inc()
                self._plan(waiting[start:], now + TICK_SECONDS)
                return

    def _plan(self, viewer_ids: Sequence[str], at: float) -> None:
        for viewer_id in viewer_ids:
            if viewer_id in self._here:
                self._here[viewer_id] = at
                self._schedule.append((at, viewer_id))

    async def sweep(self) -> None:
        """Find viewers of any node who have gone, and publish it."""
        try:
            while True:
                at_ms, gone = await self.table.sweep()
                if gone:
                    try:
                        await self._save(gone)
                    except StoreUnavailable:
                        metrics.store_errors.inc()  # the fact matters more than its time
                    self._publish_changes([offline(viewer_id, at_ms, last_ms) for viewer_id, last_ms in gone.items()])
                if len(gone) < BATCH_MAX_VIEWERS:
                    return
        except TableUnavailable:
            metrics.table_errors.inc()

    def _publish_changes(self, changes: Sequence[State]) -> None:
        metrics.presence_changes.inc(len(changes))
        self._publish(changes)
