"""Recording fakes for the core: they do what the real ones promise, remember it, and fail when told to."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from realtime.edge.bound import Bound
from realtime.events import HEARTBEAT, ConnectionId, Counters, Durable, Epoch, Frame, NodeId, Position, TopicName
from realtime.identity import ANONYMOUS, Identity
from realtime.kinds import Access, Rechecks, Review, TopicKind
from realtime.log.store import Changes, Head, Heads, Loaded, Mark, StoreUnavailable, TopicGone
from realtime.node.connections import Closing, Connection
from realtime.node.node import Node
from realtime.table.counting import ViewerKey
from realtime.table.scripts import TableUnavailable
from realtime.table.subscriptions import NEWS_MAX, SAMPLE_FEW, SAMPLE_MAX, LeaseAnswer, Renewed, Share, Told, Watched

VIDEO = TopicName("video:1")
EPOCH = Epoch("first")
NOTHING = Share(0)


def viewers(keys: Iterable[int], **more: Any) -> Share:
    """Return what a node tells the table whose viewers are those, and all of them."""
    joined = list(keys)
    return Share(len(joined), sampled=len(joined), joined=joined, is_whole=True, **more)


@dataclass
class FakeEntry:
    """What a node has told the fake table of a topic."""

    share: Share = NOTHING
    keys: set[int] = field(default_factory=set)
    names: frozenset[str] = frozenset()
    is_whole: bool = True


class FakeTable:
    """The shared table in memory: keeps the contract of tests/realtime/table/test_subscriptions.py."""

    def __init__(
        self,
        *,
        lease_seconds: float = 15.0,
        clock: Callable[[], float] | None = None,
        sample_max: int = SAMPLE_MAX,
        sample_few: int = SAMPLE_FEW,
    ) -> None:
        self._clock = clock or asyncio.get_running_loop().time
        self._lease_seconds = lease_seconds
        self._sample_max = sample_max
        self._sample_few = sample_few
        self._leases: dict[NodeId, float] = {}
        self._seen: dict[NodeId, int] = {}  # of those whose entries are whole, the number that they have read
        self._entries: dict[TopicName, dict[NodeId, FakeEntry]] = {}
        self._said: dict[TopicName, tuple[Watched, int, float]] = {}
        self._news: dict[TopicName, int] = {}
        self._newest = 0
        self.is_away = False
        self.calls: list[tuple[str, tuple[TopicName, ...]]] = []

    async def hold(self, node: NodeId, *, read: int) -> LeaseAnswer:
        self._called("hold", ())
        self._lease(node)
        is_known = self._seen.get(node, read + 1) <= read
        if not is_known:
            self._newest += 1
        self._seen[node] = read if is_known else self._newest
        news = sorted((number, topic) for topic, number in self._news.items() if is_known and number > read)[:NEWS_MAX]
        is_swept = all(until > self._clock() for until in self._leases.values())
        now_read = news[-1][0] if news else self._seen[node]
        return LeaseAnswer(is_known, is_swept, now_read, [topic for _, topic in news])

    async def release(self, node: NodeId) -> None:
        self._called("release", ())
        self._seen.pop(node, None)
        if node in self._leases:
            self._leases[node] = float("-inf")

    async def sweep(self) -> bool:
        self._called("sweep", ())
        for node in [node for node, until in self._leases.items() if until <= self._clock()]:
            self._seen.pop(node, None)
            del self._leases[node]
            for topic, entries in self._entries.items():
                if entries.pop(node, None) and entries:
                    self._tell(topic)
        return True

    async def renew(self, node: NodeId, shares: Mapping[TopicName, Share]) -> dict[TopicName, Renewed]:
        self._called("renew", shares)
        return {topic: self._renew(topic, node, share) for topic, share in shares.items()}

    def _renew(self, topic: TopicName, node: NodeId, share: Share) -> Renewed:
        self._lease(node)
        entry = self._entries.setdefault(topic, {}).setdefault(node, FakeEntry())
        entry.share = share
        entry.keys = (set() if share.is_whole else entry.keys) - set(share.left) | set(share.joined)
        entry.names = entry.names if share.names is None else share.names
        is_lost = (share.is_all and len(entry.keys) != share.sampled) or (share.is_named and not entry.names)
        entry.is_whole = share.is_all and not is_lost
        before = self._said.get(topic)
        watched, level, ratio = self._sum(topic, share)
        if self._live(topic).keys() != {node} and (before is None or before[:2] != (watched, level)):
            self._tell(topic)
        return Renewed(watched, level, ratio, is_lost)

    def _lease(self, node: NodeId) -> None:
        self._leases[node] = self._clock() + self._lease_seconds

    def _tell(self, topic: TopicName) -> None:
        self._newest += 1
        self._news[topic] = self._newest

    def _sum(self, topic: TopicName, share: Share = NOTHING) -> tuple[Watched, int, float]:
        known, level, ratio = self._said.get(topic, (Watched(0, share.peak), share.level, share.ratio))
        live = self._live(topic).values()
        total = sum(entry.share.viewers for entry in live)
        sampled = sum(len(entry.keys) for entry in live)
        is_clean = all(entry.is_whole and entry.share.level == level for entry in live)
        if is_clean:
            ratio = len(set().union(*(entry.keys for entry in live))) / sampled if sampled else 1.0
        count = max([round(total * ratio), *(entry.share.viewers for entry in live)], default=0)
        peak = max(known.peak, share.peak, count if is_clean else 0)
        while total / 2**level > self._sample_max:
            level += 1
        while is_clean and level and total / 2**level < self._sample_few:
            level -= 1
        self._said[topic] = said = (Watched(count, peak), level, ratio)
        return said

    async def enter(self, node: NodeId, topics: Sequence[TopicName]) -> None:
        self._called("enter", topics)
        self._lease(node)
        for topic in topics:
            self._entries.setdefault(topic, {})[node] = FakeEntry()

    async def missing(self, node: NodeId, entries: Mapping[TopicName, Told | None]) -> list[TopicName]:
        self._called("missing", entries)
        found = {topic: self._entries.get(topic, {}).get(node) for topic in entries}
        return [
            topic
            for topic, entry in found.items()
            if entry is None
            or ((told := entries[topic]) is not None and Told(entry.share.viewers, entry.share.level) != told)
        ]

    async def entered(self, node: NodeId) -> set[TopicName]:
        self._called("entered", ())
        return {topic for topic, entries in self._entries.items() if node in entries}

    async def nodes_for(self, topics: Sequence[TopicName]) -> dict[TopicName, frozenset[NodeId]]:
        self._called("nodes_for", topics)
        return {topic: frozenset(self._live(topic)) for topic in topics}

    async def watched(self, topics: Sequence[TopicName]) -> dict[TopicName, Watched]:
        self._called("watched", topics)
        return {topic: self._sum(topic)[0] for topic in topics}

    async def named(self, topic: TopicName) -> set[str]:
        self._called("named", [topic])
        return {name for entry in self._live(topic).values() for name in entry.names}

    async def present(self, topic: TopicName, keys: Sequence[int]) -> set[int]:
        self._called("present", [topic])
        return {key for key in keys for entry in self._live(topic).values() if key in entry.keys}

    async def leave(self, node: NodeId, topics: Sequence[TopicName]) -> None:
        self._called("leave", topics)
        for topic in topics:
            if self._entries.get(topic, {}).pop(node, None):
                self._tell(topic)

    def flush(self) -> None:
        for kept in (self._leases, self._seen, self._entries, self._said, self._news):
            kept.clear()
        self._newest = 0

    def lose(self, topic: TopicName, node: NodeId) -> None:
        """Lose one entry, as a Redis that evicts keys does."""
        del self._entries[topic][node]

    def _called(self, name: str, topics: Sequence[TopicName] | Mapping[TopicName, Any]) -> None:
        self.calls.append((name, tuple(topics)))
        if self.is_away:
            raise TableUnavailable("away")

    def _live(self, topic: TopicName) -> dict[NodeId, FakeEntry]:
        entries = self._entries.get(topic, {})
        return {node: entry for node, entry in entries.items() if self._leases.get(node, 0.0) > self._clock()}


@dataclass
class FakeKind(TopicKind):
    """A topic whose snapshot is the list of its notes; one that begins with `secret` closes it to all but `friend`,
    the group `friends` and staff, one that begins with `open` opens it again, `over` ends it.
    """

    prefix: str = "video"
    counter = "likes"
    burst = "reactions"
    counts_viewers = True

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        raise AssertionError("the fake store loads")

    def counters(self, topics: Sequence[TopicName], database: str = "default") -> Mapping[TopicName, Mapping[str, int]]:
        raise AssertionError("the fake store counts")

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        snapshot["notes"] = [*snapshot["notes"], data["note"]]

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        return dict(snapshot)

    def has_viewers(self, snapshot: Mapping[str, Any]) -> bool:
        return "over" not in snapshot.get("notes", ())

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        said = [note for note in snapshot["notes"] if note.startswith(("secret", "open"))]
        return Access(not said or said[-1].startswith("open"), frozenset(("friend",)), groups=frozenset(("friends",)))


class NoteKind(FakeKind):
    """A topic of notes, which are shown, edited and removed, one by one or all."""

    prefix = "lot"
    events = frozenset({"note", "note_shown", "note_edited", "note_removed", "all_forgotten"})
    takes_back = frozenset({"note_removed"})
    replaces = frozenset({"note_edited"})

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return str(data["note"].get("id", ""))

    def forgets(self, name: str, data: Mapping[str, Any]) -> bool:
        return name == "all_forgotten"

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        return Access(public=True)


@dataclass
class FakeStore:
    """The database: topics with a log and like totals. Commit with `note` and `like`."""

    logs: dict[TopicName, list[Durable]] = field(default_factory=dict)
    totals: dict[TopicName, dict[str, int]] = field(default_factory=dict)
    versions: dict[TopicName, int] = field(default_factory=dict)
    peaks: dict[TopicName, int] = field(default_factory=dict)
    seen: dict[TopicName, set[int]] = field(default_factory=dict)
    groups: dict[str, frozenset[str]] = field(default_factory=dict)
    epoch: Epoch = EPOCH
    kept_from: int = 1  # events with a lower seq are gone from the log
    banned: set[str] = field(default_factory=set)
    hidden: set[str] = field(default_factory=set)
    rechecked: set[str] = field(default_factory=set)  # viewers of whom the next look hears
    reviewed: list[int] = field(default_factory=list)  # how many identities each question named
    kept: dict[TopicName, dict[str, Any]] = field(default_factory=dict)
    """The snapshots of presence topics."""
    last_active: dict[str, int] = field(default_factory=dict)
    is_away: bool = False
    calls: list[str] = field(default_factory=list)
    hold: asyncio.Event | None = None
    asked: list[int] = field(default_factory=list)  # of how many topics each question for heads was
    looks: list[dict[TopicName, tuple[int, int]]] = field(default_factory=list)
    """The heads of all topics at each look for changes."""

    def create(self, topic: TopicName = VIDEO) -> None:
        self.logs[topic], self.totals[topic], self.versions[topic] = [], {}, 0

    def note(self, text: str, topic: TopicName = VIDEO, *, at_ms: int = 1) -> Durable:
        log = self.logs[topic]
        log.append(Durable.of(topic, seq=len(log) + 1, name="note", at_ms=at_ms, data={"note": text}))
        return log[-1]

    def like(self, topic: TopicName = VIDEO, kind: str = "like") -> tuple[int, dict[str, int]]:
        self.totals[topic][kind] = self.totals[topic].get(kind, 0) + 1
        self.versions[topic] += 1
        return self.versions[topic], dict(self.totals[topic])

    async def _asked(self, call: str) -> None:
        self.calls.append(call)
        if self.hold is not None:
            await self.hold.wait()
        if self.is_away:
            raise StoreUnavailable("away")

    async def load(self, topic: TopicName) -> Loaded:
        await self._asked("load")
        if topic not in self.logs:
            raise TopicGone(topic)
        log = self.logs[topic]
        notes = [json.loads(event.body)["note"] for event in log]
        kept = [event for event in log if event.seq >= self.kept_from]
        head = Head(len(log), self.versions[topic])
        likes = dict(self.totals[topic]) if topic in self.totals else None
        return Loaded(head, {"notes": notes}, likes, self.peaks.get(topic, 0), kept, self.epoch)

    async def changes(self, since: Mark) -> Changes:
        await self._asked("changes")
        before = self.looks[int(since.snapshot)] if since.epoch == self.epoch else None
        now = {topic: (len(log), self.versions[topic]) for topic, log in self.logs.items()}
        self.looks.append(now)
        until = Mark(self.epoch, str(len(self.looks) - 1), "now")
        if before is None:
            return Changes(until, is_all=True)
        return Changes(until, frozenset(t for t in now.keys() | before.keys() if now.get(t) != before.get(t)))

    async def heads(self, topics: Mapping[TopicName, Head]) -> Heads:
        await self._asked("heads")
        self.asked.append(len(topics))
        there = [topic for topic in topics if topic in self.logs]
        return Heads({topic: Head(len(self.logs[topic]), self.versions[topic]) for topic in there}, self.epoch)

    async def newest_counters(self, topics: Sequence[TopicName]) -> Mapping[TopicName, Counters]:
        await self._asked("newest_counters")
        return {topic: Counters(topic, self.versions[topic], dict(self.totals[topic])) for topic in topics}

    async def events_after(self, topic: TopicName, seq: int, *, limit: int) -> Sequence[Durable]:
        await self._asked("events_after")
        first = max(seq + 1, self.kept_from)
        return [event for event in self.logs[topic] if event.seq >= first][:limit]

    async def snapshots(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        await self._asked("snapshots")
        return {topic: dict(self.kept[topic]) for topic in topics if topic in self.kept}

    async def review(self, identities: Sequence[Identity]) -> Review:
        await self._asked("review")
        self.reviewed.append(len(identities))
        signed_out = frozenset(identity for identity in identities if identity.viewer_id in self.banned)
        changed = {
            identity: replace(identity, groups=self.groups[identity.viewer_id])
            for identity in identities
            if identity.groups != self.groups.get(identity.viewer_id, identity.groups)
        }
        return Review(signed_out, frozenset(self.hidden), changed)

    async def rechecks(self, since: str) -> Rechecks:
        await self._asked("rechecks")
        named, self.rechecked = self.rechecked, set()
        return Rechecks("now", frozenset(named), is_all=not since)

    async def save_last_active(self, at_ms: Mapping[str, int]) -> None:
        await self._asked("save_last_active")
        self.last_active.update(at_ms)

    async def save_seen(self, seen: Mapping[TopicName, Sequence[int]]) -> Mapping[TopicName, int]:
        await self._asked("save_seen")
        for topic, keys in seen.items():
            self.seen.setdefault(topic, set()).update(keys)
        return dict.fromkeys(seen, 0)

    async def save_peaks(self, peaks: Mapping[TopicName, int]) -> None:
        await self._asked("save_peaks")
        self.peaks.update(peaks)


class FakeSocket:
    """A kernel's socket: takes `room` bytes, then blocks."""

    def __init__(self) -> None:
        self.taken = b""
        self.sends = 0
        self.room = 1 << 30
        self.is_lost = False

    def send(self, data: bytes) -> int:
        self.sends += 1
        if self.is_lost:
            raise ConnectionResetError
        if not self.room:
            raise BlockingIOError
        part = data[: self.room]
        self.room -= len(part)
        self.taken += part
        return len(part)


_sockets: dict[int, FakeSocket] = {}


def write_descriptor(descriptor: int, data: bytes) -> int:
    """`os.write` for the descriptors of fake wires."""
    return _sockets[descriptor].send(data)


class FakeWire:
    """A wire that remembers. With `direct`, the node writes to the descriptor itself; what does not fit waits here."""

    def __init__(
        self, *, is_sse: bool, direct: bool, filled: Callable[[], None], gone: Callable[[], None] = lambda: None
    ) -> None:
        self.socket = FakeSocket()
        self.descriptor = self.direct_fd = -1
        if direct:
            self.descriptor = self.direct_fd = next(_numbers)
            _sockets[self.direct_fd] = self.socket
        self.mailbox = b""
        self.closed: Closing | None = None
        self.is_aborted = False
        self._is_sse = is_sse
        self._filled = filled
        self._gone = gone
        self._bound = Bound()

    def open(self, headers: Sequence[tuple[bytes, bytes]], first: bytes) -> None:
        raise AssertionError("the node opens no answer")

    def write(self, frames: Sequence[Frame]) -> None:
        self._put(b"".join(frame.sse if self._is_sse else frame.websocket for frame in frames))

    def answer(self, body: bytes) -> None:
        raise AssertionError("the node has no answers")

    def ping(self) -> None:
        self._put(HEARTBEAT if self._is_sse else b"\x89\x00")

    def _put(self, data: bytes) -> None:
        if self.closed is not None or self.is_aborted:
            return
        try:
            sent = 0 if self.mailbox else self.socket.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.keep(data[sent:])

    def keep(self, rest: bytes) -> None:
        self.mailbox += rest
        self.direct_fd = -1
        self._filled()
        self._bound.waits(self)

    def pending_bytes(self) -> int:
        return len(self.mailbox)

    def drain(self, room: int = 1 << 30) -> None:
        """Let the kernel take up to `room` bytes of what waits."""
        self.socket.room = room
        sent = self.socket.send(self.mailbox) if self.mailbox else 0
        self.mailbox = self.mailbox[sent:]
        if not self.mailbox:
            self.direct_fd = self.descriptor

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def close(self, why: Closing) -> None:
        self.closed = why
        self.direct_fd = -1

    def abort(self) -> None:
        self.is_aborted = True
        self.direct_fd = -1
        self._gone()


_numbers = itertools.count(1)


class Viewer:
    """A connection on fakes, and what its viewer has read. Each counts as one, unless it is given another's `key`."""

    def __init__(
        self,
        node: Node,
        *,
        is_sse: bool = True,
        direct: bool = True,
        identity: Identity = ANONYMOUS,
        key: int | None = None,
    ) -> None:
        self.node = node
        self.wire = FakeWire(is_sse=is_sse, direct=direct, filled=self._filled, gone=self._gone)
        number = next(_numbers)
        counted = ViewerKey(number if key is None else key)
        self.connection = Connection(
            ConnectionId(f"c{number}"), self.wire, is_sse=is_sse, identity=identity, key=counted
        )
        self.opening: dict[str, Any] = {}
        self.first: list[tuple[str, dict[str, Any]]] = []
        node.add(self.connection)

    def _filled(self) -> None:
        self.node.slow.filled(self.connection)

    def _gone(self) -> None:
        self.node.remove(self.connection)

    async def watch(self, topic: TopicName = VIDEO, *, after: int | None = None, epoch: Epoch = EPOCH) -> Viewer:
        position = None if after is None else Position(epoch, after)
        await self.node.prepare(topic, self.connection.identity, after=position)
        opening = self.node.enter(self.connection, topic, after=position)
        self.opening = json.loads(opening.part)
        self.first = [(frame.name, json.loads(frame.body)) for frame in opening.frames]
        return self

    def read(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what came after the opening: name and data of each event, without how long it took."""
        return [(name, {key: data[key] for key in data if key != "hops"}) for name, data in self._read()]

    def hops(self, name: str) -> list[dict[str, Any] | None]:
        """Return what events of the name said of their way; None: nothing."""
        return [data.get("hops") for got, data in self._read() if got == name]

    def _read(self) -> list[tuple[str, dict[str, Any]]]:
        self.wire.drain()
        stream = self.wire.socket.taken
        return read_event_stream(read_chunks(stream)) if self.connection.is_sse else read_websocket(stream)

    def notes(self) -> list[str]:
        return [data["note"] for name, data in self.read() if name == "note"]

    def last(self, name: str) -> dict[str, Any]:
        """Return the newest event's data; before the first one, every value is None."""
        return defaultdict(lambda: None, next((data for got, data in reversed(self.read()) if got == name), {}))


def read_chunks(stream: bytes) -> bytes:
    """Return the body of a chunked HTTP message."""
    body = b""
    while stream:
        size, _, rest = stream.partition(b"\r\n")
        body += rest[: int(size, 16)]
        assert rest[int(size, 16) : int(size, 16) + 2] == b"\r\n"
        stream = rest[int(size, 16) + 2 :]
    return body


def read_event_stream(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    events = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if "data" in fields:
            events.append((fields["event"], json.loads(fields["data"])))
    return events


def read_websocket(stream: bytes) -> list[tuple[str, dict[str, Any]]]:
    events = []
    while stream:
        size, start = stream[1], 2
        if size == 126:
            size, start = int.from_bytes(stream[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(stream[2:10], "big"), 10
        if stream[0] == 0x81:
            message = json.loads(stream[start : start + size])
            events.append((message["event"], message["data"]))
        stream = stream[start + size :]
    return events
