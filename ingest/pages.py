"""Takes what broadcasters' browsers record: a node passes it on, and an ffmpeg sends it to our own RTMP port.

Hop: between the nodes (videos.sending), which know who sends, and RTMP (ingest.feeder), where the key is checked like
any encoder's. Started by the process (liveplatform.ingest).

A node connects, writes a line of JSON (`key`, `container`, `is_copied`) and then what was recorded. It gets lines back:
`{"taken": bytes}` each second, and `{"detail", "is_refused"}` at the end. What is not taken waits in the browser: here
and on the way are a few buffers of 64 KiB.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any

import orjson

from ingest.encoder import AGAIN_AUDIO, AGAIN_VIDEO
from ingest.feeder import FROM_PIPE, Feeder
from realtime.background import end

logger = logging.getLogger(__name__)

READ_BYTES = 65_536
ASK_SECONDS = 5.0
CONNECTIONS_MAX = 200
"""So many pages send at once. One more is told so, and is not taken."""
SILENT_SECONDS = 15.0  # longer than the node waits for the browser, which has more to say about it
TAKEN_SECONDS = 1.0
FORMATS = {"webm": "matroska", "mp4": "mp4"}
LOOK_BYTES, LOOK_SECONDS = 65_536, 0.5
FAREWELL_SECONDS = 2.0
FULL = "Too many pages send at the moment."
UNUSABLE = "The picture cannot be used: {}"
_LOOK = ("-probesize", str(LOOK_BYTES), "-analyzeduration", str(int(LOOK_SECONDS * 1e6)))
_TRACKS = ("-map", "0:v:0?", "-map", "0:a:0?")


@dataclass(frozen=True, slots=True)
class _Asked:
    key: str
    format: str
    is_copied: bool

    @classmethod
    def from_json(cls, line: bytes) -> _Asked:
        """Raises ValueError."""
        match orjson.loads(line):
            case {"key": str(key), "container": str(container), "is_copied": bool(is_copied)}:
                if key.isprintable() and container in FORMATS:
                    return cls(key, FORMATS[container], is_copied)
        raise ValueError("not what a node writes")


class PageServer:
    """Takes nodes from `start` until `aclose`. `host`, `rtmp_port`: where our RTMP server is reached."""

    def __init__(self, *, rtmp_host: str, rtmp_port: int) -> None:
        self._rtmp_host = rtmp_host
        self._rtmp_port = rtmp_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port, which the system chooses for 0. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=READ_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def aclose(self) -> None:
        """Take no more, and end what comes in: the browsers come back, to the next ingest."""
        if self._server is not None:
            self._server.close()
        await end(*self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            last = _unfed(FULL)
            if len(self._tasks) <= CONNECTIONS_MAX:
                async with asyncio.timeout(ASK_SECONDS):
                    asked = _Asked.from_json(await reader.readline())
                last = await self._feed(asked, reader, writer)
            writer.write(orjson.dumps(last) + b"\n")
            async with asyncio.timeout(FAREWELL_SECONDS):
                while await reader.read(READ_BYTES):  # to close over unread bytes takes the words back
                    pass
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            logger.debug("a picture from a page is over: %s", error)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _feed(
        self, asked: _Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> dict[str, str | bool]:
        """Send it on until one side ends. Returns the last words."""
        feeder = Feeder(
            (*("-protocol_whitelist", "pipe", "-f", asked.format), *_LOOK, *("-i", FROM_PIPE)),
            key=asked.key,
            host=self._rtmp_host,
            port=self._rtmp_port,
            codecs=(*_TRACKS, *(("-c:v", "copy") if asked.is_copied else AGAIN_VIDEO), *AGAIN_AUDIO),
        )
        try:
            await feeder.start()
        except (OSError, RuntimeError) as error:
            return _unfed(f"The site cannot start ffmpeg: {error}")
        moving = asyncio.create_task(_move(reader, feeder, writer), name="picture from a page")
        ending = asyncio.create_task(feeder.wait(), name="end of ffmpeg")
        try:
            await asyncio.wait((moving, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(moving)
            await feeder.aclose()
        words = await ending
        logger.info("a picture from a page is over: %s", words or "it was ended there")
        return {"detail": words if feeder.was_refused else UNUSABLE.format(words), "is_refused": feeder.was_refused}


def _unfed(detail: str) -> dict[str, str | bool]:
    return {"detail": detail, "is_refused": False}


async def _move(reader: asyncio.StreamReader, feeder: Feeder, writer: asyncio.StreamWriter) -> None:
    """Hand over what comes, to its end."""
    now = asyncio.get_running_loop().time
    taken, said_at = 0, now()
    with contextlib.suppress(OSError):  # the node has gone, or is silent
        while data := await asyncio.wait_for(reader.read(READ_BYTES), SILENT_SECONDS):
            await feeder.write(data)
            taken += len(data)
            if now() - said_at >= TAKEN_SECONDS:
                said_at = now()
                writer.write(b'{"taken":%d}\n' % taken)
                await writer.drain()
