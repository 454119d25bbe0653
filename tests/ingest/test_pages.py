"""What nodes pass on from browsers: the ingest's side of it, as far as RTMP."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ingest import feeder, pages
from ingest.pages import PageServer
from tests.ingest.recorded import FRAMES, VP8, recorded
from tests.ingest.rtmp.conftest import WRONG, Place
from tests.ingest.rtmp.conftest import place as place  # a fixture
from tests.ingest.rtmp.encoders import H264, frames
from tests.kit import HANG_SECONDS, until


class Node:
    """A node's end of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with contextlib.suppress(OSError):
            await self.writer.drain()

    async def says(self) -> dict[str, Any]:
        """Return the next line; nothing at the end."""
        line = await self.reader.readline()
        return json.loads(line) if line else {}

    async def last(self) -> dict[str, Any]:
        while "taken" in (said := await self.says()):
            pass
        return said


@pytest.fixture
async def node(place: Place) -> AsyncIterator[Node]:
    server = PageServer(rtmp_host="127.0.0.1", rtmp_port=place.port)
    port = await server.start("127.0.0.1", 0)
    async with asyncio.timeout(HANG_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Node(reader, writer)
        finally:
            writer.transport.abort()
            await server.aclose()


def first_line(*, key: str = "key", container: str = "webm", is_copied: bool = True) -> bytes:
    return json.dumps({"key": key, "container": container, "is_copied": is_copied}).encode() + b"\n"


@pytest.mark.parametrize("container", ["webm", "mp4"])
async def test_h264_is_copied_and_the_sound_becomes_aac(place: Place, node: Node, container: str) -> None:
    await node.send(first_line(container=container) + await recorded(container))
    node.writer.write_eof()
    await until(lambda: "key" in place.streams)
    stream = place.streams["key"]
    await stream.closed()
    read = stream.publish.health.read()
    assert (read.video_codec, read.audio_codec) == ("avc1", "mp4a")
    assert sum(line.startswith("0,") for line in await frames(bytes(stream.data))) == FRAMES


@pytest.mark.parametrize("sound", [True, False])
async def test_what_players_do_not_play_is_encoded_again(place: Place, node: Node, sound: bool) -> None:
    await node.send(first_line(is_copied=False) + await recorded("webm", VP8, sound=sound))
    node.writer.write_eof()
    await until(lambda: "key" in place.streams)
    await place.streams["key"].closed()
    read = place.streams["key"].publish.health.read()
    assert (read.video_codec, read.audio_codec) == ("avc1", "mp4a" if sound else "")


async def test_it_says_how_much_it_has_taken(place: Place, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "TAKEN_SECONDS", 0.0)
    data = await recorded("webm", H264)
    await node.send(first_line() + data)
    taken = 0
    while taken < len(data):
        taken = (await node.says())["taken"]
    assert taken == len(data)


async def test_a_wrong_key_is_refused_in_words(node: Node) -> None:
    await node.send(first_line(key="wrong") + await recorded("webm"))
    node.writer.write_eof()
    assert await node.last() == {"detail": WRONG, "is_refused": True}


async def test_who_is_cut_learns_why(place: Place, node: Node) -> None:
    await node.send(first_line() + await recorded("webm"))
    await until(lambda: "key" in place.streams)
    place.streams["key"].publish.cut("Another encoder sends with the same key now.")
    # An encoder sees that it is cut when it sends.
    await node.send(await recorded("webm"))
    assert await node.last() == {"detail": "Another encoder sends with the same key now.", "is_refused": True}


@pytest.mark.parametrize("data", [b"no recording at all " * 10_000, bytes(300_000), b""])
@pytest.mark.parametrize("container", ["webm", "mp4"])
async def test_what_is_no_recording_ends_in_words(place: Place, node: Node, container: str, data: bytes) -> None:
    await node.send(first_line(container=container) + data)
    node.writer.write_eof()
    last = await node.last()
    assert last["detail"].startswith("The picture cannot be used: ")
    assert not last["is_refused"]
    assert place.streams == {}


async def test_without_ffmpeg_it_says_so(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    monkeypatch.setattr(feeder, "ffmpeg", missing)
    await node.send(first_line())
    assert await node.last() == {
        "detail": "The site cannot start ffmpeg: No ffmpeg exe could be found.",
        "is_refused": False,
    }


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"no JSON\n",
        b"[]\n",
        b'{"key": 1, "container": "webm", "is_copied": true}\n',
        first_line(container="avi"),
        first_line(key="key\nrtmp_app=other"),
        b"x" * 200_000,
    ],
)
async def test_a_first_line_that_no_node_writes_is_the_end(node: Node, line: bytes) -> None:
    await node.send(line)
    with contextlib.suppress(ConnectionError):
        assert await node.says() == {}


async def test_who_says_nothing_is_cut(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "SILENT_SECONDS", 0.01)
    await node.send(first_line())
    assert "detail" in await node.last()


async def test_an_ingest_that_stops_ends_what_comes_in(place: Place) -> None:
    server = PageServer(rtmp_host="127.0.0.1", rtmp_port=place.port)
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    node = Node(reader, writer)
    await node.send(first_line() + await recorded("webm"))
    await until(lambda: "key" in place.streams)
    await server.aclose()
    assert await place.streams["key"].closed()
    with contextlib.suppress(ConnectionError):
        assert await node.last() == {}
    writer.transport.abort()


async def test_one_page_too_many_is_told_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "CONNECTIONS_MAX", 1)
    server = PageServer(rtmp_host="127.0.0.1", rtmp_port=place.port)
    port = await server.start("127.0.0.1", 0)
    one, more = [Node(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(2)]
    async with asyncio.timeout(HANG_SECONDS):
        assert await more.last() == {"detail": "Too many pages send at the moment.", "is_refused": False}
        more.writer.close()
        await one.send(first_line() + await recorded("webm"))
        await until(lambda: "key" in place.streams)
    one.writer.transport.abort()
    await server.aclose()
