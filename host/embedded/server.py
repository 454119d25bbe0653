"""A server of a data folder: started, waited for and stopped. Postgres and valkey say how to see that it answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from host.errors import ServersError, reason
from host.processes import Child, Program
from host.waiting import wait_until

START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A server of a data folder: what to start and how to see that it answers."""

    program: Program
    # Given the process id of the child.
    answers: Callable[[int], bool]


@contextlib.contextmanager
def started(server: EmbeddedServer, folder: Path) -> Iterator[Child]:
    """Run a server for the length of the block, its output in a file of the data folder. Raises ServersError."""
    log = folder / f"{server.program.name}.log"
    try:
        with log.open("wb") as output:
            child = Child(server.program, output)
    except OSError as error:
        raise ServersError(f"cannot start {server.program.name}: {reason(error)}") from error
    try:
        wait_until_answers(server, child, lambda: log.read_text(errors="replace"))
        yield child
    finally:
        child.stop()


def wait_until_answers(server: EmbeddedServer, child: Child, output: Callable[[], str]) -> None:
    """Return when the server answers. Raises ServersError with its last words when it ends or stays silent."""

    def answers_or_ended() -> bool:
        return server.answers(child.pid) or child.exit_code() is not None

    if not wait_until(answers_or_ended, within_seconds=START_SECONDS) or child.exit_code() is not None:
        raise ServersError(f"{server.program.name} did not start: {last_words(output())}")


def last_words(text: str) -> str:
    """Return the line of a server's output that says why it ended."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "rror", "ailed", "No space"))]
    return (telling or lines or ["no reason given"])[-1]
