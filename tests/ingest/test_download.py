"""A recording as one file: ffmpeg makes it, and ffmpeg reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.download import make_download
from tests.ingest.packager.conftest import stream  # noqa: F401  (a fixture)
from tests.ingest.packager.kit import Broadcast
from tests.ingest.packager.streams import FRAGMENTS, X264, ffmpeg, frames
from web.store import Folder


@pytest.fixture
def recorded(tmp_path: Path, stream: bytes) -> Path:  # noqa: F811
    """Two encoders, one after the other."""
    broadcast = Broadcast(Folder(tmp_path), recording=True)
    broadcast.send(stream)
    broadcast.packager.discontinue()
    broadcast.send(stream)
    broadcast.packager.end()
    return tmp_path


async def test_all_of_it_is_in_one_file_with_its_index_at_the_front(recorded: Path) -> None:
    assert await make_download(recorded, None, playlist="replay.m3u8", name="recording.mp4")
    data = (recorded / "recording.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert frames(recorded / "recording.mp4") == 2 * 8 * 30
    assert not (recorded / "download.tmp").exists()
    lines = ffmpeg("-i", str(recorded / "recording.mp4"), "-map", "0:v", "-c", "copy", "-f", "framecrc", "-").decode()
    times = [int(line.split(",")[1]) for line in lines.splitlines() if not line.startswith("#")]
    assert times == sorted(set(times))


async def test_a_picture_that_changed_its_size_is_whole_in_the_file(tmp_path: Path) -> None:
    """The file has one head, that of the first encoder. How to decode the others stands before their keyframes."""
    broadcast = Broadcast(Folder(tmp_path), recording=True)
    for size in ("160x90", "320x180"):
        source = ("-f", "lavfi", "-i", f"testsrc=size={size}:rate=30", *X264, "-g", "60")
        broadcast.send(ffmpeg(*source, "-t", "4", *FRAGMENTS))
        broadcast.packager.discontinue()
    broadcast.packager.end()
    assert await make_download(tmp_path, None, playlist="replay.m3u8", name="recording.mp4")
    for second, pixels in ((1, 160 * 90), (6, 320 * 180)):
        shown = ("-ss", str(second), "-i", str(tmp_path / "recording.mp4"), "-frames:v", "1", "-pix_fmt", "gray")
        assert len(ffmpeg(*shown, "-f", "rawvideo", "-")) == pixels


async def test_a_recording_that_cannot_be_read_makes_none(recorded: Path) -> None:
    for path in recorded.glob("*-init.mp4"):
        path.write_bytes(b"no picture")
    assert not await make_download(recorded, None, playlist="replay.m3u8", name="recording.mp4")
    (recorded / "replay.m3u8").unlink()
    assert not await make_download(recorded, None, playlist="replay.m3u8", name="recording.mp4")
    assert not (recorded / "recording.mp4").exists()
