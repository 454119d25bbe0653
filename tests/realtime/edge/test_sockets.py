"""Established streams on real TCP connections: what the kernel does not take waits, and every end is noticed once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from realtime.edge import poll, sockets
from realtime.edge.bound import Bound
from realtime.edge.sockets import PINGS_MAX, Sockets, StreamSocket
from realtime.events import frame
from realtime.node.connections import Closing
from realtime.websocket import client_frame
from tests.watching import HANG_SECONDS, eventually

BIG = b"x" * 200_000


@dataclass
class Ear:
    """A listener that remembers."""

    messages: list[str | bytes] = field(default_factory=list)
    times_filled: int = 0
    times_gone: int = 0

    def received(self, message: str | bytes) -> None:
        self.messages.append(message)

    def input_ended(self, goodbye: Callable[[], None]) -> None:
        goodbye()

    def filled(self) -> None:
        self.times_filled += 1

    def gone(self) -> None:
        self.times_gone += 1


@dataclass
class Stream:
    """Both ends of a stream: ours, and the peer's bare socket."""

    wire: StreamSocket
    ear: Ear
    peer: socket.socket

    def read(self, size: int = 1 << 20) -> bytes:
        """Return what has arrived at the peer, empty if nothing has."""
        with contextlib.suppress(BlockingIOError):
            return self.peer.recv(size)
        return b""

    async def reads(self, text: bytes) -> bytes:
        """Return what the peer reads up to and with the text."""
        got = b""

        async def has_it() -> bool:
            nonlocal got
            got += self.read()
            return text in got

        await eventually(has_it, f"{text[:40]!r} to arrive")
        return got

    async def is_gone(self) -> None:
        await eventually(lambda: self.ear.times_gone == 1, "the end to be noticed")


@pytest.fixture(params=["epoll", "selectors"])
async def ours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sockets]:
    if request.param == "selectors":
        monkeypatch.setattr(sockets, "Poll", poll.SelectorPoll)
    monkeypatch.setattr(sockets, "CLOSE_SECONDS", HANG_SECONDS)  # a busy machine takes longer to read what waits
    made = Sockets(Bound())
    yield made
    made.close()
    assert len(made) == 0


@contextlib.asynccontextmanager
async def stream(ours: Sockets, *, is_sse: bool = True) -> AsyncIterator[Stream]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = socket.create_connection(server.getsockname())
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        accepted, _ = server.accept()
    accepted.setblocking(False)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    peer.setblocking(False)
    ear = Ear()
    wire = ours.adopt(accepted.detach(), ear, is_sse=is_sse)
    with peer:
        yield Stream(wire, ear, peer)
    wire.abort()
    assert ear.times_gone == 1, "once, by whichever side it ended"


async def test_what_the_kernel_does_not_take_comes_later_and_in_order(ours: Sockets) -> None:
    async with stream(ours) as made:
        made.wire.put(BIG)
        assert made.wire.direct_fd == -1, "nobody else may write now"
        assert made.ear.times_filled == 1
        assert 0 < made.wire.pending_bytes() < len(BIG)
        made.wire.put(b"the end")
        assert (await made.reads(b"the end")) == BIG + b"the end"
        await eventually(lambda: made.wire.direct_fd == made.wire.descriptor, "the descriptor to be free again")
        assert made.wire.pending_bytes() == 0


@pytest.mark.parametrize("is_sse", [True, False])
async def test_goodbye_comes_after_what_waits_and_nothing_after_it(ours: Sockets, is_sse: bool) -> None:
    async with stream(ours, is_sse=is_sse) as made:
        made.wire.put(BIG)
        made.wire.write([frame("bye", {"reason": "gone"})])
        made.wire.close(Closing.GONE)
        made.wire.put(b"too late")
        made.wire.close(Closing.SLOW)
        assert made.wire.direct_fd == -1
        end = b"0\r\n\r\n" if is_sse else b"\x88\x02\x11\x34"  # 4404
        assert (await made.reads(end)).endswith(b"\r\n" + end if is_sse else b"}}" + end)
        await readable(made.peer)
        assert made.peer.recv(1) == b"", "our side is closed"
        made.peer.close()
        await made.is_gone()


async def readable(peer: socket.socket) -> None:
    """Return when there is something to read, were it the end."""
    there = asyncio.Event()
    asyncio.get_running_loop().add_reader(peer.fileno(), there.set)
    async with asyncio.timeout(HANG_SECONDS):
        await there.wait()
    asyncio.get_running_loop().remove_reader(peer.fileno())


async def test_peer_that_never_closes_after_our_goodbye_is_dropped(
    ours: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "CLOSE_SECONDS", 0.01)
    async with stream(ours) as made:
        made.wire.close(Closing.GONE)
        await made.is_gone()


@pytest.mark.parametrize("is_sse", [True, False])
async def test_peer_that_leaves_is_noticed(ours: Sockets, is_sse: bool) -> None:
    async with stream(ours, is_sse=is_sse) as made:
        made.peer.close()
        await made.is_gone()


async def test_event_stream_ignores_what_its_viewer_says(ours: Sockets) -> None:
    async with stream(ours) as made:
        for _ in range(20):
            with contextlib.suppress(BlockingIOError):
                made.peer.send(BIG)
            await asyncio.sleep(0)
        made.wire.put(b"still here")
        await made.reads(b"still here")
        assert made.ear.messages == []
        assert made.ear.times_gone == 0


async def test_messages_are_told_and_pings_answered(ours: Sockets) -> None:
    async with stream(ours, is_sse=False) as made:
        made.peer.send(client_frame(b"hello") + client_frame(b"?", opcode=9) + client_frame(b"\x00", opcode=2))
        assert await made.reads(b"?") == b"\x8a\x01?"
        assert made.ear.messages == ["hello", b"\x00"]
        made.peer.send(client_frame(b"\x0f\xa0bye", opcode=8))
        assert await made.reads(b"\x88") == b"\x88\x02\x0f\xa0", "its own code"


async def test_paused_socket_leaves_messages_to_the_senders_kernel(ours: Sockets) -> None:
    async with stream(ours, is_sse=False) as made:
        made.wire.pause()
        made.peer.send(client_frame(b"one"))
        made.wire.put(b"x")  # a turn of the loop that could have read
        await made.reads(b"x")
        assert made.ear.messages == []
        made.wire.resume()
        await eventually(lambda: made.ear.messages == ["one"], "the message to be read")


async def test_peer_that_answers_no_ping_is_dropped_and_one_that_does_stays(ours: Sockets) -> None:
    """It takes bytes, so its kernel lives; what should answer does not."""
    async with stream(ours, is_sse=False) as silent, stream(ours, is_sse=False) as lively:
        for number in range(PINGS_MAX):
            for made in (silent, lively):
                made.wire.ping()
            lively.peer.send(client_frame(b"", opcode=10) + client_frame(b"%d" % number))
            await eventually(lambda number=number: len(lively.ear.messages) == number + 1, "the pong")  # type: ignore[misc]
        for made in (silent, lively):
            made.wire.ping()
        assert (silent.ear.times_gone, lively.ear.times_gone) == (1, 0)


async def test_pings_of_a_peer_that_reads_nothing_do_not_pile_up(ours: Sockets) -> None:
    async with stream(ours, is_sse=False) as made:
        pings = client_frame(b"x" * 125, opcode=9) * 500

        async def dropped() -> bool:
            with contextlib.suppress(OSError):
                made.peer.send(pings)
            return made.ear.times_gone == 1

        await eventually(dropped, "the flood to be cut off")


FRAME = client_frame(b"half a frame")


@pytest.mark.parametrize(
    ("beginning", "rest"),
    [(FRAME[:-1], FRAME[-1:]), (b"\x01" + FRAME[1:], b"\x80" + client_frame(b"")[1:])],
    ids=["frame", "message"],
)
async def test_message_that_never_comes_whole_ends_the_connection(
    ours: Sockets, monkeypatch: pytest.MonkeyPatch, beginning: bytes, rest: bytes
) -> None:
    """It waited for ever."""
    monkeypatch.setattr(sockets, "MESSAGE_SECONDS", -1.0)
    async with stream(ours, is_sse=False) as silent, stream(ours, is_sse=False) as lively:
        for made in (silent, lively):
            made.peer.send(client_frame(b"whole") + beginning)
        lively.peer.send(rest)
        await eventually(lambda: len(lively.ear.messages) == 2, "the whole message")
        await eventually(lambda: silent.ear.messages == ["whole"], "the message before")
        ours.sweep()
        assert (await silent.reads(b"\x88")).endswith(b"\x88\x02\x03\xf0"), "1008"
        lively.wire.put(b"still here")
        await lively.reads(b"still here")


async def test_idle_stream_is_a_handful_of_objects(ours: Sockets) -> None:
    """What an idle viewer costs: no task, no queue, no buffer, no dictionary."""
    async with stream(ours) as sse, stream(ours, is_sse=False) as websocket:
        for made in (sse, websocket):
            assert not hasattr(made.wire, "__dict__")
            assert not any(isinstance(part, bytearray) for part in gc.get_referents(made.wire))
        assert len(asyncio.all_tasks()) == 1, "this test's own"
