"""A process that watches: its share of the viewers on one core, and a report a second.

Started by `audience` with one end of a socket pair. The two send each other pickled messages. The watcher knows only
what its viewers read. It ends when the other end closes.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any

from loadtest.acknowledger import Acknowledger
from loadtest.check import Checker, LikeCycle, Sightings, Tally
from loadtest.connection import Counts, Watch
from loadtest.machine import own_rss_bytes
from loadtest.viewers import Crowd

REPORT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Orders:
    """The first message to a watcher: the numbers of its viewers, and what they watch."""

    watch: Watch
    numbers: range
    like_pool: int
    ticket: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What every viewer must have seen by now."""

    top_seq: int
    total: int
    kinds: dict[str, int]


@dataclass(frozen=True, slots=True)
class Instruction:
    """A later message to a watcher. The watcher answers each by one report with its number."""

    number: int  # from 1
    ticket: str
    unruly: bool  # slow and flapping viewers behave as such
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a watcher reports, once a second and when asked. All but `sightings` counts from the start."""

    answers: int  # the number of the instruction; 0: nobody asked
    is_through: bool  # every viewer has its hello, or nothing changes any more
    connected: int
    first_connect_at: float
    last_connect_at: float
    counts: Counts
    tally: Tally
    sightings: Sightings  # since the last report
    cpu_seconds: float
    rss_bytes: int
    lost: int = 0  # of what the instruction expects
    stale: int = 0


class Pipe:
    """One end of the socket pair: whole messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Pipe:
        return cls(*await asyncio.open_unix_connection(sock=end))

    async def send(self, message: object) -> None:
        """Raises ConnectionError when the other end is closed."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        self._writer.write(len(data).to_bytes(8, "big") + data)
        await self._writer.drain()

    async def receive(self) -> Any:
        """Return the next message. Raises EOFError or ConnectionError when the other end is closed."""
        size = int.from_bytes(await self._reader.readexactly(8), "big")
        return pickle.loads(await self._reader.readexactly(size))

    def close(self) -> None:
        self._writer.close()


class WatcherProcess:
    """The process's one crowd, and the reports about it."""

    def __init__(self, orders: Orders, channel: Pipe) -> None:
        self._channel = channel
        self._checker = Checker(orders.watch.topic, LikeCycle(orders.like_pool))
        self._crowd = Crowd(orders.watch, orders.numbers, self._checker, ticket=orders.ticket)
        self._acknowledger = Acknowledger(self._crowd, orders.watch.addresses)
        self._is_through = False

    async def run(self) -> None:
        """Watch until the other end closes. If a task fails, all end: otherwise the other side waits for a report."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._connect())
                group.create_task(self._report_regularly())
                group.create_task(self._acknowledge_regularly())
                group.create_task(self._obey())
        except* (EOFError, ConnectionError):
            pass
        finally:
            self._crowd.close()
            self._acknowledger.close()

    async def _obey(self) -> None:
        while True:
            instruction: Instruction = await self._channel.receive()
            self._crowd.ticket = instruction.ticket
            self._crowd.unruly.set(instruction.unruly, self._crowd.viewers)
            await self._acknowledger.send()
            await self._report(instruction)

    async def _connect(self) -> None:
        await self._crowd.connect()
        gc.freeze()  # thousands of connections stay: no collection needs to look at them again
        self._is_through = True
        await self._report()

    async def _report_regularly(self) -> None:
        while True:
            # At the same moments in every process, so that their reports belong together.
            await asyncio.sleep(REPORT_SECONDS - time.monotonic() % REPORT_SECONDS)
            self._crowd.expire()
            await self._report()

    async def _acknowledge_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._crowd.acknowledge_seconds)
            await self._acknowledger.send()

    async def _report(self, instruction: Instruction | None = None) -> None:
        crowd, expected = self._crowd, instruction and instruction.expected
        await self._channel.send(
            Report(
                answers=instruction.number if instruction else 0,
                is_through=self._is_through,
                connected=crowd.connected,
                first_connect_at=crowd.first_connect_at,
                last_connect_at=crowd.last_connect_at,
                counts=crowd.counts,
                tally=self._checker.tally,
                sightings=self._checker.collect(),
                cpu_seconds=time.process_time(),
                rss_bytes=own_rss_bytes(),
                lost=crowd.lost(expected.top_seq) if expected else 0,
                stale=crowd.stale(expected.total, expected.kinds) if expected else 0,
            )
        )


async def _watch(end: socket.socket) -> None:
    channel = await Pipe.over(end)
    await WatcherProcess(await channel.receive(), channel).run()


def main() -> None:
    """Watch. The descriptor of the socket is the last argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    gc.disable()  # the cyclic collector would walk thousands of connections, and delay their reading
    asyncio.run(_watch(socket.socket(fileno=int(sys.argv[-1]))))
