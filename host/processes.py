"""Child processes that never outlive their parent. Used by embedded/ (servers), supervisor (the site) and the tests.

Standard library only: embedded/ needs it before settings are read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

# After SIGKILL only the kernel can delay the end.
KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, as which user, and how to stop it: `stop_signal`, then SIGKILL after `stop_seconds`."""

    name: str
    argv: tuple[str, ...]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    uid: int | None = None
    gid: int | None = None
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    fds: tuple[int, ...] = ()
    secrets: tuple[str, ...] = ()
    """What is left out of the lines that it writes."""
    again: Callable[[], Awaitable[Program]] | None = None
    """Makes what is started in its place when it ends. May raise OSError."""
    imports: tuple[str, ...] | None = None
    """What it shares with other programs of Python; None: it is not to be forked (host.forks)."""
    may_end: bool = False
    """With exit code 0 it has done its work, and is not started again."""


class Process(Protocol):
    """What a child needs of `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float, /) -> int: ...
    def send_signal(self, number: int, /) -> None: ...
    def kill(self) -> None: ...


class Child:
    """A running program.

    It leads a session of its own, so a terminal's Ctrl-C reaches the parent alone, which then stops its children
    in order. If the parent dies first, the child receives its `stop_signal`: from the kernel where `setpriv` exists
    (Linux), else from a shell that waits until the parent's end of a pipe closes.
    """

    def __init__(
        self,
        program: Program,
        output: int | IO[bytes] = subprocess.DEVNULL,
        *,
        process: Process | None = None,
    ) -> None:
        """Start it, if there is no `process` yet, which was forked. Raises OSError when the system cannot."""
        self.program = program
        self._buried = False
        self._guard: subprocess.Popen[bytes] | None = None
        self.process = process or self._started(output)

    def _started(self, output: int | IO[bytes]) -> Process:
        program = self.program
        setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
        prefix = (setpriv, "--pdeathsig", program.stop_signal.name.removeprefix("SIG"), "--") if setpriv else ()
        owner: dict[str, Any] = {}
        if program.uid is not None:
            owner = {"user": program.uid, "group": program.gid, "extra_groups": []}
        process = subprocess.Popen(
            [*prefix, *program.argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if program.env is None else dict(program.env),
            cwd=program.cwd,
            pass_fds=program.fds,
            start_new_session=True,
            **owner,
        )
        self._guard = None if setpriv else _guard(process.pid, program.stop_signal)
        return process

    @property
    def pid(self) -> int:
        return self.process.pid

    def exit_code(self) -> int | None:
        """Return the exit code (negative: the signal), or None while it runs."""
        code = self.process.poll()
        if code is not None:
            self._bury()
        return code

    def ask_to_stop(self) -> None:
        self.send(self.program.stop_signal)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program itself. It is no error if it has ended already."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    def kill(self) -> None:
        """End it and all processes that it has started, at once."""
        if self.process.poll() is None:
            self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(KILL_SECONDS)
        self._bury()

    def stop(self) -> int | None:
        """Stop it in order, by force if that takes longer than `stop_seconds`. Returns its exit code."""
        self.ask_to_stop()
        try:
            self.process.wait(self.program.stop_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
        return self.exit_code()

    def _bury(self) -> None:
        if self._buried:
            return
        self._buried = True
        # Its own children (the encoder of the ingest is one) would live on and hold its output open.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if self._guard:
            # By force: when its pipe closes the guard signals the pid, which another process may have by now.
            self._guard.kill()
            self._guard.communicate()
            self._guard = None


def _guard(pid: int, number: signal.Signals) -> subprocess.Popen[bytes]:
    """Start a shell that signals `pid` as soon as this process has ended, in any way."""
    name = number.name.removeprefix("SIG")
    return subprocess.Popen(
        ["/bin/sh", "-c", f"read _; kill -s {name} {pid}"], stdin=subprocess.PIPE, start_new_session=True
    )
