"""One bound for every byte to a peer: how much may wait for one reader, and for how long."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from realtime.edge.bound import STALL_MAX_SECONDS, WAITING_MAX_BYTES, Bound
from tests.kit import Clock


class Peer:
    """A reader that takes what it is let take."""

    def __init__(self, bound: Bound) -> None:
        self._bound = bound
        self._waiting = 0
        self.is_cut = False

    def pending_bytes(self) -> int:
        return self._waiting

    def abort(self) -> None:
        self.is_cut = True

    def put(self, size: int) -> None:
        self._waiting += size
        self._bound.waits(self)

    def take(self, size: int) -> None:
        self._waiting -= size
        if self._waiting:
            self._bound.took(self)
        else:
            self._bound.forget(self)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bound(clock: Clock) -> Bound:
    return Bound(clock=clock)


def cuts(reason: str) -> float:
    return REGISTRY.get_sample_value("live_mailbox_drops_total", {"reason": reason}) or 0.0


def test_reader_for_whom_too_much_waits_is_cut_at_once_and_counted(bound: Bound) -> None:
    before = cuts("full")
    peer = Peer(bound)
    peer.put(WAITING_MAX_BYTES)
    assert not peer.is_cut
    peer.put(1)
    assert peer.is_cut
    assert cuts("full") == before + 1
    assert len(bound) == 0


def test_reader_who_takes_nothing_is_cut_whatever_is_added_meanwhile(bound: Bound, clock: Clock) -> None:
    before = cuts("stalled")
    peer = Peer(bound)
    for _ in range(2):
        peer.put(100)
        bound.sweep()
        assert not peer.is_cut
        clock.advance(seconds=STALL_MAX_SECONDS / 2 + 1)
    bound.sweep()
    assert peer.is_cut
    assert cuts("stalled") == before + 1


def test_reader_who_takes_a_little_from_time_to_time_stays(bound: Bound, clock: Clock) -> None:
    peer = Peer(bound)
    peer.put(WAITING_MAX_BYTES)
    for _ in range(20):
        clock.advance(seconds=STALL_MAX_SECONDS - 1)
        peer.take(1)
        bound.sweep()
    assert not peer.is_cut


def test_reader_who_has_taken_all_is_nobody_to_look_after(bound: Bound, clock: Clock) -> None:
    peer = Peer(bound)
    peer.put(10)
    peer.take(10)
    assert len(bound) == 0
    clock.advance(seconds=3_600)
    bound.sweep()
    assert not peer.is_cut
