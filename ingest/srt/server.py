"""The SRT server: many encoders on one UDP port, each with its stream key as passphrase.

Made by what runs the ingest (liveplatform.ingest). It knows neither keys nor videos: `find_key` says what the key of a
stream is. With that the picture goes to our own RTMP port, where all else about it is decided.

Nothing is kept of an address before it has sent back a cookie, and no answer is longer than what it answers: so nobody
can use us against somebody else. What is no SRT is dropped without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from ingest.srt.caller import CodecsByKey, FindKey, RefusedCall, SrtCaller
from ingest.srt.cookies import Cookies
from ingest.srt.packet import HEADER_BYTES, BadSrt, HandshakePhase, SrtHandshake, SrtRefusal, is_handshake
from ingest.srt.udp import UdpSocket

logger = logging.getLogger(__name__)

CALLERS_PER_ADDRESS = 200
REFUSED_SECONDS = 1.0
"""So long a refusal is repeated to an encoder that has not heard it."""
VERSION = 5

Note = Callable[[str, str], Awaitable[None]]
"""From stream id and words: why an encoder was refused, for its broadcaster."""


class SrtServer:
    """Takes encoders from `start` until `aclose`. `rtmp`: host and port of our own RTMP server.
    `network_of` says what the limit counts as one address.
    """

    def __init__(
        self,
        find_key: FindKey,
        note: Note,
        *,
        rtmp: tuple[str, int],
        network_of: Callable[[str], str],
        callers_per_address: int = CALLERS_PER_ADDRESS,
    ) -> None:
        self._find_key = find_key
        self._note = note
        self._rtmp = rtmp
        self._codecs: CodecsByKey = {}
        self._network_of = network_of
        self._callers_per_address = callers_per_address
        self._cookies = Cookies(time.monotonic)
        self._callers: dict[Any, SrtCaller] = {}
        self._tasks: dict[SrtCaller, asyncio.Task[None]] = {}
        self._networks: Counter[str] = Counter()
        self._socket: UdpSocket | None = None

    def start(self, host: str, port: int) -> int:
        """Listen; return the port, which the system chooses for 0. Raises OSError."""
        self._socket = UdpSocket(host, port, self._receive)
        return self._socket.port

    async def aclose(self) -> None:
        """Take no more encoders, and return when those there are have been sent away."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._socket is not None:
            self._socket.close()

    def _receive(self, data: bytes, address: Any) -> None:
        if len(data) < HEADER_BYTES:
            return
        if is_handshake(data):
            with contextlib.suppress(BadSrt):
                self._shake(SrtHandshake.read(data), address)
        elif (caller := self._callers.get(address)) is not None:
            caller.take(data)

    def _shake(self, hello: SrtHandshake, address: Any) -> None:
        place = (address[0], address[1])
        if hello.phase == HandshakePhase.INDUCTION:
            self._send(hello.induced(self._cookies.make(place)).to_bytes(), address)
        elif hello.phase == HandshakePhase.CONCLUSION and self._cookies.is_good(hello.cookie, place):
            caller = self._callers.get(address)
            if caller is not None and caller.is_of(hello):
                caller.repeat()
            else:
                self._call(hello, address)

    def _call(self, hello: SrtHandshake, address: Any) -> None:
        """Begin with an encoder, in place of the one that was at this address and port."""
        host = str(address[0])
        network = self._network_of(host)
        if hello.version != VERSION:
            self._send(hello.refused(SrtRefusal.BAD_REQUEST).to_bytes(), address)
        elif self._networks[network] >= self._callers_per_address:
            logger.warning("encoder from %s refused: its address has as many as are taken", host)
            self._send(hello.refused(SrtRefusal.OVERLOADED).to_bytes(), address)
        else:
            self._networks[network] += 1
            if (before := self._callers.get(address)) is not None:
                self._tasks[before].cancel()
            caller = SrtCaller(hello, send=lambda data: self._send(data, address))
            self._callers[address] = caller
            task = self._tasks[caller] = asyncio.create_task(self._serve(caller, host), name="srt caller")
            task.add_done_callback(lambda task: self._left(task, caller, address, network))

    async def _serve(self, caller: SrtCaller, host: str) -> None:
        try:
            reason = await caller.run(self._find_key, rtmp=self._rtmp, codecs=self._codecs)
            logger.info("SRT stream from %s over: %s", host, reason)
        except RefusedCall as refused:
            logger.warning("encoder from %s refused: %s", host, refused)
            await self._note(caller.stream_id, f"An encoder was refused: {refused}")
            await asyncio.sleep(REFUSED_SECONDS)

    def _left(self, task: asyncio.Task[None], caller: SrtCaller, address: Any, network: str) -> None:
        del self._tasks[caller]
        if self._callers.get(address) is caller:
            del self._callers[address]
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("fault in a stream", exc_info=error)

    def _send(self, data: bytes, address: Any) -> None:
        if self._socket is not None:
            self._socket.send(data, address)
