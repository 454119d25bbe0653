"""A data folder has one owner: the process that may run its servers. Other processes attach to the servers.

Both are locks of files. A lock ends with its process, however the process ends. It also works between containers that
share the folder, where process ids mean nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from host.embedded.addresses import settle_ports
from host.embedded.folder import make_folder
from host.embedded.postgres import end_stray_postgres
from host.errors import ServersError, reason


class Ownership:
    """The right to run the servers of a data folder: a lock that ends with the process.

    The servers' addresses are settled when it is taken, so settings may be read after that.
    """

    def __init__(self, folder: Path, file: IO[str], command: str) -> None:
        self.folder = folder
        self._file = file
        self._command = command
        self._write(ready=False)
        end_stray_postgres(folder / "postgres")
        settle_ports(folder)

    def servers_are_ready(self) -> None:
        """Let waiting commands attach."""
        self._write(ready=True)

    def _write(self, *, ready: bool) -> None:
        self._file.seek(0)
        self._file.truncate()
        json.dump({"pid": os.getpid(), "command": self._command, "ready": ready}, self._file)
        self._file.flush()

    def release(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that runs the servers of a data folder now."""

    pid: int
    command: str
    ready: bool


def claim(folder: Path, command: str) -> Ownership | Owner:
    """Claim the data folder for `command`, or return its present owner. Raises ServersError."""
    try:
        make_folder(folder)
        handle = os.open(folder / "owner.json", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServersError(f"cannot use the data folder {folder}: {reason(error)}") from error
    file = os.fdopen(handle, "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return Ownership(folder, file, command)
    except BlockingIOError:
        with file:
            # The file is empty, or half, while its owner writes it.
            with contextlib.suppress(ValueError):
                return Owner(**json.load(file))
            return Owner(pid=0, command="", ready=False)
    except BaseException as error:
        file.close()
        if isinstance(error, OSError):
            raise ServersError(f"cannot use the data folder {folder}: {reason(error)}") from error
        raise


_held: Ownership | None = None


def held() -> Ownership | None:
    """Return the claim of this process while `holding` holds one: that of `manage.py serve`."""
    return _held


@contextlib.contextmanager
def holding(folder: Path, *, command: str) -> Iterator[None]:
    """Hold the data folder for the length of the block, its servers not started. Raises ServersError."""
    global _held
    found = claim(folder, command)
    if isinstance(found, Owner):
        raise ServersError(f"{folder} is in use by process {found.pid} ({found.command}): is the site running already?")
    _held = found
    try:
        yield
    finally:
        _held = None
        found.release()


@contextlib.contextmanager
def attached(folder: Path) -> Iterator[None]:
    """Use the servers of another command for the length of the block. It waits for us before it stops them."""
    with (folder / "attached.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def wait_for_attached(folder: Path) -> None:
    """Return when no other command uses the servers any more."""
    with (folder / "attached.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another command that uses the embedded servers (Ctrl-C: do not wait)", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)
