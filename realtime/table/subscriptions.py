"""The shared table, topic -> nodes, says which nodes watch a topic. Each node has a table of its own, topic ->
connections (realtime.node.members).

Hop: written by nodes, read by dispatchers.

A node has one lease, which it renews all the time. What it has entered under a topic is good as long as the lease is.
So a topic on which nothing happens costs nothing. When the lease ends, the entries are void, and other nodes sweep
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from redis.asyncio import Redis

from realtime.events import NodeId, TopicName
from realtime.table.scripts import Script, ScriptedTable, answering, load_script


@dataclass(frozen=True, slots=True)
class Watched:
    """A topic's viewers on all nodes of all regions, and the most that it ever had (as far as the table knows)."""

    count: int
    peak: int


@dataclass(frozen=True, slots=True)
class Share:
    """What a node sends to the table about a topic's viewers. Keys are 64-bit numbers (realtime.table.counting).

    `viewers` are all that it has, each counted once; of `sampled` of them, those whose low `level` bits are 0, the
    table knows the keys, once it has `joined` and `left` too.
    """

    viewers: int
    level: int = 0
    sampled: int = 0
    joined: Sequence[int] = ()
    left: Sequence[int] = ()
    is_whole: bool = False  # forget all keys of this node that were sent before
    is_all: bool = True  # no more changes wait
    names: frozenset[str] | None = None  # viewer ids; None: those that the table has
    is_named: bool = False  # the table should have names
    peak: int = 0  # the node's idea of it
    ratio: float = 1.0  # the node's idea of it, see `Renewed`


@dataclass(frozen=True, slots=True)
class Told:
    """What the table should have of a node's viewers of a topic, when no changes wait."""

    viewers: int
    level: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """The table's answer: the numbers, and what it wants to know from this node.

    `ratio`: viewers of all nodes of the region, divided by the sum of the nodes' own numbers. It is below 1 if some
    viewers are on several nodes.
    """

    watched: Watched
    level: int
    ratio: float
    is_lost: bool  # the table does not have what the node thinks it has: send everything again
    is_swept: bool = True  # False: keys of a dead node are left, so renew again soon
    remote: int = 0  # of the viewers, those of other regions


@dataclass(frozen=True, slots=True)
class LeaseAnswer:
    """The table's answer to a node that renews its lease.

    `news`: topics of which other nodes have changed the numbers. `read` is to be sent with the next renewal.
    """

    is_known: bool  # False: the table was flushed, or the lease had ended. Enter all topics again
    is_swept: bool  # False: entries of a node are left whose lease has ended
    read: int
    news: Sequence[TopicName] = ()


SAMPLE_MAX = 32_768  # keys of a topic in the table, over all nodes; if there are more, every second one is left out
SAMPLE_FEW = 14_336  # if there are fewer, twice as many are kept again; far enough below half of SAMPLE_MAX to stay so
_CHANGES_OF_CALL = 500  # keys in one script call, 2 ms on a busy machine: Redis serves nobody else meanwhile
_RENEWED_OF_CALL = 25  # topics in one script call, 2 ms
_SWEPT_OF_CALL = 500  # keys of a dead node that one call takes out
_MANY_MAX_TOPICS = 200  # a call; nobody else is served meanwhile
_SWEPT_TOPICS = 50  # of a dead node that one call takes out
NEWS_MAX = 1_000  # topics with news in one answer

_RENEW = load_script("topic_renew")
_LEAVE = load_script("topic_leave")
_ENTER = load_script("topic_enter")
_NODES = load_script("topic_nodes")
_WATCHED = load_script("topic_watched")
_NOTE_REMOTE = load_script("topic_note_remote")
_NAMED = load_script("topic_named")
_PRESENT = load_script("topic_present")
_MISSING = load_script("topic_missing")
_HOLD = load_script("node_hold")
_RELEASE = load_script("node_release")
_SWEEP = load_script("node_sweep")


class SharedTable(ScriptedTable):
    """The key-value table topic -> frontend nodes, in Redis, leased.

    A node that is silent for `lease_seconds` is absent from every answer. The table may be flushed at any moment: the
    next renewal of the lease says so, and the node enters its topics again. If only a part is lost, a share says how
    much the table should know. If the table knows less, the node sends its full state next.
    Each call is one round trip and raises TableUnavailable.
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

    # Nodes

    async def hold(self, node: NodeId, *, read: int) -> LeaseAnswer:
        """Renew the lease of the node. `read`: as the last answer said, 0 at first."""
        [answer] = await self._call(_HOLD, [self._arguments(node, self._lease_ms, read, NEWS_MAX)])
        is_known, is_swept, now_read, *news = answer
        return LeaseAnswer(bool(is_known), not is_swept, now_read, [TopicName(_text(topic)) for topic in news])

    async def release(self, node: NodeId) -> None:
        """End the lease of the node. Its entries are void at once."""
        await self._call(_RELEASE, [self._arguments(node)])

    async def sweep(self) -> bool:
        """Take out some of what nodes have entered whose leases have ended. Return whether nothing of it is left."""
        [is_swept] = await self._call(_SWEEP, [self._arguments(_SWEPT_TOPICS, _SWEPT_OF_CALL, self._lease_ms)])
        return bool(is_swept)

    # Topics: written by nodes

    async def renew(self, node: NodeId, shares: Mapping[TopicName, Share]) -> dict[TopicName, Renewed]:
        """Enter the node for topics, with what is new about its viewers of each; return the region's numbers.

        The node's lease is renewed, too. A share may be sent twice.
        """
        parts = [(topic, part) for topic, share in shares.items() for part in _parts_of_share(share)]
        settings = [node, self._lease_ms, self._sample_few, self._sample_max, _SWEPT_OF_CALL]
        calls = [
            self._arguments(*settings, *(word for topic, part in call for word in _words_of_share(topic, part)))
            for call in _calls_of_parts(parts)
        ]
        answers = [answer for answers in await self._call(_RENEW, calls) for answer in answers]
        return {
            topic: Renewed(Watched(count, peak), level, float(ratio), bool(is_lost), bool(is_swept), remote)
            for (topic, _), (count, peak, level, ratio, remote, is_lost, is_swept) in zip(parts, answers, strict=True)
        }

    async def enter(self, node: NodeId, topics: Sequence[TopicName]) -> None:
        """Enter the node for topics without counted viewers, at a tenth of the cost. Renews its lease, too."""
        await self._call(_ENTER, [self._arguments(node, self._lease_ms, *call) for call in _calls(topics)])

    async def leave(self, node: NodeId, topics: Sequence[TopicName]) -> None:
        """Take the node out for the topics. One round trip, or more if it had many viewers."""
        left = topics
        while left:
            answers = await self._each(
                _LEAVE, [(topic, [topic, node, _SWEPT_OF_CALL, self._lease_ms]) for topic in left]
            )
            left = [topic for topic, is_clean in answers.items() if not is_clean]

    async def missing(self, node: NodeId, entries: Mapping[TopicName, Told | None]) -> list[TopicName]:
        """Return those topics of which the table does not have what the node has entered.

        None: a topic without counted viewers.
        """
        topics = list(entries)
        calls = _calls(topics)
        answers = await self._call(
            _MISSING,
            [
                self._arguments(node, *(word for topic in call for word in (topic, _share_text(entries[topic]))))
                for call in calls
            ],
        )
        return [call[place] for call, places in zip(calls, answers, strict=True) for place in places]

    async def entered(self, node: NodeId) -> set[TopicName]:
        """Return the topics for which the table has entries of the node."""
        with answering():
            return {TopicName(_text(topic)) for topic in await self._redis.smembers(f"{self._prefix}topics:{node}")}

    # Topics: read by dispatchers, pages and the API

    async def nodes_for(self, topics: Sequence[TopicName]) -> dict[TopicName, frozenset[NodeId]]:
        """Return, for each topic, the nodes that hold at least one viewer of it. Empty set: nobody watches.

        A node whose lease has ended is absent, so an answer is stale by one lease at most.
        """
        calls = _calls(topics)
        answers = await self._call(_NODES, [self._arguments(*call) for call in calls])
        return {
            topic: frozenset(NodeId(_text(node)) for node in answer)
            for call, answer_of_call in zip(calls, answers, strict=True)
            for topic, answer in zip(call, answer_of_call, strict=True)
        }

    async def watched(self, topics: Sequence[TopicName]) -> dict[TopicName, Watched]:
        """Return the viewers of each topic over all nodes with a lease, and those of other regions."""
        answers = await self._each(_WATCHED, [(topic, [topic]) for topic in topics])
        return {topic: Watched(*answer) for topic, answer in answers.items()}

    async def note_remote(self, region: str, counts: Mapping[TopicName, tuple[int, int]]) -> None:
        """Note how many viewers (count, peak) topics have in another region, for as long as a lease."""
        calls = [(topic, [topic, region, *numbers, self._lease_ms]) for topic, numbers in counts.items()]
        await self._each(_NOTE_REMOTE, calls)

    async def ping(self) -> None:
        with answering():
            await self._redis.ping()

    async def named(self, topic: TopicName) -> set[str]:
        """Return the ids of viewers of the topic that nodes have sent."""
        [answer] = await self._call(_NAMED, [self._arguments(topic)])
        return {name for names in answer if names is not None for name in _text(names).split()}

    async def present(self, topic: TopicName, keys: Sequence[int]) -> set[int]:
        """Return which of these viewers watch the topic, on any node. For a big room, only viewers in its sample are
        found.
        """
        calls = [keys[start : start + _CHANGES_OF_CALL] for start in range(0, len(keys), _CHANGES_OF_CALL)]
        answers = await self._call(_PRESENT, [self._arguments(topic, *map(_packed, call)) for call in calls])
        found = zip(keys, (nodes for answer in answers for nodes in answer), strict=True)
        return {key for key, nodes in found if nodes is not None}

    async def _each(self, script: Script, calls: Sequence[tuple[TopicName, list[Any]]]) -> dict[TopicName, Any]:
        """Return the script's answer for each topic, of several the last."""
        answers = await self._call(script, [self._arguments(*arguments) for _, arguments in calls])
        return {topic: answer for (topic, _), answer in zip(calls, answers, strict=True)}

    def _arguments(self, *arguments: Any) -> tuple[list[str], list[Any]]:
        """Return the keys and arguments of a call. The scripts make the keys of topics themselves, from the prefix."""
        return [f"{self._prefix}leases"], [self._prefix, *arguments]


def _calls(topics: Sequence[TopicName]) -> list[Sequence[TopicName]]:
    return [topics[start : start + _MANY_MAX_TOPICS] for start in range(0, len(topics), _MANY_MAX_TOPICS)]


def _share_text(told: Told | None) -> str:
    """Return the share as the scripts write it when the table has all of the node's keys."""
    return "-" if told is None else f"{told.viewers} {told.level} 1"


def _parts_of_share(share: Share) -> list[Share]:
    """Return the share in parts, each small enough for one script call, and true when those before it were sent."""
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


def _calls_of_parts(parts: Sequence[tuple[TopicName, Share]]) -> Iterator[list[tuple[TopicName, Share]]]:
    """Put the parts into calls, in their order. A call takes about as long as one with `_CHANGES_OF_CALL` keys."""
    call: list[tuple[TopicName, Share]] = []
    changes = 0
    for topic, part in parts:
        more = len(part.joined) + len(part.left)
        if call and (changes + more > _CHANGES_OF_CALL or len(call) >= _RENEWED_OF_CALL):
            yield call
            call, changes = [], 0
        call.append((topic, part))
        changes += more
    if call:
        yield call


def _words_of_share(topic: TopicName, share: Share) -> list[Any]:
    """Return the share as the script of a renewal reads it."""
    names = "-" if share.names is None else " ".join(sorted(share.names))
    return [
        topic, share.viewers, share.level, share.sampled, int(share.is_whole), int(share.is_all), int(share.is_named),
        names, share.peak, share.ratio, len(share.joined), len(share.left),
        *map(_packed, share.joined), *map(_packed, share.left),
    ]  # fmt: skip


def _packed(key: int) -> bytes:
    return key.to_bytes(8, "big", signed=True)


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
