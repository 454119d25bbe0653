"""A rate limit that all nodes of a region share and that a restart does not forget: in Redis, else in memory.

Used for what must not be tried too often: passwords. The limits of ordinary acts stay in each node (realtime.limits).
"""

from __future__ import annotations

from redis.asyncio import Redis

from realtime.limits import Limited, RateLimit
from realtime.table.scripts import ScriptedTable, TableUnavailable, load_script

_TAKE = load_script("throttle_take")
_GIVE_BACK = load_script("throttle_give_back")


class Throttle(ScriptedTable):
    """`limit` for the whole region. While Redis is away it counts in this process alone."""

    def __init__(self, redis: Redis, limit: RateLimit, *, prefix: str) -> None:
        super().__init__(redis)
        self._limit = limit
        self._prefix = prefix

    async def take(self, key: str) -> None:
        """Take a token for the key. Raises Limited."""
        try:
            [wait_ms] = await self._call(_TAKE, [([self._key(key)], [self._ms_per_token, self._limit.burst])])
        except TableUnavailable:
            self._limit.take(key)
            return
        if wait_ms:
            raise Limited(wait_ms / 1000)

    async def give_back(self, key: str) -> None:
        """Give back a token that was taken for nothing."""
        try:
            await self._call(_GIVE_BACK, [([self._key(key)], [self._ms_per_token])])
        except TableUnavailable:
            self._limit.give_back(key)

    def _key(self, key: str) -> str:
        return f"{self._prefix}{key}"

    @property
    def _ms_per_token(self) -> float:
        return 1000 / self._limit.per_second
