"""Fixtures for the tests of host/: data folders, and `manage.py` as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TextIO

import pytest

from host import embedded
from tests import forks
from tests.sites import CHECKOUT, free_port, wait_for, without_ours

SITES = ("serve", "regions")
"""Commands that start whole sites."""

# A shell has what it starts in the background ignore Ctrl-C, and so would all commands that are started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder with nothing in it."""
    with embedded.temporary_folder() as made:
        yield made / "data"


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    return environment_of(folder)


def environment_of(folder: Path) -> dict[str, str]:
    """Return the environment of somebody who starts commands with no settings but the data folder."""
    return {**without_ours(), "LIVE_DATA_DIR": str(folder)}


class Command:
    """`manage.py` as a process: what it has printed so far, and its end."""

    def __init__(self, arguments: tuple[str, ...], env: dict[str, str]) -> None:
        self.output = ""
        self.errors = ""
        with ExitStack() as stack:
            pipes = {name: os.pipe() for name in ("output", "errors")}
            output, errors = (stack.enter_context(open(writing, "wb")) for _, writing in pipes.values())
            self.process = _process(arguments, env, output, errors)
        self._readers = [
            threading.Thread(target=self._read, args=(name, open(reading)), daemon=True)  # noqa: SIM115
            for name, (reading, _) in pipes.items()
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, stream: TextIO) -> None:
        with stream:
            for line in stream:
                setattr(self, name, getattr(self, name) + line)

    def wait_for_line(self, text: str) -> str:
        """Return the line that contains the text, as soon as it is printed."""
        wait_for(lambda: text in self.output or self.process.poll() is not None, f"{text!r} from manage.py")
        lines = [line for line in self.output.splitlines() if text in line]
        assert lines, f"manage.py ended before it printed {text!r}:\n{self.output}{self.errors}"
        return lines[0]

    def interrupt(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(120)
        for reader in self._readers:
            reader.join()
        return code

    def pids(self) -> set[int]:
        """Return the processes it has started, and theirs."""
        return _descendants(self.process.pid)


def _process(
    arguments: tuple[str, ...], env: dict[str, str], output: IO[bytes], errors: IO[bytes]
) -> subprocess.Popen[bytes] | forks.Forked:
    """Start `manage.py`: a site as its users do, other commands as forks."""
    argv = [sys.executable, "manage.py", *arguments]
    if arguments[0] not in SITES and forks.fits(env):
        return forks.Forked(argv, env=env, output=output, errors=errors)
    return subprocess.Popen(
        [sys.executable, "-u", *argv[1:]],
        cwd=CHECKOUT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
    )


@pytest.fixture
def manage(environment: dict[str, str]) -> Iterator[Callable[..., Command]]:
    """Start `manage.py` commands: `manage("migrate", PORT="8001")`. Whatever still runs is killed afterwards."""
    started: list[Command] = []

    def start(*arguments: str, **variables: str) -> Command:
        started.append(Command(arguments, {**environment, **variables}))
        return started[-1]

    yield start
    for command in started:
        command.process.kill()
        command.wait()


@pytest.fixture
def port() -> int:
    return free_port()


def command_line(pid: int) -> str:
    """Return its words with spaces between them; "" if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Return whether the process exists and is no zombie."""
    try:
        return not re.search(r"^State:\s+[ZX]", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return False


def _descendants(pid: int) -> set[int]:
    parents = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            found = re.search(r"^PPid:\s+(\d+)", status.read_text(), re.MULTILINE)
        except OSError:
            continue
        if found:
            parents[int(status.parent.name)] = int(found[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family - {pid}
