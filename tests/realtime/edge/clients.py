"""Clients of streams that hide nothing: an event stream read byte by byte, a WebSocket and its closing code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests import raw
from tests.rooms import Person, Room
from tests.watching import eventually

HANG_SECONDS = 30.0


FOREIGN = (
    "http://evil.example",
    "null",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1:9",
    "http://user@HOST",
    "https://HOST",
    "http://[",
)


@dataclass
class Events:
    """An event stream read byte by byte, parsed as the WHATWG's text says and nothing more."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]
    _bytes: bytes = b""
    _lines: list[str] = field(default_factory=list)
    is_chunked: bool = True

    @classmethod
    async def open(
        cls,
        url: str,
        target: str,
        *,
        headers: Sequence[tuple[str, str | bytes]] = (),
        method: str = "GET",
        version: str = "1.1",
    ) -> Self:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**24)
        lines: list[str | bytes] = [f"{method} {target} HTTP/{version}", f"Host: {parts.netloc}"]
        lines += [name.encode() + b": " + (v if isinstance(v, bytes) else v.encode()) for name, v in headers]
        writer.write(b"\r\n".join(n if isinstance(n, bytes) else n.encode() for n in (*lines, "", "")))
        async with asyncio.timeout(HANG_SECONDS):
            try:
                first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").strip().split("\r\n")
            except asyncio.IncompleteReadError:
                return cls(reader, writer, 0, {})
        found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        is_chunked = found.get("transfer-encoding") == "chunked"
        return cls(reader, writer, int(first.split()[1]), found, is_chunked=is_chunked)

    async def body(self) -> bytes:
        """Return the rest, to the end."""
        async with asyncio.timeout(HANG_SECONDS):
            while data := await self._read():
                self._bytes += data
        return self._bytes

    async def error(self) -> tuple[int, str]:
        return raw.Answer(self.status, self.headers, await self.body()).error

    async def event(self) -> tuple[str, dict[str, Any], str]:
        """Return the next event: its name, its data, its id. Raises EOFError at the end of the stream."""
        async with asyncio.timeout(HANG_SECONDS):
            fields: dict[str, list[str]] = {}
            while line := await self._line():
                name, _, value = line.partition(":")
                fields.setdefault(name, []).append(value.removeprefix(" "))
            assert "data" in fields, "some clients make an empty message of a block without data"
            data = json.loads("\n".join(fields["data"]))
            return fields.get("event", ["message"])[-1], data, fields.get("id", [""])[-1]

    async def named(self, name: str) -> dict[str, Any]:
        """Return the data of the next event of this name."""
        while True:
            found, data, _ = await self.event()
            if found == name:
                return data

    async def ended(self) -> None:
        """Return at the end of the stream."""
        with contextlib.suppress(EOFError):
            while True:
                await self.event()

    async def _line(self) -> str:
        while not self._lines:
            *lines, self._bytes = re.split(b"\r\n|\r|\n", self._bytes)
            self._lines = [line.decode() for line in lines]
            if not self._lines:
                if not (data := await self._read()):
                    raise EOFError
                self._bytes += data
        return self._lines.pop(0)

    async def _read(self) -> bytes:
        try:
            if not self.is_chunked:
                return await self.reader.read(65_536)
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
            return data[:-2]
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def stream(
    here: Room,
    query: str | None = None,
    *,
    headers: Sequence[tuple[str, str | bytes]] = (),
    method: str = "GET",
    version: str = "1.1",
    node: int = 0,
) -> AsyncIterator[Events]:
    """Open an event stream, of the room's topic if nothing else is asked for."""
    target = f"/events?topic={here.topic}" if query is None else f"/events?{query}"
    opened = await Events.open(here.site.urls[node], target, headers=headers, method=method, version=version)
    try:
        yield opened
    finally:
        await opened.close()


async def nobody_is_left(here: Room) -> None:
    """Return when the node counts no viewer of the room's topic and no open connection."""

    async def gone() -> bool:
        return await here.metric("live_connections") == 0

    await eventually(gone, "the last connection to be forgotten")


async def private_video(here: Room) -> str:
    made = await here.new_video("Secret plans")
    answer = await here.call("PATCH", f"/videos/{made}", {"visibility": "private"}, person=here.people[0])
    assert answer.status_code == 200
    return made


async def ticket_of(here: Room, topic: str, *, person: int = 0) -> str:
    answer = await here.call("POST", "/tickets", {"topics": [topic]}, person=here.people[person])
    return str(answer.raise_for_status().json()["ticket"])


def ban(here: Room, person: Person) -> None:
    with psycopg.connect(here.site.database_url) as connection:
        connection.execute("UPDATE accounts_viewer SET is_active = false WHERE id = %s", [person.id])


@contextlib.asynccontextmanager
async def websocket(here: Room, path: str | None = None, **options: Any) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket; of the room's topic if nothing else is asked for."""
    address = urlsplit(here.site.urls[0]).netloc
    options = {"subprotocols": [Subprotocol("live.v1.json")], **options}
    async with connect(
        f"ws://{address}{path or f'/ws?topic={here.topic}'}",
        proxy=None,
        ping_interval=None,
        open_timeout=HANG_SECONDS,
        **options,
    ) as opened:
        yield opened


async def closing_code(here: Room, path: str, *messages: str | bytes, **options: Any) -> int:
    """Open a WebSocket, send messages; return the code with which the site closes it."""
    async with websocket(here, path, **options) as opened:
        with contextlib.suppress(ConnectionClosed):
            for message in messages:
                await opened.send(message)
        return await end_of(opened)


async def end_of(opened: ClientConnection) -> int:
    async with asyncio.timeout(HANG_SECONDS):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await opened.recv()
    assert opened.close_code is not None
    return opened.close_code


async def answer_to(opened: ClientConnection, message: object) -> dict[str, Any]:
    """Send a command; return what answers it."""
    await opened.send(message if isinstance(message, (str, bytes)) else json.dumps(message))
    async with asyncio.timeout(HANG_SECONDS):
        while True:
            found: dict[str, Any] = json.loads(await opened.recv())
            if "event" not in found:
                return found
