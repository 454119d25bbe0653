"""Tables in Redis. Their calls are Lua scripts, and one round trip carries many calls.

Hop: beside the path; between the tables that nodes, dispatchers and relays share (realtime.table.subscriptions,
realtime.table.presence, realtime.relay.table) and Redis.

The scripts are files in `lua/`. A script names its keys and arguments first, and below uses only the names. A line
`-- include <name>` stands for `lua/include/<name>.lua`. Redis gets a script once, and its SHA-1 digest with each call.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

LUA = Path(__file__).with_name("lua")
_INCLUDE = re.compile(r"^-- include (\w+)$", re.MULTILINE)


class TableUnavailable(Exception):
    """A shared table did not answer in time. Nothing is lost: nodes reconcile with the database."""


@contextlib.contextmanager
def answering() -> Iterator[None]:
    """Raise TableUnavailable for every error which says that Redis did not answer the calls inside."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise TableUnavailable(str(error)) from error


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, and the digest by which Redis knows it."""

    text: str
    digest: str


def load_script(name: str) -> Script:
    """Return the script of `lua/<name>.lua`. Read when a module that owns it is imported.

    Raises FileNotFoundError for a script, or something that it includes, which does not exist.
    """
    text = _INCLUDE.sub(lambda line: _read(f"include/{line[1]}"), _read(name))
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return (LUA / f"{name}.lua").read_text()


class ScriptedTable:
    """A table in Redis, changed and read by scripts. It may be flushed at any moment, scripts included."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def _call(self, script: Script, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        """Return the script's answers to the calls, each of keys and arguments. One round trip."""
        if not calls:
            return []
        with answering():
            answers = await self._pipe(script, calls)
            if any(isinstance(answer, NoScriptError) for answer in answers):  # new or flushed Redis
                await self._redis.script_load(script.text)
                answers = await self._pipe(script, calls)
        for answer in answers:
            if isinstance(answer, Exception):
                raise TableUnavailable(str(answer)) from answer
        return answers

    async def _pipe(self, script: Script, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for keys, arguments in calls:
            pipe.evalsha(script.digest, len(keys), *keys, *arguments)
        answers: list[Any] = await pipe.execute(raise_on_error=False)
        return answers
