"""The server against peers that are slow, wrong, greedy or gone, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct

import pytest

from ingest.rtmp import server as rtmp
from ingest.rtmp.publish import app_and_key
from ingest.rtmp.server import RtmpLimits
from tests.ingest.rtmp import client
from tests.ingest.rtmp.client import FRAME, KEYFRAME, VIDEO, message, said
from tests.ingest.rtmp.conftest import WRONG, Place, running
from tests.kit import until

HANDSHAKE_ANSWER = 1 + 2 * 1536
MEGABYTE = 1_000_000


async def to_the_end(reader: asyncio.StreamReader) -> bytes:
    """Return all that comes until the server closes, after its handshake."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            received += data
    return received[HANDSHAKE_ANSWER:]


async def begin(place: Place, writer: asyncio.StreamWriter, key: str = "key") -> None:
    writer.write(client.opening(key))
    await place.stream(key)


@pytest.mark.parametrize(
    "data",
    [b"", b"\x03", b"\x03" + bytes(1536), client.HANDSHAKE, client.HANDSHAKE + client.connect()],
    ids=["nothing", "a byte", "half a handshake", "a handshake", "no wish"],
)
async def test_one_that_does_not_ask_in_time_is_cut(data: bytes) -> None:
    async with running(limits=RtmpLimits(publish_seconds=0.05)) as place, place.talk() as (reader, writer):
        writer.write(data)
        await to_the_end(reader)
        assert place.streams == {}


async def test_one_that_sends_a_byte_now_and_then_has_no_more_time() -> None:
    """A deadline that began again with each byte would let a few machines hold all connections."""
    async with running(limits=RtmpLimits(publish_seconds=0.2)) as place, place.talk() as (reader, writer):
        ended = asyncio.ensure_future(to_the_end(reader))
        for byte in client.opening():
            if ended.done():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        await ended
        assert place.streams == {}


async def test_silence_after_the_beginning_is_no_reason_to_cut() -> None:
    """The time of another peer, which came later and says nothing, is over first."""
    async with running(limits=RtmpLimits(publish_seconds=2)) as place, place.talk() as (_, writer):
        await begin(place, writer)
        async with place.talk() as (late, _):
            await to_the_end(late)
        writer.write(message(VIDEO, KEYFRAME))
        await until(lambda: KEYFRAME in place.streams["key"].data)


@pytest.mark.parametrize("size", [1, 1000, 200_000])
async def test_garbage_is_cut(place: Place, size: int) -> None:
    garbage = random.Random(size).randbytes(size)
    for data in (b"\x16" + garbage, client.HANDSHAKE + garbage + b"\xff" * 20):
        async with place.talk() as (reader, writer):
            writer.write(data)
            await to_the_end(reader)
    assert place.streams == {}


async def test_wrong_key_is_refused_in_words_before_any_picture(place: Place) -> None:
    async with place.talk() as (reader, writer):
        writer.write(client.opening("wrong") + message(VIDEO, KEYFRAME))
        assert said(await to_the_end(reader)) == [("NetStream.Publish.Rejected", WRONG)]
    assert place.streams == {}


async def test_missing_key_is_refused_in_words(place: Place) -> None:
    async with place.talk() as (reader, writer):
        writer.write(client.opening(""))
        assert said(await to_the_end(reader)) == [("NetStream.Publish.Rejected", rtmp.NO_KEY)]


@pytest.mark.parametrize(
    ("path", "name", "expected"),
    [
        ("live", "key", ("live", "key")),
        ("live/", "key?token=1&x=/y", ("live", "key")),
        ("live?x=y", "key", ("live", "key")),
        ("live/key", "", ("live", "key")),
        ("a/b/key", "?x", ("a/b", "key")),
        ("live/more", "key", ("live/more", "key")),
        ("live", "", ("live", "")),
        ("live", " ", ("live", "")),
        ("", "key", ("", "key")),
        ("", "", ("", "")),
    ],
)
def test_key_is_the_name_of_the_stream_or_the_end_of_the_path(path: str, name: str, expected: tuple[str, str]) -> None:
    assert app_and_key(path, name) == expected


async def test_who_publishes_is_told(place: Place) -> None:
    async with place.talk() as (_, writer):
        await begin(place, writer, "key")
        publish = place.streams["key"].publish
        assert (publish.app, publish.key, publish.address) == ("live", "key", "127.0.0.1")
        assert "'key'" not in repr(publish)


async def test_encoder_that_does_not_wait_for_answers_loses_nothing(place: Place) -> None:
    async with place.talk() as (_, writer):
        writer.write(client.opening() + message(VIDEO, KEYFRAME + b"first"))
        found = await place.stream("key")
        await until(lambda: b"first" in found.data)
        assert found.data.startswith(b"FLV\1")


async def test_end_in_words_is_an_end(place: Place) -> None:
    async with place.talk() as (reader, writer):
        await begin(place, writer)
        writer.write(message(VIDEO, KEYFRAME) + client.command("deleteStream", 6, None, 1))
        assert said(await to_the_end(reader))[-1][0] == "NetStream.Unpublish.Success"
        assert await place.streams["key"].closed() == rtmp.ENDED
        assert KEYFRAME in place.streams["key"].data


async def test_end_in_two_words_breaks_no_pipe(place: Place) -> None:
    """ffmpeg takes its leave twice. When the first word was the server's last, its second write failed now and then."""
    async with place.talk() as (reader, writer):
        await begin(place, writer)
        writer.write(client.command("FCUnpublish", 6, None, "key"))
        assert said(await to_the_end(reader))[-1][0] == "NetStream.Unpublish.Success"
        with socket.fromfd(writer.get_extra_info("socket").fileno(), socket.AF_INET, socket.SOCK_STREAM) as peer:
            for _ in range(2):  # a reset is the answer to the first
                peer.sendall(client.command("deleteStream", 7, None, 1))


async def test_end_without_a_word_is_known_too(place: Place) -> None:
    async with place.talk() as (_, writer):
        await begin(place, writer)
        writer.write(message(VIDEO, KEYFRAME))
        writer.write_eof()
        assert await place.streams["key"].closed() == rtmp.GONE


async def test_reset_is_known_too(place: Place) -> None:
    async with place.talk() as (_, writer):
        await begin(place, writer)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        assert await place.streams["key"].closed() == rtmp.GONE


async def test_giant_message_ends_the_stream_in_words(place: Place) -> None:
    async with place.talk() as (reader, writer):
        await begin(place, writer)
        writer.write(client.basic_header(0, 4) + client.header(0, VIDEO, 0xFFFFFF, 0))
        [*_, (_, words)] = said(await to_the_end(reader))
        assert "16777215 bytes" in words
        assert await place.streams["key"].closed() == words


async def test_more_bits_than_allowed_end_the_stream_in_words() -> None:
    async with running(limits=RtmpLimits(max_bits_per_second=1e6)) as place, place.talk() as (reader, writer):
        await begin(place, writer)
        writer.write(message(VIDEO, KEYFRAME + bytes(2 * MEGABYTE)))
        [*_, (code, words)] = said(await to_the_end(reader))
        assert (code, words.partition(",")[0]) == ("NetStream.Publish.Rejected", "The stream has more than 1 Mbit/s")
        assert await place.streams["key"].closed() == words


async def test_sink_can_refuse_what_comes(place: Place) -> None:
    async with place.talk() as (reader, writer):
        await begin(place, writer)
        place.streams["key"].refusal = "The key was revoked."
        writer.write(message(VIDEO, KEYFRAME))
        assert said(await to_the_end(reader))[-1] == ("NetStream.Publish.Rejected", "The key was revoked.")
        assert await place.streams["key"].closed() == "The key was revoked."


@pytest.mark.parametrize("are_open", [True, False], ids=["silent", "waiting for its sink"])
async def test_stream_can_be_cut_at_any_time(are_open: bool) -> None:
    async with running(are_open=are_open) as place, place.talk() as (reader, writer):
        await begin(place, writer)
        if not are_open:
            writer.write(message(VIDEO, KEYFRAME))
        place.streams["key"].publish.cut("Another encoder has the key now.")
        assert said(await to_the_end(reader))[-1][1] == "Another encoder has the key now."
        assert await place.streams["key"].closed() == "Another encoder has the key now."
        place.streams["key"].publish.cut("Again.")


async def test_address_has_so_many_connections_at_most() -> None:
    async with running(limits=RtmpLimits(connections_per_address=2)) as place:
        async with place.talk() as (_, first), place.talk() as (_, second), place.talk() as (refused, _):
            await begin(place, first, "first")
            await begin(place, second, "second")
            assert await to_the_end(refused) == b""
        while "third" not in place.streams:  # as soon as the first two have left
            async with place.talk() as (reader, third):
                third.write(client.opening("third") + client.command("deleteStream", 6, None, 1))
                await to_the_end(reader)


async def test_encoder_waits_while_its_sink_waits_and_the_others_go_on() -> None:
    """What is kept for one that waits is bounded, and nothing of it is lost."""
    frames = 160
    size = frames * 100_000
    chunks = message(1, struct.pack(">I", 60_000), id=2)
    picture = chunks + message(VIDEO, FRAME + bytes(100_000), chunk_bytes=60_000) * frames
    async with running(are_open=False, limits=RtmpLimits(max_bits_per_second=1e12)) as place:
        async with place.talk() as (_, slow), place.talk() as (_, quick):
            await begin(place, slow, "slow")
            await begin(place, quick, "quick")
            place.streams["quick"].is_open.set()
            slow.write(picture)
            quick.write(picture)
            await until(lambda: len(place.streams["quick"].data) > size)
            assert place.streams["slow"].publish.health.read().total_bytes < MEGABYTE
            place.streams["slow"].is_open.set()
            await until(lambda: len(place.streams["slow"].data) > size)
        assert place.streams["slow"].data == place.streams["quick"].data


async def test_one_byte_chunks_hold_nobody_up(place: Place) -> None:
    small = message(1, struct.pack(">I", 1), id=2) + message(VIDEO, KEYFRAME + bytes(100_000), chunk_bytes=1)
    async with place.talk() as (_, writer), place.talk() as (_, other):
        await begin(place, writer, "small")
        await begin(place, other, "other")
        writer.write(small)
        other.write(message(VIDEO, KEYFRAME))
        await until(lambda: KEYFRAME in place.streams["other"].data)
        await until(lambda: len(place.streams["small"].data) > 100_000)


async def test_encoder_that_reads_no_answers_is_gone_in_the_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtmp, "UNREAD_SECONDS", 0.05)
    async with place.talk() as (_, writer):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await begin(place, writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        pings = message(4, b"\0\6\0\0\0\0", id=2) * 10_000
        with contextlib.suppress(ConnectionError):
            while not place.streams["key"].reasons:
                writer.write(pings)
                await writer.drain()
                await asyncio.sleep(0)
        assert await place.streams["key"].closed() == rtmp.GONE


async def test_streams_end_when_the_server_stops() -> None:
    async with running() as place, place.talk() as (reader, writer):
        await begin(place, writer)
        async with place.talk() as (_, early):
            early.write(b"\x03")
            await place.server.aclose()
        assert await place.streams["key"].closed() == rtmp.STOPPED
        await to_the_end(reader)
