"""Recordings: what a broadcaster can do with them, and how long they stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.videos.acts import Stage
from videos import broadcasts, incoming
from videos.captions import captions_of, set_captions
from videos.cleaning import clear_pictures, clear_recordings
from videos.keys import key_of
from videos.models import Video
from videos.recorded import read_recorded
from videos.recordings import check_download, delete_recording, recording_of, trim_recording
from web.refusals import Conflict, Forbidden, Invalid, NotFound

BEGAN_MS = 1_790_000_000_000
SEGMENT = """#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:{second:02}.000Z
#EXTINF:2.00000,
{name}
"""
HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n"


def listed() -> str:
    """Two encoders, three segments each."""
    parts = [HEAD]
    for number in range(6):
        if number % 3 == 0:
            parts.append("#EXT-X-DISCONTINUITY\n" if number else "")
            parts.append(f'#EXT-X-MAP:URI="179000000000{number}-init.mp4"\n')
        name = f"179000000000{number // 3 * 3}-{number}.m4s"
        parts.append(SEGMENT.format(second=20 + 2 * number, name=name))
    return "".join([*parts, "#EXT-X-ENDLIST\n"])


@pytest.fixture
def folder(stage: Stage, settings: Any, tmp_path: Path) -> Path:
    """The folder of a video that has ended, with its recording."""
    settings.MEDIA_ROOT = tmp_path
    found = incoming.find(key_of(stage.owner))
    broadcasts.start_video(stage.video.id, stage.owner)
    incoming.finish(found, has_recording=True)
    folder = tmp_path / str(stage.video.id)
    folder.mkdir()
    (folder / "replay.m3u8").write_text(listed())
    for name in read_recorded(listed()).files:
        (folder / name).write_bytes(b"x" * 100)
    for name in ("live.m3u8", "1790000000000_7.m4s", "poster.jpg"):
        (folder / name).write_bytes(b"x")
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def ended(stage: Stage, *, days_ago: float) -> None:
    Video.objects.filter(id=stage.video.id).update(ended_at=timezone.now() - timedelta(days=days_ago))


def test_a_list_is_read_and_written_as_it_was() -> None:
    found = read_recorded(listed())
    assert found.text() == listed()
    assert (found.seconds, len(found.files)) == (12.0, 8)


def test_its_broadcaster_reads_how_much_there_is(stage: Stage, folder: Path) -> None:
    found = recording_of(stage.video.id, stage.owner)
    assert (found.ready, found.seconds, found.bytes) == (True, 12.0, 800)
    assert (found.from_ms, found.to_ms) == (BEGAN_MS, BEGAN_MS + 12_000)
    with pytest.raises(Forbidden):
        recording_of(stage.video.id, stage.viewers[0])
    (folder / "replay.m3u8").unlink()
    assert not recording_of(stage.video.id, stage.owner).ready


def test_a_deleted_recording_leaves_no_file(stage: Stage, folder: Path) -> None:
    with pytest.raises(Forbidden):
        delete_recording(stage.video.id, stage.viewers[0])
    delete_recording(stage.video.id, stage.owner)
    assert names(folder) == {"poster.jpg"}
    assert stage.newest()[1]["video"]["playlist"] == ""
    with pytest.raises(NotFound):
        delete_recording(stage.video.id, stage.owner)


def test_whole_segments_are_trimmed_and_deleted(stage: Stage, folder: Path) -> None:
    trim_recording(stage.video.id, stage.owner, from_ms=BEGAN_MS + 3_000, to_ms=BEGAN_MS + 8_000)
    text = (folder / "replay.m3u8").read_text()
    assert [line for line in text.splitlines() if line.endswith(".m4s")] == [
        *("1790000000000-1.m4s", "1790000000000-2.m4s", "1790000000003-3.m4s"),
    ]
    assert text.startswith(f'{HEAD}#EXT-X-MAP:URI="1790000000000-init.mp4"\n#EXT-X-PROGRAM')
    assert text.endswith("#EXT-X-ENDLIST\n")
    assert names(folder) == {*read_recorded(text).files, "replay.m3u8", "poster.jpg"}
    assert recording_of(stage.video.id, stage.owner).seconds == 6.0
    trim_recording(stage.video.id, stage.owner, from_ms=BEGAN_MS + 6_000, to_ms=BEGAN_MS + 7_000)
    assert "#EXT-X-DISCONTINUITY" not in (folder / "replay.m3u8").read_text()


def test_captions_move_when_the_start_is_trimmed(stage: Stage, folder: Path) -> None:
    """They stayed where they were: each was shown as much too late as had been cut off."""
    set_captions(stage.video.id, stage.owner, "en", "00:01.000 --> 00:02.000\nOne\n\n00:05.000 --> 00:06.000\nTwo")
    trim_recording(stage.video.id, stage.owner, from_ms=BEGAN_MS + 4_500, to_ms=BEGAN_MS + 12_000)
    assert captions_of(stage.video.id, stage.owner, "en") == "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nTwo\n"


@pytest.mark.parametrize(("start", "end"), [(-9, -1), (12_000, 90_000), (5_000, 5_000), (8_000, 2_000)])
def test_something_must_be_left(stage: Stage, folder: Path, start: int, end: int) -> None:
    before = names(folder)
    with pytest.raises(Invalid, match="Nothing of the recording"):
        trim_recording(stage.video.id, stage.owner, from_ms=BEGAN_MS + start, to_ms=BEGAN_MS + end)
    assert names(folder) == before


def test_a_recording_that_another_video_shows_stays(stage: Stage, folder: Path) -> None:
    broadcasts.create_video(stage.owner, title="Again", playlist=f"/media/{stage.video.id}/replay.m3u8")
    with pytest.raises(Conflict, match="Another video"):
        delete_recording(stage.video.id, stage.owner)


def test_nothing_is_trimmed_before_the_end(stage: Stage) -> None:
    broadcasts.start_video(stage.video.id, stage.owner)
    with pytest.raises(Conflict, match="End it first"):
        trim_recording(stage.video.id, stage.owner, from_ms=0, to_ms=BEGAN_MS)


def test_recordings_stay_as_long_as_the_setting_says(stage: Stage, folder: Path, settings: Any) -> None:
    ended(stage, days_ago=400)
    before = names(folder)
    settings.LIVE_KEEP_SEGMENTS_HOURS = 0
    assert (clear_pictures(), clear_recordings(), names(folder)) == (0, 0, before)
    settings.LIVE_RECORDINGS_DAYS = 401
    assert clear_recordings() == 0
    settings.LIVE_RECORDINGS_DAYS = 399
    assert clear_recordings() == 1
    assert names(folder) == {"poster.jpg"}
    assert stage.newest()[1]["video"]["playlist"] == ""
    assert clear_recordings() == 0


def test_what_the_ingest_has_still_to_record_stays(stage: Stage, folder: Path, settings: Any) -> None:
    """The ingest was away when the video ended, and the next one makes the recording."""
    settings.LIVE_KEEP_SEGMENTS_HOURS = 0
    ended(stage, days_ago=2)
    Video.objects.filter(id=stage.video.id).update(playlist=f"/media/{stage.video.id}/live.m3u8")
    (folder / "live-delta.m3u8").write_bytes(b"x")
    assert clear_pictures() == 0
    (folder / "live-delta.m3u8").unlink()
    assert clear_pictures() > 0


def test_a_recording_as_one_file_is_shown_until_it_changes(stage: Stage, folder: Path, settings: Any) -> None:
    check_download(stage.video.id, stage.owner)
    settings.LIVE_RESERVE_MB = 100_000_000
    with pytest.raises(Conflict, match="no room"):
        check_download(stage.video.id, stage.owner)
    with pytest.raises(Forbidden):
        check_download(stage.video.id, stage.viewers[0])
    (folder / "recording.mp4").write_bytes(b"x")
    path = f"/media/{stage.video.id}/recording.mp4"
    assert recording_of(stage.video.id, stage.owner).download == path
    trim_recording(stage.video.id, stage.owner, from_ms=BEGAN_MS, to_ms=BEGAN_MS + 4_000)
    assert recording_of(stage.video.id, stage.owner).download == ""
    delete_recording(stage.video.id, stage.owner)
    with pytest.raises(NotFound):
        check_download(stage.video.id, stage.owner)
