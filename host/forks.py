"""Starts Python programs as forks of one process that has imported what they need: the fork server. Linux only.

Used by host.site and by the tests. Imports are most of what a program of the site costs: 100 MB and two seconds of a
processor. Forks share that memory, as far as they do not write to it, and start at once.

A program is no child of the fork server but of the process that asked for it, to which the kernel gives orphans
(PR_SET_CHILD_SUBREAPER). So its end and exit code are seen as any child's, and it lives on when the fork server is
killed. The fork server has no threads, no connections and no event loop, and serves one request after the other.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from setproctitle import setproctitle

from host.processes import Child, Program
from host.waiting import wait_until

TITLE = "liveplatform: fork server"
REQUEST_MAX_BYTES = 1024 * 1024
ANSWER_MAX_BYTES = 16_384
FDS_MAX = 16
# Above all that a fork server has open itself.
FIRST_FREE_FD = 200
ADOPTED_SECONDS = 60.0
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_GO = b"+"


class ForkServer:
    """The fork server of this process, which starts no other. It ends with this process."""

    def __init__(self, set_up: Callable[[], str | None]) -> None:
        """Start it. Needs a process with one thread.

        `set_up`: what it does first; returns the reason if it cannot, in one line. What it writes itself can be read
        from `output`.
        """
        self.output, writing = os.pipe()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        for stream in (sys.stdout, sys.stderr):
            stream.flush()  # else the forks would write it once more
        # The collector writes to all that it looks at: memory would be shared no more.
        gc.freeze()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _end_as(lambda: _serve(theirs, writing, set_up, parent=parent))
        theirs.close()
        os.close(writing)
        self._channel.setblocking(False)

    async def ready(self) -> str | None:
        """Return when it is set up: the reason if it could not. Raises OSError if it has ended."""
        answer = await asyncio.get_running_loop().sock_recv(self._channel, ANSWER_MAX_BYTES)
        if not answer:
            raise OSError("the fork server has ended")
        reason: str | None = json.loads(answer)
        return reason

    async def start(self, program: Program, output: int) -> Child:
        """Start a program of Python. Raises OSError if the fork server has ended; then there is no program."""
        answer, theirs = socket.socketpair()
        with answer:
            answer.setblocking(False)
            with theirs:
                request = {
                    "argv": program.argv,
                    "imports": program.imports,
                    "fds": [1, 2, *program.fds],
                    "stop_signal": program.stop_signal,
                }
                given = [theirs.fileno(), output, output, *program.fds]
                socket.send_fds(self._channel, [json.dumps(request).encode()], given)
            pid = await asyncio.get_running_loop().sock_recv(answer, ANSWER_MAX_BYTES)
            if not pid:
                raise OSError("the fork server has ended")
            with contextlib.suppress(OSError):  # it has been killed, which is seen as any end
                answer.send(_GO)  # it waits for this: if we are cancelled it ends
            return Child(program, process=Adopted(int(pid)))

    def close(self) -> None:
        """End it. Programs that it has started go on."""
        if self._channel.fileno() < 0:
            return  # another process may have its number by now
        self._channel.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


class Adopted:
    """A child that this process has not started itself, with as much of `subprocess.Popen` as its users need."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        with self._lock:
            if self._code is None:
                try:
                    pid, status = os.waitpid(self.pid, os.WNOHANG)
                except ChildProcessError:  # killed before we knew of it, and buried as an orphan
                    pid, status = self.pid, signal.SIGKILL
                self._code = os.waitstatus_to_exitcode(status) if pid else None
            return self._code

    def wait(self, timeout: float) -> int:
        """Return the exit code. Raises subprocess.TimeoutExpired."""
        wait_until(lambda: self.poll() is not None, within_seconds=timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def bury_orphans(known: set[int]) -> None:
    """Take leave of dead processes that the kernel has given to us, so that they do not stay in its table.

    `known`: children whose exit code others ask for. Those that Python's subprocess waits for are in our session.
    """
    with contextlib.suppress(ChildProcessError):
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid in known or os.getsid(found.si_pid) == os.getsid(0):
                return  # they are looked at in turn: the next signal of a child's end brings us here again
            os.waitpid(found.si_pid, 0)


# In the fork server and its forks


def _serve(channel: socket.socket, output: int, set_up: Callable[[], str | None], *, parent: int) -> int:
    """Serve until the parent closes the channel. In a fork: run its program. Returns the exit code."""
    os.setsid()
    end_with(parent, signal.SIGKILL)
    channel = socket.socket(fileno=os.dup2(channel.detach(), FIRST_FREE_FD + FDS_MAX))
    with open(os.devnull, "rb") as nothing:
        for source, target in ((nothing.fileno(), 0), (output, 1), (output, 2)):
            os.dup2(source, target)
    # Locks and sockets of the parent: they must end with it.
    os.closerange(3, channel.fileno())
    # As by `python -u`.
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), errors="backslashreplace", write_through=True)
    setproctitle(TITLE)
    atexit._clear()  # what the parent does at its end
    gc.disable()  # until all is imported: a tenth of the time
    channel.send(json.dumps(set_up()).encode())
    while True:
        data, fds, _, _ = socket.recv_fds(channel, REQUEST_MAX_BYTES, FDS_MAX)
        if not data:
            return 0
        request = json.loads(data)
        for name in request["imports"]:
            with contextlib.suppress(Exception):  # the program will say what is wrong with it
                importlib.import_module(name)
        assert len(os.listdir("/proc/self/task")) == 1, "a fork has only the thread that forks"
        assert "twisted.internet.reactor" not in sys.modules, "forks would share an event loop"
        gc.freeze()
        middle = os.fork()
        if middle == 0:
            middle = os.getpid()
            if os.fork():
                os._exit(0)  # so its child is an orphan
            channel.close()
            _become(request, fds, middle=middle, parent=parent)
            gc.enable()
            return _run(request["argv"])
        os.waitpid(middle, 0)
        for fd in fds:
            os.close(fd)


def _become(request: Mapping[str, Any], fds: Sequence[int], *, middle: int, parent: int) -> None:
    """Make a fresh fork look as if it had been started: session, descriptors, title. It ends if nobody wants it."""
    os.setsid()
    wait_until(lambda: os.getppid() != middle, within_seconds=ADOPTED_SECONDS, every_seconds=0.0005)
    end_with(parent, request["stop_signal"])
    answer = socket.socket(fileno=os.dup2(fds[0], FIRST_FREE_FD + len(fds)))
    high = [os.dup2(fd, FIRST_FREE_FD + place) for place, fd in enumerate(fds[1:])]
    os.closerange(3, FIRST_FREE_FD)
    for source, target in zip(high, request["fds"], strict=True):
        os.dup2(source, target)
        os.close(source)
    setproctitle(" ".join(request["argv"]))
    with answer:
        answer.send(str(os.getpid()).encode())
        if answer.recv(1) != _GO:
            os._exit(0)


def _run(argv: Sequence[str]) -> int:
    """Run `python … -m module argument …`, given without the options of Python before `-m`."""
    _, module, *arguments = argv[argv.index("-m") :]
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _end_as(work: Callable[[], int]) -> NoReturn:
    """End this process with the exit code that the work returns, and run nothing of the process it was forked from."""
    code = 1
    try:
        code = work()
        threading._shutdown()  # type: ignore[attr-defined]  # as at any end of Python: wait for threads
        atexit._run_exitfuncs()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def end_with(parent: int, number: int) -> None:
    """Have the kernel signal this process when its parent ends."""
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(0)


def _prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
