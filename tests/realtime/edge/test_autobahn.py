"""The cases of the Autobahn suite, strictly, on both ways into a node: our own sockets, and Daphne's behind TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.websocket import CLOSE, MESSAGE_MAX_BYTES, PING, PONG, TEXT, Inbound, ProtocolError, close_code
from tests.certificates import certificate
from tests.realtime.edge.autobahn import CASES, Answer, Case, chopped, close, pieces, send
from tests.realtime.edge.test_server import HANDSHAKE, Running
from tests.watching import HANG_SECONDS

Found = tuple[list[Answer], int]
CONNECTIONS = 8


async def _frame(reader: asyncio.StreamReader) -> Answer:
    """Return the next frame. Raises AssertionError for one that no server may send."""
    first, size = await reader.readexactly(2)
    assert first & 0xF0 == 0x80, "in fragments, or with a reserved bit"
    assert size < 128, "masked"
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    return first & 0x0F, await reader.readexactly(size)


async def _played(case: Case, port: int, trust: ssl.SSLContext | None, *, held_up_seconds: float = 0.0) -> Found:
    """Send the case to the server; return the frames that came back, and the code of the close frame.

    `held_up_seconds`: the pause after each piece that is sent.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    try:
        writer.write(f"GET /echo HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):  # it may say goodbye before all is sent
            for chop in [*case.chops, *([close(1000)] if case.is_open else [])]:
                writer.write(chop)
                await writer.drain()
                await asyncio.sleep(held_up_seconds)
        answers = []
        while (frame := await _frame(reader))[0] != CLOSE:
            answers.append(frame)
        return answers, int.from_bytes(frame[1][:2], "big")
    finally:
        writer.transport.abort()


@pytest.fixture(params=["own", "tls", "daphne"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[int, ssl.SSLContext | None]]:
    """A server that echoes: its port, and what to trust."""
    trust, env = None, {}
    if request.param != "own":
        key, own = certificate(tmp_path)
        trust = ssl.create_default_context(cafile=own)
    if request.param == "tls":
        env = {"CERTIFICATE": str(own), "KEY": str(key)}
    elif request.param == "daphne":
        env["ENDPOINT"] = f"ssl:0:privateKey={key}:certKey={own}:interface=127.0.0.1"
    running = Running(trust, **env)
    yield running.port, trust
    running.kill()


async def test_server_answers_every_case_strictly(server: tuple[int, ssl.SSLContext | None]) -> None:
    """On our sockets 7.5.1 failed, and 14 were not strict: a valid message before a bad frame in one read was thrown
    away, and bad UTF-8 was noticed at the end of the message. Behind TLS empty messages were not sent.
    """
    gate = asyncio.Semaphore(CONNECTIONS)

    async def problem(case: Case) -> str:
        async with gate, asyncio.timeout(HANG_SECONDS):
            try:
                found = await _played(case, *server)
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                return f"{case.id}: {error!r}"
        return "" if found == (case.answers, case.code) else f"{case.id}: {str(found)[:200]}"

    problems = await asyncio.gather(*(problem(case) for case in CASES))
    assert [text for text in problems if text] == []


async def test_peer_that_was_held_up_can_still_read_why_it_was_closed(
    server: tuple[int, ssl.SSLContext | None],
) -> None:
    """Autobahn waits one second for the peer's goodbye. Behind TLS whatever a slower one sent then was answered by a
    reset, which takes the reason away.
    """
    late = Case("late", [b"\xff\x80", b"more"], code=1002)
    assert await _played(late, *server, held_up_seconds=1.5) == (late.answers, late.code)


def _read(chops: list[bytes]) -> Found:
    inbound = Inbound()
    answers: list[Answer] = []
    try:
        for chop in chops:
            for opcode, payload in inbound.feed(chop):
                data = payload.encode() if isinstance(payload, str) else payload
                if opcode == CLOSE:
                    return answers, close_code(data)
                if opcode != PONG:
                    answers.append((PONG if opcode == PING else opcode, data))
    except ProtocolError as error:
        return answers, error.code
    return answers, 0


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_cases_end_the_same_however_their_bytes_are_cut(size: int) -> None:
    problems = []
    for case in CASES:
        data = b"".join(case.chops) + (close(1000) if case.is_open else b"")
        found = _read(chopped(data, size))
        if found != (case.answers, case.code):
            problems.append(f"{case.id}: {str(found)[:200]}")
    assert problems == []


def test_ping_within_a_long_message_is_no_part_of_it() -> None:
    """Its bytes were counted with the message's: 1009."""
    begun, rest = pieces(b"x" * (MESSAGE_MAX_BYTES - 1), b"x")
    stream = b"".join((begun, send(PING, b"ping"), rest))
    assert [opcode for opcode, _ in Inbound().feed(stream)] == [PING, TEXT]
