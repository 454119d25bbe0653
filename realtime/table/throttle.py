"""A rate limit that all nodes of a region share and that a restart does not forget: in Redis, else in memory.

Called where one try too many counts: passwords. The limits of ordinary acts stay in each node (realtime.limits).
"""

from __future__ import annotations

from redis.asyncio import Redis

from realtime.limits import Limited, RateLimit
from realtime.table.scripts import NOW, ScriptedTable, TableUnavailable

# The bucket is kept as the moment when it will be full again. KEYS[1]; ARGV: ms a token, burst. Returns ms to wait.
_TAKE = (
    NOW
    + """
local full = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) + ARGV[1]
local wait = full - now - ARGV[1] * ARGV[2]
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil(full - now))
return 0
"""
)
_GIVE_BACK = (
    NOW
    + """
local full = tonumber(redis.call('GET', KEYS[1]) or 0) - ARGV[1]
if full > now then
  redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil(full - now))
else
  redis.call('DEL', KEYS[1])
end
return 0
"""
)


class Throttle(ScriptedTable):
    """`limit` for the whole region. While Redis is away it counts in this process alone."""

    def __init__(self, redis: Redis, limit: RateLimit, *, prefix: str) -> None:
        super().__init__(redis)
        self._limit = limit
        self._prefix = prefix

    async def take(self, key: str) -> None:
        """Take a token for the key. Raises Limited."""
        try:
            [wait_ms] = await self._call(_TAKE, [self._arguments(key)])
        except TableUnavailable:
            self._limit.take(key)
            return
        if wait_ms:
            raise Limited(wait_ms / 1000)

    async def give_back(self, key: str) -> None:
        """Return a token that was taken for nothing."""
        try:
            await self._call(_GIVE_BACK, [self._arguments(key)])
        except TableUnavailable:
            self._limit.give_back(key)

    def _arguments(self, key: str) -> tuple[list[str], list[float]]:
        return [f"{self._prefix}{key}"], [1000 / self._limit.per_second, self._limit.burst]
