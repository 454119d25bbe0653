"""What encoders should not send, and do: a real ffmpeg packages it, and all that was shown can be decoded.

No site: the RTMP server, a broadcast and a folder. Streams are sent faster than they were filmed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.broadcast import FULL, HELD_SECONDS, Broadcast, EncoderSink
from ingest.packager.renditions import Renditions
from ingest.rtmp.publish import Publish
from ingest.rtmp.server import RtmpLimits, RtmpServer
from tests.ingest.booth import SECONDS, Tag, endless, filmed, make_film, sending
from tests.ingest.rtmp.client import AUDIO, SEQUENCE, VIDEO
from tests.ingest.rtmp.encoders import AAC, H264, PICTURE, SOUND, ffmpeg
from tests.kit import until
from web.store import Folder


@pytest.fixture(scope="module")
def film() -> list[Tag]:
    return asyncio.run(make_film())


@dataclass
class Booth:
    """A server for the pictures of one broadcast."""

    folder: Path
    broadcast: Broadcast
    port: int

    async def send(self, stream: Iterable[Tag], *, pause_seconds: float = 0.0) -> None:
        """Send it as fast as it is taken, to its last fragment."""
        async with self.sending(stream, pause_seconds=pause_seconds):
            pass

    @contextlib.asynccontextmanager
    async def sending(
        self, stream: Iterable[Tag], *, pause_seconds: float = 0.0
    ) -> AsyncIterator[asyncio.StreamReader]:
        """Have sent it; the encoder leaves at the end of the block."""
        async with sending(
            self.port, stream, key="key", is_taken=lambda: self.broadcast.key != "", pause_seconds=pause_seconds
        ) as reader:
            yield reader
        await self.broadcast.wait_closed()

    def is_taken(self) -> bool:
        return self.broadcast.key != ""

    def text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    async def shown(self) -> list[list[str]]:
        """Decode what players get between two discontinuities: a line for each frame. Errors fail the test."""
        await self.broadcast.end()
        runs, init = [], ""
        for run in self.text("live.m3u8").split("#EXT-X-DISCONTINUITY\n"):
            init = (re.findall(r'MAP:URI="([^"]+)"', run) or [init])[0]
            names = re.findall(r"^([^#\s]\S*)$", run, re.MULTILINE)
            data = b"".join((self.folder / name).read_bytes() for name in (init, *names))
            done = await ffmpeg("-i", "pipe:0", "-fps_mode", "passthrough", "-f", "framecrc", "-", data=data)
            assert (done.code, done.errors) == (0, "")
            runs.append([line for line in done.output.decode().splitlines() if not line.startswith("#")])
        return runs


@contextlib.asynccontextmanager
async def open_booth(folder: Path, *, limits: RtmpLimits | None = None) -> AsyncIterator[Booth]:
    packager = Renditions(Folder(folder), report=lambda words: broadcast.fails(words))
    broadcast = Broadcast("a video", packager, end_after_seconds=600)
    broadcast.record()

    async def admit(publish: Publish) -> EncoderSink:
        return await broadcast.attach(publish)

    server = RtmpServer(admit, network_of=lambda address: address, limits=limits)
    try:
        yield Booth(folder, broadcast, await server.start("127.0.0.1", 0))
    finally:
        await server.aclose()


@pytest.fixture
async def booth(tmp_path: Path) -> AsyncIterator[Booth]:
    async with open_booth(tmp_path) as found:
        yield found


ALONE = ["no sound", "no picture"]


def pictures(run: list[str]) -> int:
    return sum(line.startswith("0,") for line in run)


@pytest.mark.parametrize(
    "options", [(*PICTURE, "-t", "6", *H264), (*SOUND, "-t", "2", *AAC)], ids=["no sound", "no picture"]
)
async def test_one_track_is_enough(booth: Booth, options: tuple[str, ...]) -> None:
    # Slowly, because it is the second track that is waited for.
    await booth.send(await filmed(*options), pause_seconds=HELD_SECONDS / 40)
    [run] = await booth.shown()
    assert len(run) >= 60


@pytest.mark.parametrize(
    ("options", "trouble"),
    [(("-bf", "3", "-g", "20"), ""), (("-g", "100"), "Keyframes come more than 4 s apart")],
    ids=["B-frames", "10 s between keyframes"],
)
async def test_each_frame_is_shown(booth: Booth, options: tuple[str, ...], trouble: str) -> None:
    async with booth.sending(await filmed(*PICTURE, *SOUND, "-t", "12", *H264, *options, *AAC)):
        await until(lambda: booth.text("live.m3u8").count("#EXTINF") >= 3)
        assert booth.broadcast.trouble.startswith(trouble)
    [run] = await booth.shown()
    assert pictures(run) == 120


def later(by_ms: int, *kinds: int) -> Callable[[Tag], Tag]:
    """Move what comes after the third second."""
    return lambda tag: (tag[0], tag[1] + (by_ms if tag[1] > 3_000 and tag[0] in kinds else 0), tag[2])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(later(30_000, AUDIO, VIDEO), id="all jumps forward"),
        pytest.param(later(-3_000, AUDIO, VIDEO), id="all begins again"),
        pytest.param(later(30_000, VIDEO), id="the picture jumps forward"),
        pytest.param(later(-2_000, VIDEO), id="the picture goes back"),
        pytest.param(later(-2_000, AUDIO), id="the sound goes back"),
        pytest.param(later(3_000_000_000, AUDIO, VIDEO), id="far"),
    ],
)
async def test_times_that_jump_lose_no_frame(booth: Booth, film: list[Tag], change: Callable[[Tag], Tag]) -> None:
    """What went back stood still for as long, and then came at once: ffmpeg puts frames of the past in one instant."""
    await booth.send([change(tag) for tag in film])
    [run] = await booth.shown()
    assert pictures(run) == 60
    times = [int(line.split(",")[2]) for line in run if line.startswith("0,")]
    assert {after - before for before, after in itertools.pairwise(times)} == {times[1] - times[0]}


async def test_times_without_any_order_are_taken(booth: Booth, film: list[Tag]) -> None:
    await booth.send([(kind, time * 7919 % 100_000, payload) for kind, time, payload in film])
    assert sum(map(pictures, await booth.shown())) == 60


async def test_a_picture_that_changes_its_size_goes_on(booth: Booth, film: list[Tag]) -> None:
    """The second half was decoded with the head of the first: nothing but wrong blocks."""
    larger = await filmed("-f", "lavfi", "-i", "testsrc=s=320x240:r=10", *SOUND, *SECONDS, *H264, *AAC)
    await booth.send([*film, *((kind, time + 6_050, payload) for kind, time, payload in larger)])
    before, after = await booth.shown()
    assert (pictures(before), pictures(after)) == (60, 60)


async def test_a_picture_that_changes_without_end_is_refused_in_words(booth: Booth, film: list[Tag]) -> None:
    """Each change costs an ffmpeg."""
    heads = [(VIDEO, 0, SEQUENCE + bytes([number])) for number in range(20)]
    frames = [tag for tag in film if tag[0] == VIDEO][2:]
    stream = [*film[:5], *(tag for pair in zip(heads, frames, strict=False) for tag in pair)]
    async with booth.sending(stream) as reader:
        said = await reader.read()
    assert b"begun anew ten times within a minute" in said


async def test_more_than_is_taken_is_refused_in_words(tmp_path: Path, film: list[Tag]) -> None:
    async with open_booth(tmp_path, limits=RtmpLimits(max_bits_per_second=50_000)) as booth:
        async with booth.sending(film) as reader:
            said = await reader.read()
        assert b"more than 0.05 Mbit/s, which is the most that is taken here" in said
        await until(lambda: "more than 0.05 Mbit/s" in booth.broadcast.trouble)
        assert booth.broadcast.key == ""


async def test_what_is_no_picture_is_passed_over(booth: Booth, film: list[Tag]) -> None:
    noise = [(kind, time, payload[:5] + os.urandom(len(payload) - 5)) for kind, time, payload in film[40:]]
    await booth.send([*film[:40], *noise])
    await booth.send(film)
    assert booth.broadcast.key == ""
    assert "#EXT-X-DISCONTINUITY" in booth.text("live.m3u8")


def encoders() -> list[int]:
    """Return the ffmpegs that this process runs."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [int(id) for id in found if b"frag_keyframe" in Path(f"/proc/{id}/cmdline").read_bytes()]


async def test_ffmpeg_that_is_killed_is_started_again(booth: Booth, film: list[Tag]) -> None:
    sending = asyncio.create_task(
        booth.send(endless(film, lambda: "#EXT-X-DISCONTINUITY\n" in booth.text("live.m3u8")), pause_seconds=0.001)
    )
    await until(lambda: "#EXTINF" in booth.text("live.m3u8"))
    [ffmpeg_id] = encoders()
    os.kill(ffmpeg_id, signal.SIGKILL)
    await sending
    before, after = await booth.shown()
    assert pictures(before) and pictures(after)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for some seconds."""
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", tmp_path]).returncode:
        pytest.skip("a disk of its own cannot be mounted here")
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


async def test_a_full_disk_stops_the_recording_and_not_the_picture(tiny_disk: Path, film: list[Tag]) -> None:
    """The live window becomes as short as it must be, and the recording has what came until then."""
    async with open_booth(tiny_disk) as booth:
        await booth.send(film)
        recorded = re.findall(r"^(\d+-\d+\.m4s)$", booth.text("live.m3u8"), re.MULTILINE)
        await booth.send(endless(film, lambda: recorded[-1] not in booth.text("live.m3u8")))
        assert booth.broadcast.state == "live"
        assert booth.broadcast.health()["trouble"].startswith(FULL)
        assert sum(map(pictures, await booth.shown())) > 0
        assert set(recorded) <= set(re.findall(r"^(\d+-\d+\.m4s)$", booth.text("replay.m3u8"), re.MULTILINE))


async def test_a_folder_that_is_deleted_ends_the_picture_in_words(booth: Booth, film: list[Tag]) -> None:
    """So it is when a video is deleted. The task that reads from ffmpeg failed, and all that waited for it hung."""
    sending = asyncio.create_task(booth.send(endless(film, lambda: booth.broadcast.trouble != "")))
    await until(lambda: "#EXTINF" in booth.text("live.m3u8"))
    shutil.rmtree(booth.folder)
    await sending
    assert booth.broadcast.trouble == "The site cannot write the picture: No such file or directory."
    await booth.broadcast.end()
    assert not booth.folder.exists()
