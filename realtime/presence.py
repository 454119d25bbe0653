"""Presence: who is online, told to those who may see it, without flapping.

Hop: beside the path of a like. A node sends a heartbeat for each viewer who has a connection on it, every
d seconds and at the connection's end, to a table in Redis; who appears in the table comes online, whose last heartbeat
is older than d + 2e (e = d / 4: how late a heartbeat may be) goes offline. Either is published like every other event,
on `presence:<id>`. A connection that is lost and back within d changes nothing.

Promise: state. Newest wins; a node that has died takes its viewers offline within d + 2e, for any node sweeps for all;
what is lost on the way is found by the node's next look at the table (realtime.frontend).
Source: LinkedIn, "Now You See Me, Now You Don't" (2018): heartbeats every d, entries that expire after d + e, a delayed
trigger at d + 2e. There an actor per viewer holds the trigger and has to be drained before its node restarts; here it
is the entry's place in a sorted set, which survives the node. d is fixed: adapting it to the connection is patented.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from realtime import metrics
from realtime.batches import news_gathered
from realtime.events import Event, State, TopicName
from realtime.store import StoreUnavailable
from realtime.table.scripts import NOW, ScriptedTable, TableUnavailable

logger = logging.getLogger(__name__)

PREFIX = "presence:"
BEAT_SECONDS = 10.0  # d, unless LIVE_PRESENCE_SECONDS says otherwise
SWEEP_SECONDS = 0.5
GATHER_SECONDS = 0.01  # who comes within it is told in one round trip
TICK_SECONDS = 0.25
BATCH_MAX_VIEWERS = 500  # of one script: nobody else is served meanwhile
HIDDEN_SECONDS = 60  # by then every node knows from the database

# KEYS of all: online, since, hidden, whole. Times in ms, by the clock of Redis.
# ARGV: how long an entry holds, the viewers.
_BEAT = (
    NOW
    + """
redis.call('SET', KEYS[4], now, 'NX')
local hiding = redis.call('EXISTS', KEYS[3]) == 1
local came = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local hidden = hiding and redis.call('ZSCORE', KEYS[3], id)
  if not (hidden and tonumber(hidden) > now) and redis.call('ZADD', KEYS[1], now + ARGV[1], id) == 1 then
    redis.call('HSET', KEYS[2], id, now)
    came[#came + 1] = id
  end
end
return {now, came}
"""
)
# ARGV: how many at most. Returns now, the viewers and until when each entry held.
_SWEEP = (
    NOW
    + """
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
for i = 1, #gone, 2 do
  redis.call('ZREM', KEYS[1], gone[i])
  redis.call('HDEL', KEYS[2], gone[i])
end
return {now, gone}
"""
)
# ARGV: the viewers. Returns now, since when the table is whole, and since when each is online ('': is not).
_LOOK = (
    NOW
    + """
local found = {}
for i, id in ipairs(ARGV) do found[i] = redis.call('HGET', KEYS[2], id) or '' end
return {now, redis.call('GET', KEYS[4]) or now, found}
"""
)
# ARGV: the viewer, for how long to take no heartbeats of his. Returns now and whether he was online.
_HIDE = (
    NOW
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
redis.call('ZADD', KEYS[3], now + ARGV[2], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return {now, redis.call('ZREM', KEYS[1], ARGV[1])}
"""
)
# ARGV: the viewer.
_SHOW = "return redis.call('ZREM', KEYS[3], ARGV[1])"


def gone_seconds(beat_seconds: float) -> float:
    """Return d + 2e: how old a viewer's last heartbeat is when he is gone."""
    return beat_seconds * 1.5


@dataclass(frozen=True, slots=True)
class Look:
    """What the table says of some viewers. `is_whole`: it has been there for long enough to know of all who are online;
    a table that was just flushed has not, and who is missing in it may well be online.
    """

    at_ms: int
    online: Mapping[str, int]  # viewer -> since when, ms
    is_whole: bool


class PresenceTable(ScriptedTable):
    """The table of who is online in this region, in Redis. Each call is one round trip; raises TableUnavailable.

    It may be flushed at any moment: the next heartbeats fill it again.
    """

    def __init__(self, redis: Redis, *, prefix: str = "live:", beat_seconds: float = BEAT_SECONDS) -> None:
        super().__init__(redis)
        self._gone_ms = round(gone_seconds(beat_seconds) * 1000)
        self._keys = [f"{prefix}{{presence}}:{name}" for name in ("online", "since", "hidden", "whole")]

    async def beat(self, viewer_ids: Sequence[str]) -> tuple[int, list[str]]:
        """Enter heartbeats; return the time, and who has come online by them."""
        at_ms, came = await self._run(_BEAT, [self._gone_ms, *viewer_ids])
        return at_ms, [id.decode() for id in came]

    async def sweep(self) -> tuple[int, dict[str, int]]:
        """Take out whose last heartbeat is too old; return the time, and when that heartbeat was.

        Each is returned to one caller only. At most `BATCH_MAX_VIEWERS`.
        """
        at_ms, gone = await self._run(_SWEEP, [BATCH_MAX_VIEWERS])
        return at_ms, {
            id.decode(): int(float(held)) - self._gone_ms for id, held in zip(gone[::2], gone[1::2], strict=True)
        }

    async def look(self, viewer_ids: Sequence[str]) -> Look:
        at_ms, whole_ms, since = await self._run(_LOOK, list(viewer_ids))
        online = {id: int(float(at)) for id, at in zip(viewer_ids, since, strict=True) if at}
        return Look(at_ms, online, at_ms - int(float(whole_ms)) > self._gone_ms)

    async def hide(self, viewer_id: str) -> tuple[int, bool]:
        """Take a viewer out, and no heartbeats of his for a minute; return the time, and whether he was online."""
        at_ms, was_online = await self._run(_HIDE, [viewer_id, HIDDEN_SECONDS * 1000])
        return at_ms, bool(was_online)

    async def show(self, viewer_id: str) -> None:
        """Take heartbeats of the viewer again."""
        await self._run(_SHOW, [viewer_id])

    async def _run(self, script: str, arguments: Sequence[Any]) -> Any:
        [answer] = await self._call(script, [(self._keys, list(arguments))])
        return answer


def online(viewer_id: str, at_ms: int) -> State:
    """Return the event of a viewer who has come online."""
    return _state(viewer_id, at_ms, "online", None)


def offline(viewer_id: str, at_ms: int, last_active_ms: int | None) -> State:
    """Return the event of a viewer who is not online; `last_active_ms` None: nobody is to know, or he never was."""
    return _state(viewer_id, at_ms, "offline", last_active_ms)


def status(look: Look, viewer_id: str, kept: Mapping[str, Any], *, is_known: bool) -> State | None:
    """Return a viewer's state by a look at the table and what the database keeps (`is_hidden`, `last_active_ms`).

    None: he is not in the table, which has just been flushed; what `is_known` of him stays.
    """
    if kept["is_hidden"]:
        return offline(viewer_id, look.at_ms, None)
    if (since_ms := look.online.get(viewer_id)) is not None:
        return online(viewer_id, since_ms)
    if is_known and not look.is_whole:
        return None
    return offline(viewer_id, look.at_ms, kept["last_active_ms"])


def _state(viewer_id: str, at_ms: int, status: str, last_active_ms: int | None) -> State:
    return State(TopicName(PREFIX + viewer_id), at_ms, "presence", {"status": status, "last_active_ms": last_active_ms})


class Presence:
    """One node's part: heartbeats for the viewers it holds, and its turn at sweeping for all nodes.

    `publish` gets the changes, `save` viewers and when they were last active (ms) to be kept in the database,
    `tell_abroad` the heartbeats, for the tables of other regions.
    """

    def __init__(
        self,
        table: PresenceTable,
        *,
        publish: Callable[[Sequence[Event]], None],
        save: Callable[[Mapping[str, int]], Awaitable[None]],
        clock: Callable[[], float],
        beat_seconds: float = BEAT_SECONDS,
        tell_abroad: Callable[[Sequence[str]], Awaitable[None]] | None = None,
    ) -> None:
        self.table = table
        self._tell_abroad = tell_abroad
        self._beat_seconds = beat_seconds
        self._publish = publish
        self._save = save
        self._clock = clock
        self._here: dict[str, float] = {}  # viewer -> when his next heartbeat is due
        self._schedule: deque[tuple[float, str]] = deque()  # in order: each is due a beat after the last
        self._now: dict[str, None] = {}  # whose heartbeat waits for nothing
        self._wake = asyncio.Event()
        self.hidden: frozenset[str] = frozenset()

    def enter(self, viewer_id: str, *, is_hidden: bool) -> None:
        """The viewer has a connection here, the first one."""
        if is_hidden:
            self.hidden |= {viewer_id}
        self._here[viewer_id] = 0.0
        self._beat_now(viewer_id)

    def leave(self, viewer_id: str) -> None:
        """The viewer's last connection here has ended. The last heartbeat gives him a beat's time to come back."""
        if self._here.pop(viewer_id, None) is not None:
            self._beat_now(viewer_id)

    def set_hidden(self, viewer_ids: frozenset[str]) -> None:
        """Note who of the viewers here does not want to be seen, as the database has it."""
        shown = self.hidden - viewer_ids
        self.hidden = viewer_ids
        for viewer_id in shown & self._here.keys():
            self._beat_now(viewer_id)

    def _beat_now(self, viewer_id: str) -> None:
        self._now[viewer_id] = None
        self._wake.set()

    async def run(self) -> None:
        """Send heartbeats, at once for who comes and goes, in time for the others."""
        while True:
            await news_gathered(self._wake, at_most_seconds=TICK_SECONDS, gather_seconds=GATHER_SECONDS)
            await self.beat()

    async def beat(self) -> None:
        """Send the heartbeats that are due. When the table is away they are due again soon."""
        now = self._clock()
        due = self._now
        self._now = {}
        while self._schedule and self._schedule[0][0] <= now:
            at, viewer_id = self._schedule.popleft()
            if self._here.get(viewer_id) == at:  # else he has left, or another one was sent meanwhile
                due[viewer_id] = None
        waiting = list(due)
        for start in range(0, len(waiting), BATCH_MAX_VIEWERS):
            batch = waiting[start : start + BATCH_MAX_VIEWERS]
            seen = [viewer_id for viewer_id in batch if viewer_id not in self.hidden]
            try:
                if seen:
                    at_ms, came = await self.table.beat(seen)
                    metrics.heartbeats.inc(len(seen))
                    self._tell([online(viewer_id, at_ms) for viewer_id in came])
                    if self._tell_abroad is not None:
                        await self._tell_abroad(seen)
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
        """Find who has gone, wherever he was, and tell."""
        try:
            while True:
                at_ms, gone = await self.table.sweep()
                if gone:
                    try:
                        await self._save(gone)
                    except StoreUnavailable:
                        metrics.store_errors.inc()  # that he is gone matters more than since when
                    self._tell([offline(viewer_id, at_ms, last_ms) for viewer_id, last_ms in gone.items()])
                if len(gone) < BATCH_MAX_VIEWERS:
                    return
        except TableUnavailable:
            metrics.table_errors.inc()

    def _tell(self, changes: Sequence[State]) -> None:
        metrics.presence_changes.inc(len(changes))
        self._publish(changes)
