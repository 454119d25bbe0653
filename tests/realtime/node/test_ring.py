"""What a node keeps of events (realtime.node.ring): the newest of each topic, and of all topics a number of bytes."""

from __future__ import annotations

import orjson
import pytest

from realtime.events import Frame
from realtime.node.ring import Kept, Ring, size_of


def made(seq: int, text: str = "x") -> Frame:
    return Frame("comment", orjson.dumps({"seq": seq, "at_ms": seq, "text": text}), id=f"t@{seq}")


def filled(kept: Kept, frames: int, *, text: str = "x", most: int = 1_000) -> Ring:
    ring = Ring(most, kept)
    for seq in range(frames):
        ring.append(made(seq, text), thing=f"thing {seq}")
    return ring


def seqs(ring: Ring) -> list[int]:
    return [orjson.loads(frame.body)["seq"] for frame in ring]


def test_the_newest_are_kept() -> None:
    kept = Kept()
    ring = filled(kept, 5, most=3)
    assert seqs(ring) == [2, 3, 4]
    assert kept.bytes == ring.bytes == sum(map(size_of, ring))
    assert len(filled(kept, 5, most=0)) == 0


def test_what_is_cleared_or_changed_is_counted() -> None:
    kept = Kept()
    one, other = filled(kept, 4), filled(kept, 6)
    one.change("thing 2", {"text": "much longer than before"})
    other.change("thing 3", {"id": 3}, gone_by="deleted")
    assert kept.bytes == sum(size_of(frame) for ring in (one, other) for frame in ring)
    one.clear()
    assert (one.bytes, kept.bytes) == (0, other.bytes)
    other.clear()
    assert kept.bytes == 0


def test_a_size_is_no_less_than_the_frame_takes_with_what_was_read_of_it() -> None:
    frame = made(1, "x" * 300)
    assert size_of(frame) > len(frame.body) + len(frame.sse) + len(frame.websocket)


@pytest.mark.parametrize("topics", [1, 2, 30])
def test_all_topics_together_keep_no_more_than_they_may(topics: int) -> None:
    """A topic with 1,000 long comments took megabytes, and any number of topics could be opened."""
    most = 200 * size_of(made(0, "x" * 1_000))
    kept = Kept(most)
    rings = [Ring(1_000, kept) for _ in range(topics)]
    for seq in range(1_000):
        for ring in rings:
            ring.append(made(seq, "x" * 1_000))
            assert kept.bytes <= most
    assert kept.bytes > most / 2, "no more is forgotten than has to be"
    for ring in rings:
        assert seqs(ring) == list(range(1_000 - len(ring), 1_000)), "the newest, without a hole"
        assert len(ring) > 0


def test_small_topics_lose_nothing_to_a_large_one() -> None:
    kept = Kept(300 * size_of(made(0)))
    small = [filled(kept, 5) for _ in range(10)]
    large = filled(kept, 1_000)
    assert [len(ring) for ring in small] == [5] * 10
    assert 0 < len(large) < 300


def test_a_change_that_makes_too_much_forgets_the_older_half_of_what_it_has_changed() -> None:
    kept = Kept(10 * size_of(made(0)))
    ring = filled(kept, 10)
    for seq in range(10):
        ring.change(f"thing {seq}", {"text": "x" * 2_000})
    assert kept.bytes == ring.bytes == sum(map(size_of, ring))
    assert seqs(ring) == list(range(10 - len(ring), 10))
