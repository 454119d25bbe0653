"""A client of HTTP/2 that shows every frame, and takes only what it is asked to take."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from tests.realtime.edge.test_server import Running
from tests.watching import HANG_SECONDS

Headers = Sequence[tuple[str, str]]


@dataclass
class Answer:
    """What has come of an answer. `reset`: the code with which the server has ended the stream."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    has_ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> int:
        return int(self.headers[":status"])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def is_over(self) -> bool:
        return self.has_ended or self.reset is not None


class Peer:
    """One connection. `takes`: whether it gives the windows back that answers have used."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        # Nothing that we send is checked: that is what the server is for.
        config = H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        self.h2 = H2Connection(config)
        self.takes = True
        self.answers: dict[int, Answer] = {}
        self.goodbye: int | None = None  # the code of the server's GOAWAY
        self.is_closed = False
        self._next_id = 1
        self._unread = b""

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, server: Running, **settings: int) -> AsyncIterator[Self]:
        assert server.trust is not None
        trust = ssl.create_default_context(cafile=server.env["CERTIFICATE"])
        trust.set_alpn_protocols(["h2"])
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)
        peer = cls(reader, writer)
        try:
            peer.h2.update_settings({SettingCodes[name.upper()]: value for name, value in settings.items()})
            peer.h2.clear_outbound_data_buffer()
            peer.h2.initiate_connection()
            if settings:
                peer.h2.update_settings({SettingCodes[name.upper()]: value for name, value in settings.items()})
            peer.flush()
            yield peer
        finally:
            writer.transport.abort()

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    def send(self, *frames: Any) -> None:
        """Send frames as they are, past the library's state."""
        self.writer.write(b"".join(made if isinstance(made, bytes) else made.serialize() for made in frames))

    def ask(
        self,
        path: str = "/",
        headers: Headers = (),
        *,
        method: str = "GET",
        is_whole: bool = True,
        bare: bool = False,
        waits: bool = False,
    ) -> int:
        """Begin a request; return its number.

        `is_whole`: it has no body. `bare`: there are no headers but those. `waits`: it leaves with what is sent next.
        """
        id = self._next_id
        self._next_id += 2
        pseudo = [(":method", method), (":scheme", "https"), (":authority", "x"), (":path", path)]
        self.h2.send_headers(id, [*(() if bare else pseudo), *headers], end_stream=is_whole)
        self.answers[id] = Answer()
        if not waits:
            self.flush()
        return id

    def body(self, id: int, data: bytes, *, is_last: bool = True) -> None:
        most = self.h2.max_outbound_frame_size
        for start in range(0, len(data), most):
            self.h2.send_data(id, data[start : start + most])
        if is_last:
            self.h2.end_stream(id)
        self.flush()

    async def until(self, is_so: Callable[[], object]) -> None:
        """Read until it is so. Fails when the server has closed before."""
        async with asyncio.timeout(HANG_SECONDS):
            while not is_so():
                assert not self.is_closed, f"closed: {self.goodbye}"
                await self._read()

    async def answer(self, id: int) -> Answer:
        """Return an answer that is over."""
        answer = self.answers[id]
        await self.until(lambda: answer.is_over)
        return answer

    async def get(self, path: str = "/", headers: Headers = (), *, method: str = "GET") -> Answer:
        return await self.answer(self.ask(path, headers, method=method))

    async def closed(self) -> int | None:
        """Return what the server has said when it has closed."""
        async with asyncio.timeout(HANG_SECONDS):
            while not self.is_closed:
                await self._read()
        return self.goodbye

    async def _read(self) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = await self.reader.read(65_536)
        self.is_closed = not data
        for event in self._take(data):
            match event:
                case ResponseReceived():
                    found = {name.decode(): value.decode() for name, value in event.headers}
                    self.answers[event.stream_id or 0].headers = found
                case DataReceived():
                    self.answers[event.stream_id or 0].body += event.data
                    if self.takes:
                        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
                case StreamEnded():
                    self.answers[event.stream_id].has_ended = True
                case ConnectionTerminated():
                    self.goodbye = int(event.error_code or 0)
                case StreamReset():
                    self.answers[event.stream_id].reset = int(event.error_code or 0)
        self.flush()

    def _take(self, data: bytes) -> Iterator[Event]:
        """Go on after a goodbye, too: the library would take nothing more, though answers may still come."""
        self._unread += data
        while len(self._unread) >= (size := 9 + int.from_bytes(self._unread[:3], "big")):
            whole, self._unread = self._unread[:size], self._unread[size:]
            yield from self.h2.receive_data(whole)
            if self.h2.state_machine.state is ConnectionState.CLOSED:
                self.h2.state_machine.state = ConnectionState.CLIENT_OPEN
