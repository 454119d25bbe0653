"""One encoder that calls by SRT: who it is, the ffmpeg that listens for it, and the datagrams between the two.

Made by the server (ingest.srt.server) for a conclusion that came with a good cookie. ffmpeg learns nothing of the
detour: both ends have the other's socket numbers, only cookie and passphrase are others. Its answer to the conclusion
is kept, for ffmpeg gives it once, and it may be lost on its way.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ingest.feeder import COPIED, Feeder, codecs_after
from ingest.rtmp.publish import RefusedStream
from ingest.srt.keying import WrongPassphrase, locked_again
from ingest.srt.packet import (
    HEADER_BYTES,
    BadSrt,
    HandshakePhase,
    SrtHandshake,
    SrtRefusal,
    is_key_answer,
    key_request,
    shutdown,
)
from ingest.srt.udp import LOOPBACK, UdpSocket, free_port

HANDSHAKE_SECONDS = 5.0
KNOCK_SECONDS = 0.1
NEW_KEY_SECONDS = 1.0
"""To read key material takes milliseconds, and anybody can send it in an encoder's name."""
NO_PASSPHRASE = "The encoder sent no passphrase. It is the stream key. Copy the address from the studio."
WRONG_PASSPHRASE = "The passphrase is not the stream key, or the key was replaced. Copy the address from the studio."
GONE = "The encoder has gone."
LATE = "ffmpeg did not take the encoder in time."

# Only sound and picture. ffmpeg looks at a second of them at most before it begins: by then it knows what they are.
INPUT = ("-sn", "-dn", "-analyzeduration", "1000000", "-fpsprobesize", "0", "-f", "mpegts", "-i")

CodecsByKey = dict[str, tuple[str, ...]]
FindKey = Callable[[str], Awaitable[str]]
"""From stream id to key. Raises RefusedStream."""


class RefusedCall(Exception):
    """An encoder may not send. `why` is for the encoder, the text is for its broadcaster."""

    def __init__(self, why: SrtRefusal, detail: str) -> None:
        super().__init__(detail)
        self.why = why


class SrtCaller:
    """`send` sends to the encoder."""

    def __init__(self, hello: SrtHandshake, *, send: Callable[[bytes], None]) -> None:
        self.stream_id = ""
        self._hello = hello
        self._came_at = time.monotonic()
        self._send = send
        self._answer = b""
        self._key = ""
        self._passphrase = secrets.token_hex(32)
        self._materials: dict[bytes, bytes] = {}
        self._locked_at = 0.0
        self._local: UdpSocket | None = None
        self._to = (LOOPBACK, 0)
        self._next = hello.inducing()
        self._deadline = asyncio.timeout(HANDSHAKE_SECONDS)

    def is_of(self, hello: SrtHandshake) -> bool:
        return self._hello.socket == hello.socket

    def repeat(self) -> None:
        """Answer a conclusion that came again."""
        if self._answer:
            self._send(self._answer)

    def take(self, data: bytes) -> None:
        """Take a datagram from the encoder. Before ffmpeg has answered there is nothing that it could mean."""
        if self._local is None or not self._answer:
            return
        try:
            if material := key_request(data):
                data = data.replace(material, self._lock_again(material))
        except (WrongPassphrase, BadSrt):
            return
        self._local.send(data, self._to)

    async def run(self, find_key: FindKey, *, rtmp: tuple[str, int], codecs: CodecsByKey) -> str:
        """Relay until one of both ends; return why it did. Raises RefusedCall when the encoder has heard of it.

        `rtmp`: host and port where ffmpeg sends what it takes. `codecs`: what has to be encoded again for that, as
        far as it is known. An encoder that is the first to send such a thing is cut, and comes again.
        """
        try:
            await self._admit(find_key)
        except RefusedCall as refused:
            self._answer = self._hello.refused(refused.why).to_bytes()
            self.repeat()
            raise
        port = free_port()
        self._to = (LOOPBACK, port)
        address = f"srt://{LOOPBACK}:{port}?mode=listener&passphrase={self._passphrase}"
        known = codecs.get(self._key, COPIED)
        feeder = Feeder((*INPUT, address), key=self._key, host=rtmp[0], port=rtmp[1], codecs=known)
        try:
            words = await self._relay(feeder)
            if (needed := codecs_after(words, known)) != known:
                codecs[self._key] = needed
            return words
        except TimeoutError:
            return LATE
        except (OSError, RuntimeError) as error:
            return f"The site cannot start ffmpeg: {error}"
        finally:
            self._send(shutdown(self._hello.socket))
            await feeder.aclose()

    async def _admit(self, find_key: FindKey) -> None:
        try:
            self.stream_id = self._hello.stream_id
            if not (material := self._hello.key_request):
                raise RefusedCall(SrtRefusal.NO_PASSPHRASE, NO_PASSPHRASE)
            self._key = await find_key(self.stream_id)
            self._lock_again(material)
        except BadSrt as error:
            raise RefusedCall(SrtRefusal.BAD_REQUEST, str(error)) from error
        except RefusedStream as refused:
            raise RefusedCall(SrtRefusal.UNAUTHORIZED, refused.detail) from refused
        except WrongPassphrase as error:
            raise RefusedCall(SrtRefusal.WRONG_PASSPHRASE, WRONG_PASSPHRASE) from error

    async def _relay(self, feeder: Feeder) -> str:
        await feeder.start()
        self._local = UdpSocket(LOOPBACK, 0, self._take_local)
        knocking = asyncio.create_task(self._knock(), name="knock at ffmpeg")
        try:
            async with self._deadline:
                return await feeder.wait() or GONE
        finally:
            knocking.cancel()
            self._local.close()
            self._local = None

    async def _knock(self) -> None:
        """Call ffmpeg as the encoder has called us, until it answers: it listens when it listens."""
        while not self._answer and self._local is not None:
            waited_us = int((time.monotonic() - self._came_at) * 1e6)
            self._local.send(replace(self._next, at_us=self._next.at_us + waited_us).to_bytes(), self._to)
            await asyncio.sleep(KNOCK_SECONDS)

    def _take_local(self, data: bytes, sender: tuple[str, int]) -> None:
        if sender != self._to or len(data) < HEADER_BYTES:
            return
        with contextlib.suppress(BadSrt):
            if not self._answer and not self._is_answered(SrtHandshake.read(data)):
                return
            if is_key_answer(data):
                for theirs, ours in self._materials.items():
                    data = data.replace(ours, theirs)
            self._answer = self._answer or data
            self._send(data)

    def _is_answered(self, theirs: SrtHandshake) -> bool:
        """Take a handshake of ffmpeg's; return whether it is its answer to the conclusion."""
        if theirs.phase == HandshakePhase.INDUCTION:
            extensions = self._hello.extensions
            for material, ours in self._materials.items():
                extensions = extensions.replace(material, ours)
            self._next = replace(self._hello, cookie=theirs.cookie, extensions=extensions)
            return False
        self._deadline.reschedule(None if theirs.phase == HandshakePhase.CONCLUSION else 0)
        return True

    def _lock_again(self, material: bytes) -> bytes:
        """Return key material as ffmpeg can read it. Raises WrongPassphrase, BadSrt."""
        if material not in self._materials:
            now = time.monotonic()
            if self._materials and now - self._locked_at < NEW_KEY_SECONDS:
                raise BadSrt("The encoder changes its key too often.")
            self._locked_at = now
            ours = locked_again(material, passphrase=self._key, by=self._passphrase)
            # Of the one before an answer may be on its way.
            self._materials = {**dict(list(self._materials.items())[-1:]), material: ours}
        return self._materials[material]
