"""One topic on a node, pure: events go in, changes and frames come out.

Hop: the last but one. `take` says what an event changes, and the node (realtime.node.node) carries that out.
`waiting_frames` makes the frames of what has changed since the last time. Nothing here touches a loop, a timer, a
socket or the database: realtime.node.fanout writes, and realtime.node.repair fetches what is missing.

Promise: durable events come out in order of `seq`, each once. The newest state wins. Bursts are summed up. The newest
signal of each key counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import orjson

from realtime import metrics
from realtime.events import (
    BURST_TTL_MS,
    Burst,
    Counters,
    Durable,
    Epoch,
    Event,
    Frame,
    Position,
    Signal,
    State,
    TopicName,
    compact_json,
    durable_frame,
    event_id,
    frame,
    newest,
    now_ms,
)
from realtime.kinds import Access, TopicKind
from realtime.log.store import Head, Loaded
from realtime.node.members import Members
from realtime.node.ring import Kept, Ring
from realtime.node.sending import Sending
from realtime.stamps import Journey, Passage
from realtime.table.counting import LocalViewers
from realtime.table.subscriptions import Watched

AHEAD_MAX_EVENTS = 1_000  # events that wait for a missing one
RECEIVED_MAX = 512  # batches in one frame of counters for which times are kept; of more, every second one
NOBODY = Watched(0, 0)
_NO_VIEWERS = LocalViewers()  # for topics without counted viewers, because there may be one for each viewer here


class Change(NamedTuple):
    """What a step has changed about a topic. The node carries it out in the order of the fields."""

    is_access: bool = False
    """The right to read the topic has changed. Members who may not read it lose it before anything of the step is
    written.
    """
    is_counting: bool = False
    """The members here count as viewers from now on, or no longer."""
    durable: Frame | None = None
    """For all members."""
    has_state: bool = False
    """State waits for its frame."""
    is_missing: bool = False
    """An event came too early: those before it are in the event log."""


STATE, MISSING = Change(has_state=True), Change(is_missing=True)


class Topics(Protocol):
    """A node's topics, as its parts see them (realtime.node.node.Node)."""

    feeds: dict[TopicName, Feed]

    def take(self, feed: Feed, event: Event, passage: Passage) -> None:
        """Take an event and carry out what it changes."""
        ...

    def learn(self, feed: Feed, newest: Counters | State) -> None:
        """Take state that the node found by looking, and carry out what it changes."""
        ...

    def carry_out(self, feed: Feed, change: Change) -> None: ...

    def drop(self, feed: Feed) -> None:
        """Forget a topic that nobody watches."""
        ...

    def end(self, feed: Feed) -> None:
        """The topic was deleted: its members lose it."""
        ...


@dataclass(slots=True)
class WaitingState:
    """What has changed and waits for its frame, with the passage of the first change."""

    counters: Counters | None = None
    received: list[tuple[int, Passage]] = field(default_factory=list)  # when what is in `counters` was received
    viewers: bool = False
    burst: tuple[Burst, Passage] | None = None
    states: dict[str, tuple[State, Passage | None]] = field(default_factory=dict)
    signals: dict[tuple[str, str], tuple[Signal, Passage]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Feed:
    """One topic on this node: its members, its newest durable frames and its current snapshot."""

    topic: TopicName
    kind: TopicKind
    kept: Kept = field(default_factory=Kept)
    members: Members = field(default_factory=Members)
    sending: Sending = field(default_factory=Sending)

    # The topic, as far as this node knows it.
    is_ready: bool = False  # has been read
    early: list[tuple[Event, Passage]] = field(default_factory=list)  # events that came while it was read
    read_at: float = 0.0  # for a presence topic: when it was last read from the database
    seq: int = 0
    epoch: Epoch = Epoch("")  # noqa: RUF009  (a text)
    ring: Ring = field(init=False)
    ahead: dict[int, tuple[Durable, Passage]] = field(default_factory=dict)  # events that came before a missing one
    snapshot: dict[str, Any] = field(default_factory=dict)
    access: Access = Access()  # noqa: RUF009  (frozen)
    counters: Counters | None = None
    states: dict[str, State] = field(default_factory=dict)  # state that no row keeps
    waiting: WaitingState = field(default_factory=WaitingState)
    sent_kinds: Mapping[str, int] = field(default_factory=dict)
    _opening_part: bytes = b""  # empty: stale

    # Who watches, here and elsewhere (realtime.node.arrivals, realtime.node.leases).
    viewers: LocalViewers = field(init=False)
    has_viewers: bool = False  # whether members here are counted
    watched: Watched = NOBODY
    elsewhere: int = 0  # viewers on other nodes, in any region, by the last answer of the table
    peak_saved: int = 0
    empty_since: float | None = None

    def __post_init__(self) -> None:
        self.ring = Ring(self.kind.kept_events, self.kept)
        self.viewers = LocalViewers() if self.kind.counts_viewers else _NO_VIEWERS

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.seq)

    @property
    def head(self) -> Head:
        return Head(self.seq, self.counters.version if self.counters else 0)

    # Events in

    def take(self, event: Event, passage: Passage) -> Change | None:
        """Take an event. Return what it changes, or None. After a durable event `follow` returns the next one."""
        if not self.is_ready:
            self.early.append((event, passage))
            return None
        match event:
            case Durable():
                return self._take_durable(event, passage)
            case Counters():
                return self._take_counters(event, passage)
            case Burst():
                if not self.kind.burst or now_ms() - event.at_ms >= BURST_TTL_MS:
                    return None
                metrics.hop_seconds.count(self.kind.burst, event.at_ms, passage)
                known, first = self.waiting.burst or (None, passage)
                self.waiting.burst = (known.plus(event) if known else event, first)
                return STATE
            case State():
                return self._take_state(event, passage)
            case Signal():
                metrics.hop_seconds.count(event.name, passage.began_ms, passage)
                self.waiting.signals[event.name, event.key] = (event, passage)
                return STATE

    def follow(self) -> Change | None:
        """Take the next event that had to wait for a missing one. None: it is not there.

        Carry each change out before you ask for the next: the rights may depend on it.
        """
        following = self.ahead.pop(self.seq + 1, None) if self.ahead else None
        return None if following is None else self._take_next(*following)

    def learn(self, newest: Counters | State) -> Change | None:
        """Take state that the node found by looking. It has no hops to count."""
        return self._take_counters(newest, None) if isinstance(newest, Counters) else self._take_state(newest, None)

    def _take_durable(self, event: Durable, passage: Passage) -> Change | None:
        if event.seq <= self.seq:
            return None  # seen before: a batch came twice, or a pull has brought it already
        if event.seq > self.seq + 1:
            if len(self.ahead) < AHEAD_MAX_EVENTS:
                self.ahead[event.seq] = (event, passage)
            return MISSING
        return self._take_next(event, passage)

    def _take_next(self, event: Durable, passage: Passage) -> Change:
        data = orjson.loads(event.body)
        at_ms = data["at_ms"]
        made = durable_frame(event, self.epoch)
        made.journey = Journey(event.name, passage, at_ms, (at_ms,))
        self.seq = event.seq
        self._keep(event, data)
        metrics.hop_seconds.count(event.name, at_ms, passage)
        return Change(*self._apply(event.name, data), made)

    def _keep(self, event: Durable, data: Mapping[str, Any]) -> None:
        """Keep an event for later readers, and change what is kept as the event log does (realtime.log.things)."""
        effect = self.kind.effect(event.name, data)
        if effect.forgets:
            self.ring.clear()
        if effect.changes:
            self.ring.change(effect.changes, data, gone_by=event.name if effect.is_gone else "")
        # Without the hops of the one that is sent now.
        self.ring.append(durable_frame(event, self.epoch), effect.holds)

    def _take_counters(self, counters: Counters, passage: Passage | None) -> Change | None:
        if self.counters is None or counters.version <= self.counters.version:
            return None
        waiting = self.waiting
        if counters.at_ms and passage is not None:
            metrics.hop_seconds.count(self.kind.counter, counters.at_ms, passage)
            waiting.received.append((counters.at_ms, passage))
            if len(waiting.received) > RECEIVED_MAX:
                del waiting.received[1::2]
        self.counters = counters
        self._opening_part = b""
        waiting.counters = newest(waiting.counters, counters)
        return STATE

    def _take_state(self, state: State, passage: Passage | None) -> Change | None:
        known = self.states.get(state.name)
        if known is not None and state.version <= known.version:
            return None
        if passage is not None:
            metrics.hop_seconds.count(state.name, passage.began_ms, passage)
        self.states[state.name] = state
        self.waiting.states[state.name] = (state, passage)
        return Change(*self._apply(state.name, state.data), has_state=True)

    # The snapshot

    def load(self, loaded: Loaded) -> Change:
        """Start again from what the database says. Changes that wait for their frame stay, and so does state that no
        row keeps.
        """
        self.seq, self.epoch = loaded.head.seq, loaded.epoch
        self.ring.clear()
        for event in loaded.whole_log():
            self.ring.append(durable_frame(event, self.epoch), event.thing)
        self.forget_taken()
        if loaded.counters is not None:
            self.counters = newest(self.counters, Counters(self.topic, loaded.head.version, loaded.counters))
            self.sent_kinds = self.counters.kinds
        if self.kind.counts_viewers:
            self.peak_saved = loaded.viewers_peak
            self.watched = Watched(self.watched.count, max(self.watched.peak, loaded.viewers_peak))
        return self.read(loaded.snapshot)

    def read(self, snapshot: dict[str, Any]) -> Change:
        """Take a new snapshot. State that no row keeps stays."""
        self.snapshot = snapshot
        for state in self.states.values():
            self.kind.apply(snapshot, state.name, state.data)
        return Change(*self._look_at_snapshot())

    def apply_again(self, state: State) -> Change:
        """Put a known state into the snapshot once more."""
        return Change(*self._apply(state.name, state.data))

    def look_at_access(self) -> None:
        """Read from the snapshot who may read the topic, even if no step has changed it."""
        self.access = self.kind.access(self.snapshot)

    def forget_taken(self) -> None:
        self.ahead = {seq: came for seq, came in self.ahead.items() if seq > self.seq}

    def _apply(self, name: str, data: Mapping[str, Any]) -> tuple[bool, bool]:
        self.kind.apply(self.snapshot, name, data)
        return self._look_at_snapshot()

    def _look_at_snapshot(self) -> tuple[bool, bool]:
        """Take over a changed snapshot: every change of one ends here. Return the beginning of a `Change`."""
        self._opening_part = b""
        before, self.access = self.access, self.kind.access(self.snapshot)
        return self.access != before, self.kind.has_viewers(self.snapshot) != self.has_viewers

    def set_watched(self, watched: Watched) -> bool:
        """Take the number of viewers. Return whether to send it."""
        # If the table does not call a count a peak, it is none: some viewers may be counted twice until all nodes have
        # sent their keys. The viewers here are certain.
        watched = Watched(watched.count, max(watched.peak, self.watched.peak, len(self.viewers)))
        if watched == self.watched:
            return False
        self.watched = watched
        self._opening_part = b""
        if not self.kind.counts_viewers or not self.is_ready:
            return False
        self.waiting.viewers = True
        return True

    def full_snapshot(self) -> dict[str, Any]:
        """The snapshot with what the node counts: counters and viewers."""
        shown = self.kind.shown(self.snapshot)
        if self.counters is not None:
            shown[self.kind.counter] = {"total": self.counters.total, "kinds": dict(self.counters.kinds)}
        if self.kind.counts_viewers:
            shown["viewers"] = {"count": self.watched.count, "peak": self.watched.peak}
        return shown

    def opening_part(self) -> bytes:
        """Return the topic's part of `hello`, encoded."""
        if not self._opening_part:
            self._opening_part = compact_json({"epoch": self.epoch, "seq": self.seq, "snapshot": self.full_snapshot()})
        return self._opening_part

    # Frames out

    def waiting_frames(self, region: str) -> list[Frame]:
        """Return the frames of all state that has changed since the last time. `region`: the node's."""
        waiting = self.waiting
        frames: list[Frame] = []
        if (counters := waiting.counters) is not None and self.counters is not None:
            waiting.counters = None
            frames.append(self._changed_counters_frame(counters))
        if waiting.viewers:
            waiting.viewers = False
            frames.append(self._viewers_frame(Passage(region, {"node": now_ms()})))
        if waiting.burst is not None:
            burst, passage = waiting.burst
            waiting.burst = None
            data = {"topic": self.topic, "counts": burst.counts, "at_ms": burst.at_ms}
            name = self.kind.burst
            frames.append(frame(name, data, journey=Journey(name, passage, burst.at_ms, (burst.at_ms,))))
        if waiting.states:
            frames += [self._state_frame(*changed) for changed in waiting.states.values()]
            waiting.states.clear()
        if waiting.signals:
            now = now_ms()
            frames += [
                self._state_frame(signal, passage)
                for signal, passage in waiting.signals.values()
                if signal.expires_at_ms > now
            ]
            waiting.signals.clear()
        return frames

    def newest_state(self) -> list[Frame]:
        """Return frames of all state that is not in the event log, as the state is now."""
        frames = [self._state_frame(state) for state in self.states.values()]
        if self.counters is not None:
            frames.append(self._counters_frame(delta=0, names=(), at_ms=now_ms()))
        if self.kind.counts_viewers:
            frames.append(self._viewers_frame())
        return frames

    def reset_frame(self, reason: str) -> Frame:
        data = {"topic": self.topic, "reason": reason, "epoch": self.epoch, "seq": self.seq}
        return frame("reset", {**data, "snapshot": self.full_snapshot()}, id=event_id(self.topic, self.position))

    def _changed_counters_frame(self, counters: Counters) -> Frame:
        assert self.counters is not None
        kinds, sent = self.counters.kinds, self.sent_kinds
        changes = [kinds.get(kind, 0) - sent.get(kind, 0) for kind in kinds.keys() | sent.keys()]
        self.sent_kinds = kinds
        received, self.waiting.received = self.waiting.received, []
        at_ms = counters.at_ms or now_ms()
        made = self._counters_frame(delta=sum(changes), names=counters.names, at_ms=at_ms, received=received)
        # If a row changes its kind, one kind has one less and another has one more.
        made.counted = max(sum(max(0, change) for change in changes), sum(max(0, -change) for change in changes))
        return made

    def _counters_frame(
        self, *, delta: int, names: Sequence[str], at_ms: int, received: Sequence[tuple[int, Passage]] = ()
    ) -> Frame:
        assert self.counters is not None
        data = {"topic": self.topic, "total": self.counters.total, "kinds": self.counters.kinds}
        name = self.kind.counter
        journey = Journey(name, received[0][1], at_ms, [moment for moment, _ in received]) if received else None
        return frame(name, {**data, "delta": delta, "names": names, "at_ms": at_ms}, journey=journey)

    def _viewers_frame(self, passage: Passage | None = None) -> Frame:
        at_ms = now_ms()
        data = {"topic": self.topic, "count": self.watched.count, "peak": self.watched.peak, "at_ms": at_ms}
        return frame("viewers", data, journey=Journey("viewers", passage, at_ms) if passage else None)

    def _state_frame(self, state: State | Signal, passage: Passage | None = None) -> Frame:
        journey = Journey(state.name, passage, passage.began_ms, (passage.began_ms,)) if passage else None
        return frame(state.name, {"topic": self.topic, **state.data}, journey=journey)


def subject(topic: TopicName) -> str:
    """Return what a topic is about: the part of the name after its prefix."""
    return topic.partition(":")[2]
