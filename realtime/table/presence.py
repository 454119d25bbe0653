"""The table in Redis of the viewers who are online in a region: heartbeats, and viewers who have gone because theirs
are too old. And the events that say so.

Hop: beside the path. Nodes send heartbeats to it, sweep it, and look at it (realtime.node.presence); a relay enters
heartbeats of other regions. realtime.node.presence explains what makes a viewer online or offline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from realtime.events import State, TopicName
from realtime.registry import registry
from realtime.table.scripts import Script, ScriptedTable, load_script

BEAT_SECONDS = 10.0  # d, unless LIVE_PRESENCE_SECONDS says otherwise
BATCH_MAX_VIEWERS = 500  # viewers of one script call: Redis serves nobody else meanwhile
HIDDEN_SECONDS = 60  # by then every node knows from the database

_BEAT = load_script("presence_beat")
_SWEEP = load_script("presence_sweep")
_LOOK = load_script("presence_look")
_HIDE = load_script("presence_hide")
_SHOW = load_script("presence_show")


def gone_seconds(beat_seconds: float) -> float:
    """Return d + 2e: a viewer with a last heartbeat of this age has gone."""
    return beat_seconds * 1.5


@dataclass(frozen=True, slots=True)
class PresenceLook:
    """What the table says of some viewers. `is_whole`: the table has existed long enough to know all viewers who are
    online. A table that was just flushed has not: a viewer who is missing in it may well be online.
    """

    at_ms: int
    online: Mapping[str, int]  # viewer -> online since, ms
    is_whole: bool


def online(viewer_id: str, at_ms: int) -> State:
    """Return the event of a viewer who has come online."""
    return _state(viewer_id, at_ms, "online", None)


def offline(viewer_id: str, at_ms: int, last_active_ms: int | None) -> State:
    """Return the event of a viewer who is not online. `last_active_ms` None: nobody may know, or they never were."""
    return _state(viewer_id, at_ms, "offline", last_active_ms)


def status(look: PresenceLook, viewer_id: str, kept: Mapping[str, Any], *, is_known: bool) -> State | None:
    """Return a viewer's state by a look at the table and what the database keeps (`is_hidden`, `last_active_ms`).

    None: the viewer is not in the table, but the table was flushed a moment ago. Then the known state stays.
    """
    if kept["is_hidden"]:
        return offline(viewer_id, look.at_ms, None)
    if (since_ms := look.online.get(viewer_id)) is not None:
        return online(viewer_id, since_ms)
    if is_known and not look.is_whole:
        return None
    return offline(viewer_id, look.at_ms, kept["last_active_ms"])


def _state(viewer_id: str, at_ms: int, status: str, last_active_ms: int | None) -> State:
    return State(topic_of(viewer_id), at_ms, "presence", {"status": status, "last_active_ms": last_active_ms})


def topic_of(viewer_id: str) -> TopicName:
    """Return the topic that says whether a viewer is online."""
    return TopicName(registry.presence_prefix + viewer_id)


class PresenceTable(ScriptedTable):
    """The table in Redis of the viewers who are online in this region. Each call is one round trip. Raises
    TableUnavailable.

    It may be flushed at any moment: the next heartbeats fill it again.
    """

    def __init__(self, redis: Redis, *, prefix: str = "live:", beat_seconds: float = BEAT_SECONDS) -> None:
        super().__init__(redis)
        self._gone_ms = round(gone_seconds(beat_seconds) * 1000)
        self._keys = [f"{prefix}{{presence}}:{name}" for name in ("online", "since", "hidden", "whole")]
        self._online, self._since, self._hidden, self._whole = self._keys

    async def beat(self, viewer_ids: Sequence[str]) -> tuple[int, list[str]]:
        """Enter heartbeats. Return the time, and the viewers who have come online by them."""
        at_ms, came = await self._run(_BEAT, self._keys, [self._gone_ms, *viewer_ids])
        return at_ms, [id.decode() for id in came]

    async def sweep(self) -> tuple[int, dict[str, int]]:
        """Take out viewers with a last heartbeat that is too old. Return the time, and the time of that heartbeat.

        Each is returned to one caller only. At most `BATCH_MAX_VIEWERS`.
        """
        at_ms, gone = await self._run(_SWEEP, [self._online, self._since], [BATCH_MAX_VIEWERS])
        return at_ms, {
            id.decode(): int(float(held)) - self._gone_ms for id, held in zip(gone[::2], gone[1::2], strict=True)
        }

    async def look(self, viewer_ids: Sequence[str]) -> PresenceLook:
        at_ms, whole_ms, since = await self._run(_LOOK, [self._since, self._whole], list(viewer_ids))
        online = {id: int(float(at)) for id, at in zip(viewer_ids, since, strict=True) if at}
        return PresenceLook(at_ms, online, at_ms - int(float(whole_ms)) > self._gone_ms)

    async def hide(self, viewer_id: str) -> tuple[int, bool]:
        """Take a viewer out, and ignore their heartbeats for a minute. Return the time and whether they were online."""
        at_ms, was_online = await self._run(
            _HIDE, [self._online, self._since, self._hidden], [viewer_id, HIDDEN_SECONDS * 1000]
        )
        return at_ms, bool(was_online)

    async def show(self, viewer_id: str) -> None:
        """Take heartbeats of the viewer again."""
        await self._run(_SHOW, [self._hidden], [viewer_id])

    async def _run(self, script: Script, keys: list[str], arguments: list[Any]) -> Any:
        [answer] = await self._call(script, [(keys, arguments)])
        return answer
