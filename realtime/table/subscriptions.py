"""Who watches what: the shared table, topic -> nodes. Each node has its own, topic -> connections (realtime.audience).

Hop: written by nodes, read by dispatchers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis

from realtime.events import NodeId, TopicName
from realtime.table.scripts import NOW, ScriptedTable, answering


@dataclass(frozen=True, slots=True)
class Watched:
    """How many viewers a topic has over all nodes of all regions, and the most it ever had (as the table knows)."""

    count: int
    peak: int


@dataclass(frozen=True, slots=True)
class Share:
    """What a node tells the table of a topic's viewers. Keys are 64-bit numbers (realtime.table.counting).

    `viewers` are all that it has, each counted once; of `sampled` of them, those whose low `level` bits are 0, the
    table knows the keys, once it has `joined` and `left` too.
    """

    viewers: int
    level: int = 0
    sampled: int = 0
    joined: Sequence[int] = ()
    left: Sequence[int] = ()
    is_whole: bool = False  # forget all keys of this node that were told before
    is_all: bool = True  # no more changes wait
    names: frozenset[str] | None = None  # viewer ids; None: those that the table has
    is_named: bool = False  # the table should have names
    peak: int = 0  # the node's idea of it
    ratio: float = 1.0  # the node's idea of it, see `Renewed`


@dataclass(frozen=True, slots=True)
class Renewed:
    """What the table answers: the numbers, and what it wants to hear of this node.

    `ratio`: viewers of all nodes of the region to the sum of the nodes' own numbers; below 1 where some are on several.
    """

    watched: Watched
    level: int
    ratio: float
    is_lost: bool  # the table does not have what the node thinks it has: everything has to be told again
    is_swept: bool = True  # else there are keys of a dead node left: renew again soon
    abroad: int = 0  # of the viewers, those of other regions


SAMPLE_MAX = 32_768  # keys of a topic in the table, over all nodes; with more, every second one is left out
SAMPLE_FEW = 14_336  # with fewer, twice as many are kept again: far enough from half of SAMPLE_MAX to stay so
_CHANGES_OF_CALL = 500  # keys in one script call, 2 ms on a busy machine: nobody else is served meanwhile
_SWEPT_OF_CALL = 500  # keys of a dead node that one call takes out

# KEYS: of one topic: leases; what each node says, and the sum of it; references (viewer's key -> how many nodes have
# it, and `#`: their sum); names. A node's own keys are in a set, its roll. The references are what all rolls together
# say: whoever takes a key from a roll, or the roll of a dead node, takes its reference too, in the same script.
_ABROAD = """
-- Viewers in other regions and their peak, of what those have said lately: field `#abroad:<region>`.
local function abroad(found)
  local count, peak = 0, 0
  for i = 1, #found, 2 do
    if string.sub(found[i], 1, 8) == '#abroad:' then
      local viewers, highest, till = string.match(found[i + 1], '(%d+) (%d+) (%d+)')
      if tonumber(till) > now then count, peak = count + viewers, math.max(peak, tonumber(highest)) end
    end
  end
  return count, peak
end
"""
_COUNTS = (
    NOW
    + _ABROAD
    + """
local leases, said, refs, names = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local function roll_of(node) return refs .. ':' .. node end
local moved = 0  -- references that this call adds
local function add(key)
  redis.call('HINCRBY', refs, key, 1)
  moved = moved + 1
end
local function forget(key)
  if redis.call('HINCRBY', refs, key, -1) <= 0 then redis.call('HDEL', refs, key) end
  moved = moved - 1
end
local function empty(node, most)
  for _, key in ipairs(redis.call('SPOP', roll_of(node), most)) do forget(key) end
  return redis.call('EXISTS', roll_of(node)) == 0
end
local function sweep(most)
  local clean = true
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now)) do
    redis.call('HDEL', said, gone)
    redis.call('HDEL', names, gone)
    if empty(gone, most) then redis.call('ZREM', leases, gone) else clean = false end
  end
  return clean
end
-- Whether the references are what the rolls say. If not, Redis has thrown a key away for want of room, or somebody has:
-- then all nodes tell all again.
local function check()
  local references, keys, nodes = redis.call('HINCRBY', refs, '#', moved), 0, redis.call('ZRANGE', leases, 0, -1)
  for _, node in ipairs(nodes) do keys = keys + redis.call('SCARD', roll_of(node)) end
  if references == keys and keys > 0 then return true end
  redis.call('UNLINK', refs)
  if references == keys then return true end
  for _, node in ipairs(nodes) do
    redis.call('DEL', roll_of(node))
    local words = redis.call('HGET', said, node)
    if words then redis.call('HSET', said, node, string.sub(words, 1, -2) .. '0') end
  end
  return false
end
-- The sum of what the nodes say, each viewer counted once. `clean`: no dead node's keys are left.
local function sum(clean, peak, ratio, level, few, most)
  clean = check() and clean
  local known, total, highest, sampled = {}, 0, 0, 0
  local nodes, found = {}, redis.call('HGETALL', said)
  for i = 1, #found, 2 do
    if string.sub(found[i], 1, 1) == '#' then known[found[i]] = tonumber(found[i + 1])
    else nodes[found[i]] = found[i + 1] end
  end
  if known['#level'] then level = known['#level'] else redis.call('HSET', said, '#born', now) end
  for node, words in pairs(nodes) do
    local viewers, at, whole = string.match(words, '(%d+) (%d+) (%d)')
    viewers = tonumber(viewers)
    total, highest = total + viewers, math.max(highest, viewers)
    if whole == '0' or tonumber(at) ~= level then clean = false end
    sampled = sampled + redis.call('SCARD', roll_of(node))
  end
  if clean then ratio = sampled > 0 and (redis.call('HLEN', refs) - 1) / sampled or 1 end  -- `#` is no viewer
  if not clean then ratio = known['#ratio'] or ratio end
  local count = math.max(math.floor(total * ratio + 0.5), highest)
  local others, their_peak = abroad(found)
  peak = math.max(peak, known['#peak'] or 0, their_peak)
  if clean then peak = math.max(peak, count + others) end
  local wanted = level
  while total / 2 ^ wanted > most do wanted = wanted + 1 end
  if clean and now - (known['#born'] or now) > few[2] then
    while wanted > 0 and total / 2 ^ wanted < few[1] do wanted = wanted - 1 end
  end
  redis.call('HSET', said, '#peak', peak, '#count', count, '#level', wanted, '#ratio', string.format('%.17g', ratio))
  return {count + others, peak, wanted, string.format('%.17g', ratio), others}
end
"""
)
# ARGV: node, lease in ms, what it has: viewers, level, sampled, is_whole, is_all, is_named, names ('-': unchanged),
# peak, ratio; sample sizes to keep; how many keys have joined, their keys, the keys of those who left.
_RENEW = (
    _COUNTS
    + """
local node, lease, roll = ARGV[1], tonumber(ARGV[2]), roll_of(ARGV[1])
local is_new = redis.call('ZADD', leases, now + lease, node) == 1
if is_new then
  redis.call('DEL', roll)  -- of a lease that ended so long ago that the references are gone as well
end
local clean = sweep(tonumber(ARGV[14]))
if ARGV[6] == '1' then while not empty(node, 1000) do end end
local joined = tonumber(ARGV[15])
for i = 16, 15 + joined do
  if redis.call('SADD', roll, ARGV[i]) == 1 then add(ARGV[i]) end
end
for i = 16 + joined, #ARGV do
  if redis.call('SREM', roll, ARGV[i]) == 1 then forget(ARGV[i]) end
end
local is_all = ARGV[7] == '1'
if ARGV[9] == '' then redis.call('HDEL', names, node)
elseif ARGV[9] ~= '-' then redis.call('HSET', names, node, ARGV[9]) end
local lost = is_all and redis.call('SCARD', roll) ~= tonumber(ARGV[5])
lost = lost or (ARGV[8] == '1' and redis.call('HEXISTS', names, node) == 0)
local whole = (is_all and not lost) and 1 or 0
redis.call('HSET', said, node, ARGV[3] .. ' ' .. ARGV[4] .. ' ' .. whole)
local few = {tonumber(ARGV[12]), lease / 3}
local answer = sum(clean, tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[4]), few, tonumber(ARGV[13]))
for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], lease) end
redis.call('PEXPIRE', roll, lease * 4)  -- it must outlive its references
answer[6], answer[7] = lost and 1 or 0, clean and 1 or 0
return answer
"""
)
# ARGV: node. What is too much for one call is left to the others' renewals.
_LEAVE = (
    _COUNTS
    + """
redis.call('ZADD', leases, 'XX', 0, ARGV[1])
if redis.call('EXISTS', said) == 1 then sum(sweep(tonumber(ARGV[2])), 0, 1, 0, {0, 0}, math.huge)
else redis.call('ZREM', leases, ARGV[1]) end
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
    + _ABROAD
    + """
local peak, count = unpack(redis.call('HMGET', KEYS[2], '#peak', '#count'))
if redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf') == 0 then count = 0 end
local others, their_peak = abroad(redis.call('HGETALL', KEYS[2]))
return {tonumber(count or 0) + others, math.max(tonumber(peak or 0), their_peak)}
"""
)
# ARGV: field of the region, count, peak, for how long.
_NOTE_ABROAD = (
    NOW
    + """
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. (now + ARGV[4]))
if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
"""
)
_NAMED = (
    NOW
    + """
local nodes = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf')
if #nodes == 0 then return {} end
return redis.call('HMGET', KEYS[4], unpack(nodes))
"""
)
# ARGV: keys of viewers. Nodes that are gone leave with the next renewal of those that are not.
_PRESENT = (
    NOW
    + """
if redis.call('ZCOUNT', KEYS[1], '(' .. now, '+inf') == 0 then
  local nobody = {}
  for i = 1, #ARGV do nobody[i] = false end
  return nobody
end
return redis.call('HMGET', KEYS[3], unpack(ARGV))
"""
)


class SharedTable(ScriptedTable):
    """The key-value table topic -> frontend nodes, in Redis, leased.

    A node that is silent for `lease_seconds` is absent from every answer. The table may be flushed at any
    moment: a renewal says how much the table should know, and one that finds less is followed by the node's full state.
    Source: Gupta, "Streaming a Million Likes/Second", QCon London 2020; the leases are ours.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        lease_seconds: float,
        prefix: str = "live:",
        sample_max: int = SAMPLE_MAX,
        sample_few: int = SAMPLE_FEW,
    ) -> None:
        super().__init__(redis)
        self._sample_max = sample_max
        self._sample_few = sample_few
        self._lease_ms = int(lease_seconds * 1000)
        self._prefix = prefix

    async def renew(self, node: NodeId, shares: Mapping[TopicName, Share]) -> dict[TopicName, Renewed]:
        """Enter the node for its topics, with what is new about its viewers of each; return the region's numbers.

        One round trip, whatever the number of topics. A share may be told twice. Raises TableUnavailable.
        """
        calls = [
            (topic, self._arguments(node, part)) for topic, share in shares.items() for part in _parts_of_share(share)
        ]
        answers = await self._each(_RENEW, calls)
        return {
            topic: Renewed(Watched(count, peak), level, float(ratio), bool(is_lost), bool(is_swept), abroad)
            for topic, (count, peak, level, ratio, abroad, is_lost, is_swept) in answers.items()
        }

    def _arguments(self, node: NodeId, share: Share) -> list[Any]:
        names = "-" if share.names is None else " ".join(sorted(share.names))
        said = [share.viewers, share.level, share.sampled, *map(int, (share.is_whole, share.is_all, share.is_named))]
        sizes = [self._sample_few, self._sample_max, _SWEPT_OF_CALL]
        keys = [_packed(key) for key in (*share.joined, *share.left)]
        return [node, self._lease_ms, *said, names, share.peak, share.ratio, *sizes, len(share.joined), *keys]

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
        """Return the viewers of each topic over all nodes with a lease, and those of other regions. One round trip.

        Raises TableUnavailable.
        """
        answers = await self._each(_WATCHED, [(topic, []) for topic in topics])
        return {topic: Watched(*answer) for topic, answer in answers.items()}

    async def note_abroad(self, region: str, counts: Mapping[TopicName, tuple[int, int]]) -> None:
        """Note how many viewers (count, peak) topics have in another region, for a lease. Raises TableUnavailable."""
        await self._each(
            _NOTE_ABROAD, [(topic, [f"#abroad:{region}", *said, self._lease_ms]) for topic, said in counts.items()]
        )

    async def ping(self) -> None:
        """Raises TableUnavailable when Redis does not answer."""
        with answering():
            await self._redis.ping()

    async def named(self, topic: TopicName) -> set[str]:
        """Return the ids of viewers of the topic that nodes have told. One round trip. Raises TableUnavailable."""
        answers = await self._each(_NAMED, [(topic, [])])
        return {name for names in answers[topic] if names is not None for name in _text(names).split()}

    async def present(self, topic: TopicName, keys: Sequence[int]) -> set[int]:
        """Return which of these viewers watch the topic, on any node; of a big room's those that are in its sample.

        One round trip. Raises TableUnavailable.
        """
        calls = [keys[start : start + _CHANGES_OF_CALL] for start in range(0, len(keys), _CHANGES_OF_CALL)]
        answers = await self._call(_PRESENT, [(self._keys(topic), list(map(_packed, call))) for call in calls])
        found = zip(keys, (nodes for answer in answers for nodes in answer), strict=True)
        return {key for key, nodes in found if nodes is not None}

    async def leave(self, node: NodeId, topics: Sequence[TopicName]) -> None:
        """Take the node out for the topics. One round trip. Raises TableUnavailable."""
        await self._each(_LEAVE, [(topic, [node, _SWEPT_OF_CALL]) for topic in topics])

    async def _each(self, script: str, arguments: Sequence[tuple[TopicName, list[Any]]]) -> dict[TopicName, Any]:
        """Return the script's answer for each topic, of several the last one."""
        answers = await self._call(script, [(self._keys(topic), args) for topic, args in arguments])
        return {topic: answer for (topic, _), answer in zip(arguments, answers, strict=True)}

    def _keys(self, topic: TopicName) -> list[str]:
        # The braces put all keys of a topic on one node of a Redis Cluster.
        return [f"{self._prefix}{name}:{{{topic}}}" for name in ("leases", "said", "refs", "names")]


def _calls(topics: Sequence[TopicName]) -> list[Sequence[TopicName]]:
    return [topics[start : start + _MANY_MAX_TOPICS] for start in range(0, len(topics), _MANY_MAX_TOPICS)]


def _parts_of_share(share: Share) -> list[Share]:
    """Return the share in parts that a script call may take, each of them true when the ones before are told."""
    changes = [(True, key) for key in share.joined] + [(False, key) for key in share.left]
    if len(changes) <= _CHANGES_OF_CALL:
        return [share]
    starts = range(0, len(changes), _CHANGES_OF_CALL)
    return [
        replace(
            share,
            joined=[key for is_here, key in changes[start : start + _CHANGES_OF_CALL] if is_here],
            left=[key for is_here, key in changes[start : start + _CHANGES_OF_CALL] if not is_here],
            is_whole=share.is_whole and start == 0,
            is_all=share.is_all and start == starts[-1],
            names=share.names if start == 0 else None,
        )
        for start in starts
    ]


def _packed(key: int) -> bytes:
    return key.to_bytes(8, "big", signed=True)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
