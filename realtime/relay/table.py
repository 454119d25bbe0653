"""What the relays of a region share in Redis: what is watched here and in the peers, queues to the peers, used nonces.

Hop: between dispatchers and nodes on one side and the region's relays on the other. It may be flushed at any moment.
Then peers get everything until they have sent their digests again, and the peers' nodes find queued events in the
database. A request that was taken within the last minutes could then be repeated once.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis

from realtime import metrics
from realtime.events import NodeId, TopicName
from realtime.relay.batch import pack_entries
from realtime.relay.interest import is_in, places
from realtime.relay.signing import NONCE_SECONDS
from realtime.table.scripts import ScriptedTable, TableUnavailable, answering, load_script

QUEUE_MAX_ENTRIES = 1_000  # batches of a dispatcher: some 5 s of a busy dispatcher
QUEUE_SECONDS = 60
NONCES_MAX = 200_000  # nonces of a peer within NONCE_SECONDS: 666 requests a second, 40 MB
INTEREST_SECONDS = 10.0  # a peer that has been silent for that long gets everything
COUNTS_SECONDS = 15.0
COUNTS_MAX = 5_000

_WATCH = load_script("relay_watch")
_WATCH_ALL = load_script("relay_watch_all")
_GATHER = load_script("relay_gather")
_COUNT = load_script("relay_count")
_PUSH = load_script("relay_push")
_ONCE = load_script("relay_once")


class NonceUsed(Exception):
    """This very request was taken before."""


class TooManyRequests(Exception):
    """The peer has sent more in this time than the table can remember."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What all nodes of the region watch. `bitmap` None: as it was when its digest was `digest`."""

    digest: str
    bitmap: bytes | None
    counts: Mapping[str, tuple[int, int]]


class RelayTable(ScriptedTable):
    """Each call is one round trip and raises TableUnavailable. A silent node watches for `lease_seconds` more."""

    def __init__(self, redis: Redis, *, lease_seconds: float, prefix: str = "live:") -> None:
        super().__init__(redis)
        self._lease_ms = int(lease_seconds * 1000)
        self._watch_prefix = f"{prefix}{{interest}}:"
        self._prefix = f"{prefix}relay:"

    def _watch_keys(self, name: str) -> list[str]:
        return [f"{self._watch_prefix}nodes", self._watch_prefix + name]

    # What this region watches: entered by nodes, gathered by relays

    async def watch(self, node: NodeId, added: Iterable[str]) -> bool:
        """Note what a node serves in addition to what it has entered. False: the table does not know the rest."""
        bits = [place for topic in added for place in places(topic)]
        [answer] = await self._call(_WATCH, [(self._watch_keys(f"of:{node}"), [node, self._lease_ms, *bits])])
        return bool(answer)

    async def watch_all(self, node: NodeId, bitmap: bytes) -> None:
        """Note everything that a node serves."""
        await self._call(_WATCH_ALL, [(self._watch_keys(f"of:{node}"), [node, self._lease_ms, bitmap])])

    async def count(self, counts: Mapping[TopicName, tuple[int, int]]) -> None:
        """Note how many viewers (count, peak) topics have in this region."""
        if counts:
            arguments = [word for topic, count in counts.items() for word in (topic, *count)]
            await self._call(_COUNT, [([f"{self._watch_prefix}counts"], arguments)])

    async def gather(self, known_digest: str, *, bitmap_bytes: int) -> Gathered | None:
        """Return what all nodes watch. None: no node has entered anything, so it is unknown."""
        keys = [*self._watch_keys("sum"), f"{self._watch_prefix}counts"]
        arguments = [known_digest, bitmap_bytes, f"{self._watch_prefix}of:", COUNTS_MAX, int(COUNTS_SECONDS * 1000)]
        [answer] = await self._call(_GATHER, [(keys, arguments)])
        if answer is None:
            return None
        digest, bitmap, counts = answer
        names = (topic.decode() for topic in counts[::3])
        found = dict(zip(names, zip(counts[1::3], counts[2::3], strict=True), strict=True))
        return Gathered(digest.decode(), bitmap or None, found)

    # What the peers watch: sent by them, asked by dispatchers and nodes

    async def keep_interest(self, peer: str, bitmap: bytes) -> None:
        """Keep what a peer watches, for `INTEREST_SECONDS`."""
        digest = hashlib.blake2b(bitmap, digest_size=8).hexdigest()
        milliseconds = int(INTEREST_SECONDS * 1000)
        await self._do(
            ("SET", f"{self._prefix}interest:{{{peer}}}", bitmap, "PX", milliseconds),
            ("SET", f"{self._prefix}digest:{{{peer}}}", digest, "PX", milliseconds),
        )

    async def digests(self, peers: Sequence[str]) -> list[str | None]:
        """Return the digest of what each peer watches. None: the peer has sent nothing for long."""
        answers = await self._do(*(("GET", f"{self._prefix}digest:{{{peer}}}") for peer in peers))
        return [None if digest is None else digest.decode() for digest in answers]

    async def interests(self, peers: Sequence[str]) -> list[bytes | None]:
        """Return what each peer watches. None: the peer has sent nothing for long."""
        return await self._do(*(("GET", f"{self._prefix}interest:{{{peer}}}") for peer in peers))

    # Queues to the peers: filled by dispatchers and nodes, emptied by relays

    async def push(self, entries: Mapping[str, Sequence[bytes]]) -> dict[str, int]:
        """Append entries to the queues of peers. Return how many of the oldest each queue has dropped to make room."""
        calls = [([self.queue(peer)], [QUEUE_MAX_ENTRIES, QUEUE_SECONDS, *some]) for peer, some in entries.items()]
        return dict(zip(entries, await self._call(_PUSH, calls), strict=True))

    async def pop(self, peer: str, *, most: int, wait_seconds: float) -> list[bytes]:
        """Take up to `most` entries, the oldest first. If there is none, wait for one."""
        with answering():
            found = await self._redis.blmpop(wait_seconds, 1, self.queue(peer), direction="LEFT", count=most)
        entries: list[bytes] = found[1] if found else []  # type: ignore[assignment]
        return entries

    async def waiting(self, peers: Sequence[str]) -> list[int]:
        """Return how many entries wait for each peer."""
        return await self._do(*(("LLEN", self.queue(peer)) for peer in peers))

    def queue(self, peer: str) -> str:
        return f"{self._prefix}{peer}"

    # What was taken already: asked by the relay that takes it

    async def once(self, peer: str, nonce: str) -> None:
        """Note that a signed request is taken. Raises NonceUsed, TooManyRequests."""
        keys = [f"{self._prefix}nonces:{{{peer}}}"]
        [answer] = await self._call(_ONCE, [(keys, [nonce, NONCE_SECONDS * 1000, NONCES_MAX])])
        if answer == 0:
            raise NonceUsed
        if answer < 0:
            raise TooManyRequests

    async def is_new_batch(self, peer: str, batch_id: str) -> bool:
        """Note that a batch is taken. False: it was taken before."""
        try:
            await self.once(f"{peer}:batches", batch_id)
        except NonceUsed:
            return False
        return True

    async def forget_batch(self, peer: str, batch_id: str) -> None:
        """A batch could not be dispatched: take it when it comes again."""
        await self._do(("ZREM", f"{self._prefix}nonces:{{{peer}:batches}}", batch_id))

    async def _do(self, *commands: tuple[Any, ...]) -> list[Any]:
        with answering():
            pipe = self._redis.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            answers: list[Any] = await pipe.execute()
        return answers


@dataclass(slots=True)
class Outbox:
    """Hands events over to the relay for the peers that watch their topics. A dispatcher or a node has one.

    It remembers for `look_seconds` what a peer watches. It never raises and never waits for a peer, because the queue
    is in this region's Redis. If an event does not get there, the peer's nodes find it in the database.
    """

    table: RelayTable
    peers: Sequence[str]
    clock: Callable[[], float] = time.monotonic
    look_seconds: float = 0.2
    _looked_at: float = float("-inf")
    _digests: dict[str, str | None] = field(default_factory=dict)
    _bitmaps: dict[str, bytes | None] = field(default_factory=dict)

    async def offer(self, events: Sequence[tuple[str, bytes]], stamps: Mapping[str, Any]) -> None:
        """Hand over events: topic, and the wire form packed (msgpack)."""
        try:
            await self._look()
            entries: dict[str, list[bytes]] = {}
            for peer in self.peers:
                bitmap = self._bitmaps.get(peer)
                # Nobody knows what a silent peer watches. It is better to send in vain than not at all.
                wanted = [packed for topic, packed in events if bitmap is None or is_in(topic, bitmap)]
                if wanted:
                    entries[peer] = list(pack_entries(stamps, wanted))
                metrics.relay_unwatched.labels(peer).inc(len(events) - len(wanted))
            if entries:
                for peer, dropped in (await self.table.push(entries)).items():
                    metrics.relay_drops.labels(peer, "full").inc(dropped)
        except TableUnavailable:
            metrics.table_errors.inc()

    async def _look(self) -> None:
        now = self.clock()
        if now - self._looked_at < self.look_seconds:
            return
        digests = dict(zip(self.peers, await self.table.digests(self.peers), strict=True))
        changed = [peer for peer, digest in digests.items() if digest is None or digest != self._digests.get(peer)]
        if changed:
            self._bitmaps.update(zip(changed, await self.table.interests(changed), strict=True))
        self._digests, self._looked_at = digests, now
