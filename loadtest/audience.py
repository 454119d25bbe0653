"""All viewers of a load test, spread over processes that watch (`watcher`). Called by `run`.

Promise: if a process dies, that is noticed at once and ends the load test. No process outlives the load test.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

from loadtest.check import Sightings, Tally
from loadtest.connection import OPENING_MAX, Counts, Watch
from loadtest.watcher import Expected, Instruction, Orders, Pipe, Report

ROOT = Path(__file__).resolve().parent.parent
TICKET_SECONDS = 10.0
END_SECONDS = 5.0
SILENCE_SECONDS = 60
"""A watcher reports every second. After this time without a report it counts as dead."""


class WatcherDied(Exception):
    """A process that watched has ended by itself. The message says in one line which process, and why."""


class _Process:
    """A started watcher, its last report, and what it writes to its standard error."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.report: Report | None = None
        self.answer: Report | None = None  # the last one that answers an instruction
        self.channel: Pipe | None = None
        self.silent_seconds = 0
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `close`)
        self._end, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from loadtest.watcher import main; main()", str(other.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=(other.fileno(),),
            )
        self.pid = self._process.pid

    async def open(self, orders: Orders) -> None:
        self.channel = await Pipe.over(self._end)
        await self.send(orders)

    async def send(self, message: object) -> None:
        """Raises WatcherDied."""
        assert self.channel
        try:
            await self.channel.send(message)
        except ConnectionError:
            raise self.death() from None

    async def listen(self, heard: Callable[[Report], None]) -> None:
        """Take its reports for ever. Raises WatcherDied."""
        assert self.channel
        while True:
            try:
                self.report = report = await self.channel.receive()
            except (EOFError, ConnectionError):
                raise self.death() from None
            self.silent_seconds = 0
            if report.answers:
                self.answer = report
            heard(report)

    def death(self) -> WatcherDied:
        """Return why it has ended: the last line that it wrote, or the exit code."""
        try:
            code: int | str = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            code = "none yet"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        # A traceback of several tasks draws frames around the errors.
        last = next((line.strip("|+- ") for line in reversed(lines) if re.search(r"\w", line)), "")
        return WatcherDied(f"{self.name} ended with exit code {code}{last and ': '}{last}")

    def close(self) -> None:
        """End it. A second time changes nothing."""
        if self.channel:
            self.channel.close()
        self._end.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()  # it has nothing to lose, and closing thousands of sockets by itself takes longer
        self._process.wait()
        self._errors.close()


class WatcherPool:
    """The viewers of all processes. Its numbers are sums over the last reports. `saw` gets what viewers have seen."""

    def __init__(
        self,
        watch: Watch,
        viewers: int,
        *,
        processes: int,
        like_pool: int,
        ticket: Callable[[], str],
        saw: Callable[[Sightings], None],
    ) -> None:
        self._ticket = ticket
        self._saw = saw
        watch = replace(watch, openings_max=max(1, OPENING_MAX // processes))
        # Each process takes every n-th viewer. So the ramp, addresses, transports and manners, which go by a viewer's
        # number, are spread in the same way in every process.
        self.orders = [
            Orders(watch, range(place, viewers, processes), like_pool, ticket()) for place in range(processes)
        ]
        self._processes: list[_Process] = []
        self._news = asyncio.Event()
        self._asking = asyncio.Lock()
        self._instructions = 0
        self._unruly = False

    async def listen(self) -> None:
        """Start the processes and take their reports until cancelled. Raises WatcherDied."""
        try:
            for place, orders in enumerate(self.orders, start=1):
                process = _Process(f"generator process {place} of {len(self.orders)}")
                self._processes.append(process)
                await process.open(orders)
            listening = [asyncio.create_task(process.listen(self._heard)) for process in self._processes]
            tasks = [*listening, *map(asyncio.create_task, (self._renew_tickets(), self._notice_silence()))]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                done.pop().result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for process in self._processes:
                process.close()
            await asyncio.sleep(0)  # the transports' own end

    def _heard(self, report: Report) -> None:
        self._saw(report.sightings)
        self._news.set()

    async def _notice_silence(self) -> None:
        """Raise WatcherDied when a process is silent. It counts its own turns, not the clock's seconds: if this process
        hung, no watcher is to blame.
        """
        while True:
            await asyncio.sleep(1.0)
            for process in self._processes:
                process.silent_seconds += 1
                if process.silent_seconds > SILENCE_SECONDS:
                    raise WatcherDied(f"{process.name} has said nothing for {SILENCE_SECONDS} s")

    async def _renew_tickets(self) -> None:
        while True:
            await asyncio.sleep(TICKET_SECONDS)
            await self.ask()

    # What it does

    async def connect(self) -> None:
        """Return when every viewer has its hello, or when nothing changes any more."""
        await self._until(lambda process: process.report is not None and process.report.is_through)

    async def set_unruly(self, unruly: bool) -> None:
        """Let slow and flapping viewers begin to behave as such, or make them steady. Return when all have heard it."""
        self._unruly = unruly
        await self.ask()

    async def ask(self, expected: Expected | None = None) -> tuple[int, int]:
        """Have every process report now. Return how many events and like totals of `expected` viewers have not seen."""
        async with self._asking:  # otherwise the answer to the next instruction could hide the answer to this one
            number = self._instructions = self._instructions + 1
            instruction = Instruction(number, self._ticket(), self._unruly, expected)
            for process in self._processes:
                await process.send(instruction)
            await self._until(lambda process: process.answer is not None and process.answer.answers == number)
            answers = [process.answer for process in self._processes if process.answer]
            return sum(answer.lost for answer in answers), sum(answer.stale for answer in answers)

    async def _until(self, is_so: Callable[[_Process], bool]) -> None:
        """Wait until the condition holds for every process."""
        while len(self._processes) < len(self.orders) or not all(map(is_so, self._processes)):
            self._news.clear()
            await self._news.wait()

    # What it reports

    @property
    def reports(self) -> list[Report]:
        return [process.report for process in self._processes if process.report]

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def counts(self) -> Counts:
        total = Counts()
        for counts in (report.counts for report in self.reports):
            total.frames += counts.frames
            total.connected_once += counts.connected_once
            total.reconnects += counts.reconnects
            total.gone += counts.gone
            total.flaps += counts.flaps
            total.evictions += counts.evictions
            total.troubles += Counter(counts.troubles)
        return total

    def tally(self) -> Tally:
        tallies = [report.tally for report in self.reports]
        return Tally(
            doubled=sum(tally.doubled for tally in tallies),
            out_of_order=sum(tally.out_of_order for tally in tallies),
            went_back=sum(tally.went_back for tally in tallies),
            resets=sum(tally.resets for tally in tallies),
        )

    def connects_per_s(self) -> float:
        reports = self.reports
        first = min((report.first_connect_at for report in reports), default=0.0)
        last = max((report.last_connect_at for report in reports), default=0.0)
        return sum(report.counts.connected_once for report in reports) / max(1e-3, last - first)

    @property
    def connected(self) -> int:
        return sum(report.connected for report in self.reports)

    @property
    def cpu_seconds(self) -> list[float]:
        """CPU seconds of each process."""
        return [report.cpu_seconds for report in self.reports]

    @property
    def rss_bytes(self) -> int:
        return sum(report.rss_bytes for report in self.reports)
