"""Who watches what. Two tables: the node's own (topic -> connections, memory) and the shared one (topic -> nodes).

Hop: the shared table is written by nodes, read by dispatchers; the local one belongs to its node alone and dies
with the connections that it describes.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from realtime.events import NodeId, TopicName
from realtime.scripts import NOW, ScriptedTable, TableUnavailable

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Watched:
    """How many viewers a topic has over all nodes of the region, and the most it ever had (as the table knows)."""

    count: int
    peak: int


# KEYS: leases, counts of a topic. ARGV: node, its viewers, lease in ms, its idea of the peak. Returns count, peak.
_RENEW = (
    NOW
    + """
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], gone)
  redis.call('HDEL', KEYS[2], gone)
end
local total, counts = 0, redis.call('HGETALL', KEYS[2])
local peak = tonumber(ARGV[4])
for i = 1, #counts, 2 do
  if counts[i] == '#peak' then peak = math.max(peak, tonumber(counts[i + 1]))
  else total = total + tonumber(counts[i + 1]) end
end
peak = math.max(peak, total)
redis.call('HSET', KEYS[2], '#peak', peak)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return {total, peak}
"""
)
# KEYS: leases of many topics. One script for all: a call each costs both sides ten times as much.
_NODES = (
    NOW
    + """
local found = {}
for i, leases in ipairs(KEYS) do found[i] = redis.call('ZRANGEBYSCORE', leases, '(' .. now, '+inf') end
return found
"""
)
# KEYS: leases of many topics. ARGV: node, lease in ms.
_ENTER = (
    NOW
    + """
for _, leases in ipairs(KEYS) do
  redis.call('ZADD', leases, now + ARGV[2], ARGV[1])
  redis.call('ZREMRANGEBYSCORE', leases, '-inf', now)
  redis.call('PEXPIRE', leases, ARGV[2])
end
"""
)
_MANY_MAX_TOPICS = 200  # a call; nobody else is served meanwhile
_WATCHED = (
    NOW
    + """
local total, peak = 0, tonumber(redis.call('HGET', KEYS[2], '#peak') or '0')
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')) do
  total = total + tonumber(redis.call('HGET', KEYS[2], node) or '0')
end
return {total, peak}
"""
)


class SharedTable(ScriptedTable):
    """The key-value table topic -> frontend nodes, in Redis, leased.

    A node that is silent for `lease_seconds` is absent from every answer. The table may be flushed at any
    moment: each renewal asserts the node's full state again.
    Source: Gupta, "Streaming a Million Likes/Second", QCon London 2020; the leases are ours.
    """

    def __init__(self, redis: Redis, *, lease_seconds: float, prefix: str = "live:") -> None:
        super().__init__(redis)
        self._lease_ms = int(lease_seconds * 1000)
        self._prefix = prefix

    async def renew(
        self, node: NodeId, viewers: Mapping[TopicName, int], *, peaks: Mapping[TopicName, int] | None = None
    ) -> dict[TopicName, Watched]:
        """Enter the node for its topics with its number of viewers of each; return the region's numbers.

        One round trip, whatever the number of topics. Raises TableUnavailable.
        """
        peaks = peaks or {}
        arguments = [(topic, [node, count, self._lease_ms, peaks.get(topic, 0)]) for topic, count in viewers.items()]
        answers = await self._each(_RENEW, arguments)
        return {topic: Watched(*answer) for topic, answer in answers.items()}

    async def enter(self, node: NodeId, topics: Sequence[TopicName]) -> None:
        """Enter the node for topics whose viewers nobody counts, at a tenth of the cost. One round trip.

        Raises TableUnavailable.
        """
        arguments = [node, self._lease_ms]
        await self._call(_ENTER, [([self._keys(topic)[0] for topic in call], arguments) for call in _calls(topics)])

    async def nodes_for(self, topics: Sequence[TopicName]) -> dict[TopicName, frozenset[NodeId]]:
        """Return, per topic, the nodes that hold at least one viewer of it; the empty set: nobody watches.

        A node whose lease has ended is absent, so an answer is stale by one lease at most.
        One round trip. Raises TableUnavailable.
        """
        calls = _calls(topics)
        answers = await self._call(_NODES, [([self._keys(topic)[0] for topic in call], []) for call in calls])
        return {
            topic: frozenset(NodeId(_text(node)) for node in answer)
            for call, answer_of_call in zip(calls, answers, strict=True)
            for topic, answer in zip(call, answer_of_call, strict=True)
        }

    async def watched(self, topics: Sequence[TopicName]) -> dict[TopicName, Watched]:
        """Return the viewers of each topic over all nodes with a lease. One round trip. Raises TableUnavailable."""
        answers = await self._each(_WATCHED, [(topic, []) for topic in topics])
        return {topic: Watched(*answer) for topic, answer in answers.items()}

    async def ping(self) -> None:
        """Raises TableUnavailable when Redis does not answer."""
        try:
            await self._redis.ping()
        except (RedisError, OSError, TimeoutError) as error:
            raise TableUnavailable(str(error)) from error

    async def leave(self, node: NodeId, topics: Sequence[TopicName]) -> None:
        """Take the node out for the topics. One round trip. Raises TableUnavailable."""
        try:
            pipe = self._redis.pipeline(transaction=False)
            for topic in topics:
                leases, counts = self._keys(topic)
                pipe.zrem(leases, node)
                pipe.hdel(counts, node)
            await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise TableUnavailable(str(error)) from error

    async def _each(self, script: str, arguments: Sequence[tuple[TopicName, list[Any]]]) -> dict[TopicName, Any]:
        answers = await self._call(script, [(self._keys(topic), args) for topic, args in arguments])
        return {topic: answer for (topic, _), answer in zip(arguments, answers, strict=True)}

    def _keys(self, topic: TopicName) -> list[str]:
        # The braces put both keys of a topic on one node of a Redis Cluster.
        return [f"{self._prefix}leases:{{{topic}}}", f"{self._prefix}viewers:{{{topic}}}"]


def _calls(topics: Sequence[TopicName]) -> list[Sequence[TopicName]]:
    return [topics[start : start + _MANY_MAX_TOPICS] for start in range(0, len(topics), _MANY_MAX_TOPICS)]


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


class Audience(Generic[M]):
    """The connections of one topic and protocol: a list to walk fast, with holes where members left.

    A frame goes to those who stood in the list when it was made (`size` then), so that who joins during a long
    fan-out gets the frames after their snapshot and no other. `ways[i]` is the descriptor of `members[i]` while it may
    be written to directly, -1 for a hole and for who has to be written to in another way.
    """

    __slots__ = ("_places", "members", "ways")

    def __init__(self) -> None:
        self.members: list[M | None] = []
        self.ways = array("i")
        self._places: dict[M, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[M]:
        return iter(self._places)

    def __contains__(self, member: M) -> bool:
        return member in self._places

    @property
    def size(self) -> int:
        """How far to walk `members` for a frame made now."""
        return len(self.members)

    def add(self, member: M, way: int = -1) -> None:
        """Add a member; a second time changes nothing."""
        if member not in self._places:
            self._places[member] = len(self.members)
            self.members.append(member)
            self.ways.append(way)

    def set_way(self, member: M, way: int) -> None:
        self.ways[self._places[member]] = way

    def discard(self, member: M) -> None:
        place = self._places.pop(member, None)
        if place is not None:
            self.members[place] = None
            self.ways[place] = -1

    def compact(self) -> None:
        """Close the holes. Only when no frame is on its way: places change."""
        if len(self.members) > 2 * len(self._places) + 8:
            self.ways = array("i", (self.ways[place] for place in self._places.values()))
            self.members = list(self._places)
            self._places = {member: place for place, member in enumerate(self._places)}
