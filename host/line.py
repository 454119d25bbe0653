"""A line between two places: a TCP proxy with a delay, which can be cut. For `manage.py regions` and for tests.

Standard library only. `manage.py regions --link-ms` puts one between two regions of one machine.
"""

from __future__ import annotations

import asyncio

CHUNK_BYTES = 65_536
WAITING_MAX_CHUNKS = 1_024  # on the line, one way


class Line:
    """Listens on `host` and carries each connection to `to`, with `delay_seconds` each way.

    `cut` drops the bytes to the target, those that come back, or both. As with a router that has lost a route, neither
    end gets an error. Bytes that were on the line are lost, so their connections end when the line is mended.
    """

    def __init__(self, to: tuple[str, int], *, delay_seconds: float = 0.0) -> None:
        self.to = to
        self.delay_seconds = delay_seconds
        self._is_cut = {"there": False, "back": False}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._spoilt: set[asyncio.StreamWriter] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> tuple[str, int]:
        """Listen; return where. Raises OSError."""
        self._server = await asyncio.start_server(self._accept, host, port)
        found: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return found

    async def aclose(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted connections end in the loop's next turn

    def cut(self, *, there: bool = True, back: bool = True) -> None:
        """Drop all bytes, or those of one direction."""
        self._is_cut = {"there": there, "back": back}

    def mend(self) -> None:
        """Carry again. Connections that have lost bytes end."""
        self.cut(there=False, back=False)
        for writer in self._spoilt:
            writer.transport.abort()
        self._spoilt.clear()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own. The one that asyncio makes of a coroutine logs an error when it is cancelled.
        task = asyncio.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends = [writer]
        try:
            there, back = await asyncio.open_connection(*self.to)
            ends.append(back)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry(reader, back, "there"))
                tasks.create_task(self._carry(there, writer, "back"))
        except* OSError:
            pass
        finally:
            for end in ends:
                end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        """Carry one direction until its end, each chunk after its delay. Later chunks do not wait for it."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_MAX_CHUNKS)

        async def arrive() -> None:
            while True:
                due_at, data = await waiting.get()
                await asyncio.sleep(due_at - loop.time())
                if self._is_cut[direction]:
                    self._spoilt.add(writer)
                    continue
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        arriving = asyncio.create_task(arrive())
        try:
            data = b"-"
            while data:
                data = await reader.read(CHUNK_BYTES)
                await waiting.put((loop.time() + self.delay_seconds, data))
            await arriving
        finally:
            arriving.cancel()
            self._spoilt.discard(writer)
