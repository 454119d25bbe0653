"""Tables in Redis whose calls are Lua scripts, many calls to a round trip.

Hop: beside the path; between the tables that nodes and dispatchers share (realtime.table.subscriptions,
realtime.presence) and Redis.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

# Times in ms, by the clock of Redis itself: two hosts' clocks are never compared.
NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "


class TableUnavailable(Exception):
    """A shared table did not answer in time. Nothing is lost: nodes reconcile with the database."""


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Raise TableUnavailable for whatever says that Redis did not answer the calls inside."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise TableUnavailable(str(error)) from error


class ScriptedTable:
    """A table in Redis, changed and read by scripts. It may be flushed at any moment, scripts included."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def _call(self, script: str, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        """Return the script's answers to the calls, each of keys and arguments. One round trip."""
        if not calls:
            return []
        with answering():
            answers = await self._pipe(script, calls)
            if any(isinstance(answer, NoScriptError) for answer in answers):  # new or flushed Redis
                await self._redis.script_load(script)
                answers = await self._pipe(script, calls)
        for answer in answers:
            if isinstance(answer, Exception):
                raise TableUnavailable(str(answer)) from answer
        return answers

    async def _pipe(self, script: str, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        digest = hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
        pipe = self._redis.pipeline(transaction=False)
        for keys, arguments in calls:
            pipe.evalsha(digest, len(keys), *keys, *arguments)
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        return answers
