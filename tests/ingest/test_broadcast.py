"""What a broadcast says of its picture, by its own clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.broadcast import GONE_SECONDS, STALLED_SECONDS, Broadcast
from ingest.packager.renditions import Renditions
from tests.ingest.packager.conftest import stream  # noqa: F401  (a fixture)
from tests.ingest.packager.streams import pieces
from tests.kit import Clock
from web.store import Folder

END_AFTER_SECONDS = 600.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(folder: Path, clock: Clock, *, again: bool = False) -> Broadcast:
    packager = Renditions(Folder(folder), report=lambda words: None)
    return Broadcast("a video", packager, end_after_seconds=END_AFTER_SECONDS, again=again, clock=clock)


def test_a_picture_that_stops_is_stalled_then_gone_then_over(
    tmp_path: Path,
    clock: Clock,
    stream: bytes,  # noqa: F811
) -> None:
    broadcast = make(tmp_path, clock)
    head, first, second, *_ = pieces(stream)
    broadcast.take(0, head)
    assert broadcast.state == "over", "nobody has got anything yet"
    broadcast.take(0, first)
    assert broadcast.state == "live"
    clock.advance(STALLED_SECONDS)
    assert broadcast.state == "stalled"
    broadcast.take(0, second)
    assert broadcast.state == "live"
    clock.advance(GONE_SECONDS)
    assert broadcast.state == "gone"
    clock.advance(END_AFTER_SECONDS)
    assert broadcast.state == "over"


def test_what_another_ingest_left_open_has_stalled(tmp_path: Path, clock: Clock) -> None:
    broadcast = make(tmp_path, clock, again=True)
    assert broadcast.state == "stalled"
    clock.advance(END_AFTER_SECONDS)
    assert broadcast.state == "over"


def test_nobody_waits_for_a_picture_that_nobody_sends(tmp_path: Path, clock: Clock) -> None:
    assert make(tmp_path, clock).state == "over"


def test_what_is_no_picture_is_said_in_words(tmp_path: Path, clock: Clock) -> None:
    broadcast = make(tmp_path, clock)
    broadcast.take(0, b"\0\0\0\1not a box at all")
    assert broadcast.trouble.startswith("The picture cannot be used")
    assert broadcast.health()["trouble"] == broadcast.trouble
    assert broadcast.state == "over"


def test_a_recording_that_has_stopped_is_said_beside_the_live_picture(
    tmp_path: Path,
    clock: Clock,
    stream: bytes,  # noqa: F811
) -> None:
    broadcast = make(tmp_path, clock)
    broadcast.stop_recording("There is no room.")
    broadcast.record()
    broadcast.take(0, stream)
    broadcast.fails("Something else.")
    assert broadcast.health()["trouble"] == "There is no room. Something else."
    assert broadcast.state == "live"
