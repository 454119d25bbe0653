"""Real encoders: what ffmpeg sends comes out as the file that ffmpeg itself would have written."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.rtmp import server as rtmp
from ingest.rtmp.chunks import RtmpMessage
from ingest.rtmp.flv import FlvFile
from ingest.rtmp.session import PublishRequest, RtmpSession
from tests.ingest.rtmp.client import PATIENT
from tests.ingest.rtmp.conftest import WRONG, Place, Recording
from tests.ingest.rtmp.encoders import AAC, H264, PICTURE, SOUND, ffmpeg, frames, has_encoder, running_ffmpeg
from tests.kit import until

BOTH = (*PICTURE, *SOUND)
SECONDS = ("-t", "2")


async def send(place: Place, key: str, *options: str) -> Recording:
    done = await ffmpeg(*options, "-f", "flv", f"rtmp://127.0.0.1:{place.port}/live/{key}")
    assert (done.code, done.errors) == (0, "")
    found = await place.stream(key.partition("?")[0])
    assert await found.closed() == rtmp.ENDED
    return found


async def written(folder: Path, *options: str) -> bytes:
    """Return the file that ffmpeg writes by itself."""
    file = folder / "by-itself.flv"
    done = await ffmpeg(*options, "-f", "flv", str(file))
    assert (done.code, done.errors) == (0, "")
    return file.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((*BOTH, *SECONDS, *H264, *AAC), id="picture and sound"),
        pytest.param((*PICTURE, *SECONDS, *H264), id="picture alone"),
        pytest.param((*SOUND, *SECONDS, *AAC), id="sound alone"),
        pytest.param((*PICTURE, *SECONDS, *H264, "-bf", "3"), id="B-frames"),
        pytest.param((*BOTH, *SECONDS, *H264, *AAC, "-output_ts_offset", "16776"), id="timestamps beyond 24 bits"),
        pytest.param(
            (*PICTURE, "-vf", "setpts=N*N/20/TB", "-t", "3", "-fps_mode", "vfr", *H264), id="variable frame rate"
        ),
    ],
)
async def test_stream_comes_out_as_the_file_that_ffmpeg_writes(
    place: Place, tmp_path: Path, options: tuple[str, ...]
) -> None:
    found = await send(place, "key", *options)
    assert await frames(bytes(found.data)) == await frames(await written(tmp_path, *options))


@pytest.mark.parametrize(
    ("codec", "name", "options"),
    [
        ("libx265", "hvc1", ("-preset", "ultrafast", "-x265-params", "log-level=none:pools=1:frame-threads=1")),
        ("libsvtav1", "av01", ("-preset", "12", "-svtav1-params", "lp=1")),
    ],
)
async def test_codecs_of_enhanced_rtmp_pass_untouched(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, name: str, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("SVT_LOG", "1")  # it talks else
    await has_encoder(codec)
    arguments = (*BOTH, *SECONDS, "-c:v", codec, *options, *AAC)
    found = await send(place, "key", *arguments)
    assert found.publish.health.read().video_codec == name
    assert await frames(bytes(found.data)) == await frames(await written(tmp_path, *arguments))


async def test_many_encoders_share_one_port(place: Place) -> None:
    keys = ["one", "two?token=x", "three", "four"]
    found = await asyncio.gather(*(send(place, key, *BOTH, *SECONDS, *H264, *AAC) for key in keys))
    for stream in found:
        assert len(await frames(bytes(stream.data))) > 20
        health = stream.publish.health.read()
        assert (health.video_codec, health.audio_codec) == ("avc1", "mp4a")
        assert (health.width, health.height, health.timestamp_jumps) == (160, 120, 0)


@pytest.mark.parametrize(("path", "words"), [("live/wrong", WRONG), ("live", rtmp.NO_KEY), ("live/wrong?key", WRONG)])
async def test_refused_encoder_stops_and_shows_why(place: Place, path: str, words: str) -> None:
    done = await ffmpeg(*PICTURE, *SECONDS, *H264, "-f", "flv", f"rtmp://127.0.0.1:{place.port}/{path}")
    assert done.code != 0
    assert words in done.errors
    assert place.streams == {}


async def test_encoder_that_is_cut_shows_why(place: Place) -> None:
    endless = (*("-re",), *PICTURE, *H264, "-f", "flv", f"rtmp://127.0.0.1:{place.port}/live/key")
    async with running_ffmpeg(*endless) as process:
        found = await place.stream("key")
        await until(lambda: len(found.data) > 5_000)
        found.publish.cut("Another encoder has the key now.")
        _, errors = await process.communicate()
    assert process.returncode != 0
    assert "Another encoder has the key now." in errors.decode()


async def test_killed_encoder_is_noticed_and_what_it_sent_can_be_played(place: Place) -> None:
    endless = (*("-re",), *BOTH, *H264, *AAC, "-f", "flv", f"rtmp://127.0.0.1:{place.port}/live/key")
    async with running_ffmpeg(*endless) as process:
        found = await place.stream("key")
        await until(lambda: len(found.data) > 20_000)
        process.kill()
        assert await found.closed() == rtmp.GONE
    assert await frames(bytes(found.data)) != []


@pytest.fixture(scope="module")
def session_bytes() -> bytes:
    """All that an encoder sent in one short stream."""
    received = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = RtmpSession(message_max_bytes=1_000_000)
        while data := await reader.read(65_536):
            received.extend(data)
            for event in session.receive(data):
                if isinstance(event, PublishRequest):
                    session.accept()
            writer.write(bytes(session.outgoing))
            session.outgoing.clear()
        writer.close()

    async def record() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            await ffmpeg(*BOTH, "-t", "1", *H264, *AAC, "-f", "flv", f"rtmp://127.0.0.1:{port}/live/key")

    asyncio.run(record())
    return bytes(received)


def flv_of(pieces: list[bytes]) -> bytes:
    session, file, out = RtmpSession(message_max_bytes=1_000_000), FlvFile(), bytearray()
    for piece in pieces:
        for event in session.receive(piece):
            if isinstance(event, PublishRequest):
                session.accept()
            elif isinstance(event, RtmpMessage):
                out += b"".join(file.pieces(event))
    return bytes(out)


@PATIENT
@given(cuts=st.sets(st.integers(0, 1_000_000), max_size=200))
def test_however_the_network_cuts_it_the_stream_is_the_same(session_bytes: bytes, cuts: set[int]) -> None:
    edges = [0, *sorted(cut % len(session_bytes) for cut in cuts), len(session_bytes)]
    pieces = [session_bytes[start:end] for start, end in itertools.pairwise(edges)]
    assert flv_of(pieces) == flv_of([session_bytes])


def test_stream_that_comes_byte_by_byte_is_the_same(session_bytes: bytes) -> None:
    assert flv_of([bytes([byte]) for byte in session_bytes]) == flv_of([session_bytes])
    assert len(flv_of([session_bytes])) > 1_000
