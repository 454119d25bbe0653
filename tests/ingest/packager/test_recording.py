"""What stays of a broadcast, for how long, and that players can play it: ffmpeg is the player."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.packager import Durations
from tests.ingest.packager.kit import Broadcast, Shelf
from tests.ingest.packager.rules import check, parse
from tests.ingest.packager.streams import ffmpeg, frames, pieces
from web.store import Folder, StoreFull

SHORT = Durations(window=12)


@pytest.fixture
def recorded(shelf: Shelf) -> Broadcast:
    return Broadcast(shelf, recording=True, durations=SHORT)


def replay(shelf: Shelf) -> list[str]:
    return [segment.name for segment in parse(shelf.files["replay.m3u8"].decode()).whole]


def test_a_player_plays_the_replay_from_the_first_frame_to_the_last(tmp_path: Path, stream: bytes) -> None:
    broadcast = Broadcast(Folder(tmp_path), recording=True)
    broadcast.send(stream)
    broadcast.packager.discontinue()
    broadcast.send(stream)
    broadcast.packager.end()
    assert frames(tmp_path / "replay.m3u8") == 2 * 8 * 30
    assert frames(tmp_path / "live.m3u8") == 2 * 8 * 30
    ffmpeg("-i", str(tmp_path / "replay.m3u8"), "-f", "null", "-")


def test_a_player_plays_the_broadcast_while_it_goes_on(tmp_path: Path, stream: bytes) -> None:
    Broadcast(Folder(tmp_path)).send(stream)
    assert frames(tmp_path / "master.m3u8", options=("-live_start_index", "0", "-t", "5")) == 5 * 30


def test_a_replay_is_a_whole_list(recorded: Broadcast, shelf: Shelf, stream: bytes) -> None:
    recorded.send(stream)
    recorded.packager.end()
    text = shelf.files["replay.m3u8"].decode()
    assert "#EXT-X-PLAYLIST-TYPE:VOD\n" in text
    assert text.endswith("#EXT-X-ENDLIST\n")
    found = parse(text)
    assert all(round(one.seconds) <= int(found.tags["#EXT-X-TARGETDURATION"]) for one in found.whole)
    assert all(one.init in shelf.files and one.name in shelf.files and one.date for one in found.whole)


def test_a_recording_keeps_what_the_window_lost(recorded: Broadcast, shelf: Shelf, stream: bytes) -> None:
    for _ in range(6):
        recorded.send(stream)
    recorded.packager.end()
    assert sum(one.seconds for one in parse(shelf.files["replay.m3u8"].decode()).whole) == pytest.approx(48, abs=0.2)
    assert set(replay(shelf)) <= shelf.files.keys()
    assert "recording.m3u8" not in shelf.files


def test_a_recording_goes_on_after_a_crash_at_any_moment(recorded: Broadcast, shelf: Shelf, stream: bytes) -> None:
    for _ in range(6):
        recorded.send(stream)
        recorded.restart()
    recorded.packager.end()
    assert sum(one.seconds for one in parse(shelf.files["replay.m3u8"].decode()).whole) == pytest.approx(48, abs=0.2)
    assert len(set(replay(shelf))) == len(replay(shelf))


def test_a_broadcast_that_goes_on_after_its_end_has_one_replay(
    recorded: Broadcast, shelf: Shelf, stream: bytes
) -> None:
    for _ in range(3):
        recorded.send(stream)
        recorded.packager.end()
        recorded.restart()
    assert sum(one.seconds for one in parse(shelf.files["replay.m3u8"].decode()).whole) == pytest.approx(24, abs=0.2)


def test_a_recording_that_stops_keeps_what_it_has(recorded: Broadcast, shelf: Shelf, stream: bytes) -> None:
    recorded.send(stream)
    recorded.packager.stop_recording()
    for _ in range(6):
        recorded.send(stream)
    recorded.packager.end()
    recorded.packager.sweep()
    assert sum(one.seconds for one in parse(shelf.files["replay.m3u8"].decode()).whole) == pytest.approx(6, abs=0.2)
    listed = {one.name for one in check(shelf.live).whole} | {*replay(shelf)}
    assert {name for name in shelf.files if name.endswith(".m4s")} == listed


def test_without_a_recording_there_is_no_replay(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    broadcast.send(stream)
    broadcast.packager.end()
    assert not {"replay.m3u8", "recording.m3u8"} & shelf.files.keys()


def test_nothing_came_and_nothing_is_written(recorded: Broadcast, shelf: Shelf) -> None:
    recorded.packager.discontinue()
    recorded.packager.end()
    recorded.packager.sweep()
    assert shelf.files == {}


def test_files_stay_as_long_as_players_may_ask_for_them(shelf: Shelf, stream: bytes) -> None:
    """A segment stays for its duration and that of the playlist after it has left it, a part for three target
    durations; then they go, with the heads that they need.
    """
    broadcast = Broadcast(shelf, durations=SHORT)
    for _ in range(10):
        broadcast.send(stream)
    names: dict[str, float] = {}
    for number, text in enumerate(shelf.lists):
        for one in parse(text).segments:
            names.update(dict.fromkeys((one.name, one.init), 0.2 * (len(shelf.lists) - number)))
            names.update(dict.fromkeys((part["URI"] for part in one.parts), 0.2 * (len(shelf.lists) - number)))
    names.pop("")
    for name, ago in names.items():
        stays = 12 if "_" in name else 14
        assert name in shelf.files or ago >= stays
        assert name not in shelf.files or ago <= stays + 4
    assert not shelf.files.keys() - names.keys() - {"live.m3u8", "live-delta.m3u8", "master.m3u8"}


def test_a_restart_deletes_what_nobody_lists(shelf: Shelf, stream: bytes) -> None:
    broadcast = Broadcast(shelf, durations=SHORT)
    for name in ("1700000000000-4.m4s", "1700000000000_7.m4s", "1700000000000-init.mp4", "poster.jpg"):
        shelf.write(name, b"old")
    broadcast.restart()
    for _ in range(3):
        broadcast.send(stream)
    assert [name for name, data in shelf.files.items() if data == b"old"] == ["poster.jpg"]


def test_a_broadcast_goes_on_after_its_end(recorded: Broadcast, shelf: Shelf, stream: bytes) -> None:
    """Both lists go on, and say that there is a break. Also where the live one has been deleted, as by a trim."""
    recorded.send(stream)
    recorded.packager.end()
    first = replay(shelf)
    for is_trimmed in (False, True):
        before = shelf.files["replay.m3u8"].decode()
        if is_trimmed:
            del shelf.files["live.m3u8"]
        recorded.now += 600
        recorded.restart()
        recorded.send(stream)
        assert "#EXT-X-ENDLIST" not in shelf.live
        recorded.packager.end()
        after = shelf.files["replay.m3u8"].decode()
        assert after.startswith(before.replace("#EXT-X-ENDLIST\n", "#EXT-X-DISCONTINUITY\n"))
    assert replay(shelf)[: len(first)] == first
    assert len(set(replay(shelf))) == len(replay(shelf))


def test_a_live_playlist_that_cannot_be_read_is_begun_again(shelf: Shelf, stream: bytes) -> None:
    shelf.write("live.m3u8", b"not a playlist")
    Broadcast(shelf).send(stream)
    check(shelf.live)


def test_a_full_disk_costs_what_did_not_fit_and_nothing_else(recorded: Broadcast, shelf: Shelf, stream: bytes) -> None:
    """The caller stops the recording; when there is room again, the broadcast goes on after a discontinuity."""
    cut = pieces(stream)
    refused = 0
    for number, piece in enumerate(cut):
        shelf.room = 0 if 15 < number < 25 else float("inf")
        recorded.now += 0.2
        try:
            recorded.packager.feed(piece)
        except StoreFull:
            refused += 1
            recorded.packager.stop_recording()
    recorded.packager.end()
    assert refused == 9
    last = check(shelf.live)
    assert {one.discontinuity for one in last.segments} == {0, 1}
    assert sum(one.seconds for one in last.whole) == pytest.approx(8 - 9 * 0.2, abs=0.05)
    assert all(one.name in shelf.files for one in last.whole)
    assert replay(shelf) == [one.name for one in last.whole][:2]
