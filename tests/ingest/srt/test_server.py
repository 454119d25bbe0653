"""The SRT server on a real port: who is answered, who is refused, and what for."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from ingest.rtmp.publish import RefusedStream
from ingest.srt.packet import HANDSHAKE_BYTES, HandshakePhase, SrtHandshake, SrtRefusal, shutdown
from ingest.srt.server import SrtServer
from tests.ingest.srt import caller
from tests.kit import HANG_SECONDS, until

KEY = "the key of a stream"


class Site:
    """Says what the key of a stream is, and keeps what it hears."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, str]] = []

    async def find_key(self, stream_id: str) -> str:
        if stream_id != "nadia":
            raise RefusedStream("It is nobody's.")
        return KEY

    async def note(self, stream_id: str, words: str) -> None:
        self.noted.append((stream_id, words))


@pytest.fixture
def site() -> Site:
    return Site()


class Encoder:
    """A UDP socket that sends to the server."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("127.0.0.1", 0))

    def send(self, data: bytes) -> None:
        self._socket.sendto(data, self._to)

    async def hear(self) -> SrtHandshake:
        async with asyncio.timeout(HANG_SECONDS):
            data = await asyncio.get_running_loop().sock_recv(self._socket, 2048)
        assert len(data) == HANDSHAKE_BYTES
        return SrtHandshake.read(data)

    async def ask(self, handshake: SrtHandshake) -> SrtHandshake:
        self.send(handshake.to_bytes())
        return await self.hear()

    def close(self) -> None:
        self._socket.close()


@contextlib.asynccontextmanager
async def serving(site: Site, *, callers_per_address: int = 200) -> AsyncIterator[tuple[SrtServer, int]]:
    server = SrtServer(
        site.find_key,
        site.note,
        rtmp=("127.0.0.1", 1),
        network_of=lambda address: address,
        callers_per_address=callers_per_address,
    )
    try:
        yield server, server.start("127.0.0.1", 0)
    finally:
        await server.aclose()


@pytest.mark.parametrize(
    ("stream_id", "key", "why", "words"),
    [
        ("nadia", b"", SrtRefusal.NO_PASSPHRASE, "no passphrase"),
        ("nadia", caller.material("another key"), SrtRefusal.WRONG_PASSPHRASE, "not the stream key"),
        ("nadia", b"no key material", SrtRefusal.BAD_REQUEST, "none of SRT's"),
        ("nobody", caller.material(KEY), SrtRefusal.UNAUTHORIZED, "nobody's"),
        ("", caller.material(KEY), SrtRefusal.UNAUTHORIZED, "nobody's"),
    ],
    ids=("no passphrase", "wrong passphrase", "nonsense", "unknown", "unnamed"),  # the keys are drawn anew
)
async def test_who_may_not_send_hears_why(site: Site, stream_id: str, key: bytes, why: SrtRefusal, words: str) -> None:
    async with serving(site) as (_, port):
        with contextlib.closing(Encoder(port)) as encoder:
            cookie = (await encoder.ask(caller.induction())).cookie
            key += bytes(-len(key) % 4)
            hello = caller.conclusion(cookie, stream_id=stream_id, key=key)
            answer = await encoder.ask(hello)
            assert (answer.phase, answer.to_socket) == (why, caller.SOCKET)
            # It may not have heard it, and asks again: it is refused once.
            assert (await encoder.ask(hello)).phase == why
        await until(lambda: site.noted != [])
    [(named, noted)] = site.noted
    assert named == stream_id
    assert words in noted


async def test_nobody_is_answered_who_says_nothing_sensible(site: Site) -> None:
    """Nor is anything kept of them, and nothing is sent to an address that somebody only claims."""
    async with serving(site) as (_, port):
        with contextlib.closing(Encoder(port)) as encoder, contextlib.closing(Encoder(port)) as other:
            theirs = (await other.ask(caller.induction())).cookie
            for data in (b"", b"x" * 5, bytes(1316), b"\x80\0" + bytes(10), b"\xff" * 1500, shutdown(caller.SOCKET)):
                encoder.send(data)
            encoder.send(caller.conclusion(0).to_bytes())
            encoder.send(caller.conclusion(theirs, stream_id="nadia", key=caller.material(KEY)).to_bytes())
            assert (await encoder.ask(caller.induction())).phase == HandshakePhase.INDUCTION
    assert site.noted == []


async def test_an_address_has_so_many_callers_at_most(site: Site) -> None:
    async with serving(site, callers_per_address=1) as (_, port):
        with contextlib.closing(Encoder(port)) as first, contextlib.closing(Encoder(port)) as second:
            for encoder, why in ((first, SrtRefusal.UNAUTHORIZED), (second, SrtRefusal.OVERLOADED)):
                cookie = (await encoder.ask(caller.induction())).cookie
                hello = caller.conclusion(cookie, stream_id="nobody", key=caller.material(KEY))
                assert (await encoder.ask(hello)).phase == why


async def test_another_version_is_refused(site: Site) -> None:
    async with serving(site) as (_, port):
        with contextlib.closing(Encoder(port)) as encoder:
            cookie = (await encoder.ask(caller.induction())).cookie
            old = SrtHandshake(4, 0, 1, 0, 1500, 8192, HandshakePhase.CONCLUSION, caller.SOCKET, cookie, bytes(16))
            assert (await encoder.ask(old)).phase == SrtRefusal.BAD_REQUEST
