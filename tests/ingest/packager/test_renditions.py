"""Renditions of one picture: one list names them, and each says how far the others are."""

from __future__ import annotations

import pytest

from ingest.packager.master import HOLD_SECONDS, Master
from ingest.packager.renditions import Renditions
from tests.ingest.packager.kit import Shelf
from tests.ingest.packager.streams import pieces
from tests.kit import Clock


@pytest.fixture
def renditions(shelf: Shelf) -> Renditions:
    return Renditions(shelf, heights=(480, 240), report=lambda words: None)


def send(renditions: Renditions, stream: bytes, *indexes: int) -> None:
    for piece in pieces(stream):
        for index in indexes:
            renditions.feed(index, piece)


def test_each_has_files_of_its_own_and_one_list_names_them(renditions: Renditions, shelf: Shelf, stream: bytes) -> None:
    renditions.begin([480, 240], again=False)
    send(renditions, stream, 0, 1, 2)
    master = shelf.files["master.m3u8"].decode()
    assert [line for line in master.splitlines() if not line.startswith("#")] == [
        "live.m3u8",
        "480p-live.m3u8",
        "240p-live.m3u8",
    ]
    names = shelf.files.keys()
    for prefix in ("", "480p-", "240p-"):
        text = shelf.files[f"{prefix}live.m3u8"].decode()
        listed = [line for line in text.splitlines() if line.endswith(".m4s")]
        assert listed
        assert all(name.startswith(prefix) and name in names for name in listed)
        assert prefix or not any("p-" in name for name in listed)


def test_each_says_how_far_the_others_are(renditions: Renditions, shelf: Shelf, stream: bytes) -> None:
    renditions.begin([480], again=False)
    send(renditions, stream, 0, 1)
    *_, report = shelf.live.splitlines()
    small = shelf.files["480p-live.m3u8"].decode()
    last = small.count("#EXTINF")
    assert report.startswith(f'#EXT-X-RENDITION-REPORT:URI="480p-live.m3u8",LAST-MSN={last}')
    assert '#EXT-X-RENDITION-REPORT:URI="live.m3u8",LAST-MSN=' in small
    renditions.end()
    assert "RENDITION-REPORT" not in shelf.live


def test_only_the_picture_as_it_came_is_recorded(shelf: Shelf, stream: bytes) -> None:
    renditions = Renditions(shelf, heights=(480,), recording=True, report=lambda words: None)
    renditions.begin([480], again=False)
    send(renditions, stream, 0, 1)
    renditions.end()
    assert "replay.m3u8" in shelf.files
    assert "480p-replay.m3u8" not in shelf.files


def test_an_encoder_with_a_small_picture_has_fewer(renditions: Renditions, shelf: Shelf, stream: bytes) -> None:
    """A player that begins now must not choose what nobody makes any more."""
    renditions.begin([480, 240], again=False)
    send(renditions, stream, 0, 1, 2)
    renditions.begin([240], again=True)
    send(renditions, stream, 0, 1)
    assert "480p" not in shelf.files["master.m3u8"].decode()
    assert "#EXT-X-DISCONTINUITY\n" in shelf.files["240p-live.m3u8"].decode()


def test_another_process_goes_on_with_each(renditions: Renditions, shelf: Shelf, stream: bytes) -> None:
    renditions.begin([480], again=False)
    send(renditions, stream, 0, 1)
    before = set(shelf.files)
    later = Renditions(shelf, heights=(480,), report=lambda words: None)
    later.begin([480], again=True)
    send(later, stream, 0, 1)
    assert before <= set(shelf.files)
    assert "#EXT-X-DISCONTINUITY\n" in shelf.files["480p-live.m3u8"].decode()


def test_the_list_waits_a_moment_for_all_of_them(shelf: Shelf) -> None:
    clock = Clock()
    master = Master(shelf, clock)
    master.expect(("live.m3u8", "480p-live.m3u8"))
    master.put("live.m3u8", "#one\n")
    assert "master.m3u8" not in shelf.files
    clock.advance(seconds=HOLD_SECONDS)
    master.put("live.m3u8", "#one\n")
    assert "480p" not in shelf.files["master.m3u8"].decode()
    master.put("480p-live.m3u8", "#two\n")
    assert shelf.files["master.m3u8"].decode().endswith("#one\nlive.m3u8\n#two\n480p-live.m3u8\n")
