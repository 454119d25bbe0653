"""Keeps the processes of a site alive and makes one log stream of their output. Used by `serve`.

One asyncio task for each program starts it, starts it again when it ends, and waits longer after each try that fails at
once. Nothing here waits for a terminal that has stopped reading: the stream then drops lines and reports their number.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import IO, Any, Protocol

from host.forks import ForkServer, bury_orphans
from host.processes import Child, Program

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0
# A program that ran this long has not failed at once.
STEADY_SECONDS = 30.0
STREAM_MAX_LINES = 10_000
LAST_LINES = 20
LAST_WORDS_SECONDS = 1.0
LINE_MAX_BYTES = 16_384
NAME_WIDTH = 11
_READ_BYTES = 65_536
_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93)


class LogLines(Protocol):
    """Where lines of processes go."""

    def line(self, name: str, text: str, /) -> None:
        """Add a line. Never blocks for long."""


class LogStream:
    """Lines of several processes on one output, each with the time (UTC) and the name of its process.

    A thread of its own writes; when it cannot keep up, lines are dropped and counted.
    """

    def __init__(self, output: IO[bytes], *, coloured: bool, name_width: int = NAME_WIDTH) -> None:
        """`output` is unbuffered: a buffer would write again what could not be written."""
        self._output = output
        self._coloured = coloured
        self._name_width = name_width
        self._colours: dict[str, int] = {}
        self._lines: queue.Queue[str | None] = queue.Queue(STREAM_MAX_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    @property
    def is_terminal(self) -> bool:
        """Whether the lines go to a terminal, which keeps nothing, and not into a log."""
        return self._output.isatty()

    def line(self, name: str, text: str) -> None:
        """Add a line. Never blocks."""
        stamp = time.strftime("%H:%M:%SZ", time.gmtime())
        head = f"{stamp} {name:<{self._name_width}} |"
        if self._coloured:
            colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
            head = f"\x1b[{colour}m{head}\x1b[0m"
        self._put(f"{head} {text}\n")

    def plain(self, text: str) -> None:
        """Add text as it is, without time and name."""
        self._put(text)

    def _put(self, text: str) -> None:
        try:
            self._lines.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        while (text := self._lines.get()) is not None:
            if self._dropped:
                text = f"… {self._dropped} lines dropped here: this output was not read\n{text}"
                self._dropped = 0
            rest = text.encode(errors="replace")
            # The reader has gone; the site goes on without one.
            with contextlib.suppress(OSError, ValueError):
                while rest:
                    rest = rest[self._output.write(rest) :]

    def close(self) -> None:
        """Write what is left, if there is still a reader."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
            self._thread.join(timeout=1.0)


class Lines:
    """Cuts the bytes of a child's output into lines of bounded length."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._line(line)
        while len(self._rest) > LINE_MAX_BYTES:
            self._line(self._rest[:LINE_MAX_BYTES])
            self._rest = self._rest[LINE_MAX_BYTES:]

    def flush(self) -> None:
        if self._rest:
            self._line(self._rest)
            self._rest = b""

    def _line(self, line: bytes) -> None:
        self._emit(line.decode(errors="replace").rstrip())


class _Kept:
    """A program that is kept running: its child of the moment and the task that keeps it."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.child: Child | None = None
        self.ended = asyncio.Event()
        self.read = asyncio.Event()
        self.unwanted = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class Supervisor:
    """Runs programs until they are stopped. An async context manager: its end kills all that still run.

    Lives in the main thread of the process: it watches SIGCHLD.
    """

    def __init__(self, stream: LogLines, *, hidden: Sequence[str] = (), forks: ForkServer | None = None) -> None:
        """`hidden`: lines that contain one of these texts are not shown. `forks`: what starts programs by `fork`."""
        self._stream = stream
        self._forks = forks
        self._adopts = forks is not None
        self._hearing: asyncio.Task[None] | None = None
        self._hidden = tuple(hidden)
        self._kept: dict[str, _Kept] = {}
        self._last_lines: dict[str, deque[str]] = {}

    async def __aenter__(self) -> Supervisor:
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGCHLD, self._look)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop([*self._kept], hurry=True)
        if self._hearing is not None:
            self._hearing.cancel()
        self._loop.remove_signal_handler(signal.SIGCHLD)

    async def start(self, program: Program) -> Child:
        """Start a program and keep it running. Raises OSError."""
        kept = _Kept(program)
        child = await self._run(kept)
        self._kept[program.name] = kept
        kept.task = asyncio.create_task(self._keep(kept), name=program.name)
        return child

    async def run(self, program: Program) -> int | None:
        """Run a program once, to its end, and return its exit code. Raises OSError."""
        child = await self.start(program)
        kept = self._kept[program.name]
        kept.unwanted.set()
        await kept.ended.wait()
        await self._stop(kept, hurry=False)
        return child.exit_code()

    def hear_forks(self, forks: ForkServer) -> None:
        """Show what the fork server writes, and say when it has ended."""
        read = asyncio.Event()
        self._hear(Program("forks", ()), forks.output, read)
        self._hearing = asyncio.create_task(self._until_forks_end(read))

    async def _until_forks_end(self, read: asyncio.Event) -> None:
        await read.wait()
        self._give_up_forks()

    async def stop(self, names: Iterable[str], *, hurry: bool = False) -> None:
        """Stop programs, all at the same time, each within its own `stop_seconds`; with `hurry` by force."""
        await asyncio.gather(*(self._stop(self._kept[name], hurry=hurry) for name in names if name in self._kept))

    def last_lines(self, name: str) -> str:
        """Return the last lines that a program has written."""
        return "\n".join(self._last_lines.get(name, ()))

    def say(self, text: str) -> None:
        """Add a line of the site's own."""
        self._stream.line("site", text)

    async def _stop(self, kept: _Kept, *, hurry: bool) -> None:
        kept.unwanted.set()
        if kept.child and not kept.ended.is_set():
            if not hurry:
                kept.child.ask_to_stop()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(kept.ended.wait(), kept.program.stop_seconds)
            if not kept.ended.is_set():
                if not hurry:
                    self.say(f"{kept.program.name} does not stop: ending it by force")
                kept.child.send(signal.SIGKILL)
                await kept.ended.wait()
        if kept.task:
            kept.task.cancel()  # it may be waiting for the fork server
            await asyncio.wait([kept.task])
        # Its last words.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(kept.read.wait(), LAST_WORDS_SECONDS)
        self._kept.pop(kept.program.name, None)

    async def _keep(self, kept: _Kept) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = self._loop.time()
            await kept.ended.wait()
            if kept.unwanted.is_set() or (kept.program.may_end and kept.child and kept.child.exit_code() == 0):
                return
            if self._loop.time() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self.say(f"{kept.program.name} ended {_how(kept.child)}: starting it again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(kept.unwanted.wait(), pause)
            if kept.unwanted.is_set():  # perhaps in the very turn of the loop in which the pause ended
                return
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            try:
                if kept.program.again is not None:
                    kept.program = await kept.program.again()
                await self._run(kept)
            except OSError as error:
                self.say(f"{kept.program.name} cannot be started: {error}")
                kept.child = None

    async def _run(self, kept: _Kept) -> Child:
        reading, writing = os.pipe()
        try:
            child = await self._forked(kept.program, writing) or Child(kept.program, writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        kept.child, kept.ended, kept.read = child, asyncio.Event(), asyncio.Event()
        self._hear(kept.program, reading, kept.read)
        self._loop.call_soon(self._look)  # a fork may have ended before we knew of it
        return child

    async def _forked(self, program: Program, output: int) -> Child | None:
        """Start the program as a fork, if it can be one."""
        if self._forks is None or program.imports is None:
            return None
        try:
            return await self._forks.start(program, output)
        except OSError:
            self._give_up_forks()
            return None

    def _give_up_forks(self) -> None:
        if self._forks is not None:
            self._forks.close()
            self._forks = None
            self.say(
                "the fork server has ended: programs take more memory and start later until you start the site anew"
            )

    def _hear(self, program: Program, reading: int, read: asyncio.Event) -> None:
        os.set_blocking(reading, False)
        self._loop.add_reader(reading, self._read, reading, Lines(self._shower(program)), read)

    def _read(self, reading: int, lines: Lines, read: asyncio.Event) -> None:
        try:
            data = os.read(reading, _READ_BYTES)
        except BlockingIOError:
            return
        if data:
            lines.feed(data)
            return
        lines.flush()
        self._loop.remove_reader(reading)
        os.close(reading)
        read.set()

    def _shower(self, program: Program) -> Callable[[str], None]:
        name = program.name
        last = self._last_lines[name] = deque(maxlen=LAST_LINES)

        def show(line: str) -> None:
            for secret in program.secrets:
                line = line.replace(secret, "…")
            if line and not any(part in line for part in self._hidden):
                last.append(line)
                self._stream.line(name, line)

        return show

    def _look(self) -> None:
        """Find the children that have ended: one SIGCHLD may stand for several."""
        for kept in self._kept.values():
            if kept.child and not kept.ended.is_set() and kept.child.exit_code() is not None:
                kept.ended.set()
        if self._adopts:
            bury_orphans({kept.child.pid for kept in self._kept.values() if kept.child})


async def until_asked(work: Coroutine[Any, Any, None], asked: asyncio.Event) -> None:
    """Run the work until it ends or the event is set. Raises what it raises."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        working.cancel()
        waiting.cancel()


def _how(child: Child | None) -> str:
    code = child.exit_code() if child else None
    if code is None:
        return "at once"
    if code < 0:
        return f"by {signal.Signals(-code).name}"
    return f"with exit code {code}"
