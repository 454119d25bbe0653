"""The servers of a data folder for the length of a block: started and stopped, or used beside their owner."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from host.embedded.claims import Owner, Ownership, attached, claim, wait_for_attached
from host.embedded.postgres import postgres_server
from host.embedded.server import EmbeddedServer, started
from host.embedded.users import temporary_folder
from host.embedded.valkey import valkey_server
from host.errors import ServersError
from host.waiting import wait_until

ATTACH_SECONDS = 90.0


@contextlib.contextmanager
def running(
    folder: Path, *, command: str, postgres: bool = True, valkey: bool = True, alone: bool = False
) -> Iterator[None]:
    """Have the data folder's servers for the length of the block: attach to them, or start and stop them.

    `alone`: start them, and refuse those that run already. Raises ServersError, also when they do not start.
    """
    found = _claim_or_owner(folder, command, alone=alone)
    if isinstance(found, Owner):
        with attached(folder):
            yield
        return
    with contextlib.ExitStack() as stack:
        stack.callback(found.release)
        for server in servers(folder, postgres=postgres, valkey=valkey):
            stack.enter_context(started(server, folder))
        stack.push(lambda kind, *_: None if kind is KeyboardInterrupt else wait_for_attached(folder))
        found.servers_are_ready()
        yield


def _claim_or_owner(folder: Path, command: str, *, alone: bool) -> Ownership | Owner:
    """Return our claim on the folder, or the owner whose servers are ready: not with `alone`. Raises ServersError."""
    found = claim(folder, command)

    def settled() -> bool:
        nonlocal found
        if isinstance(found, Owner) and not found.ready:
            found = claim(folder, command)
        return isinstance(found, Ownership) or found.ready

    if alone and isinstance(found, Owner):
        raise ServersError(f"{folder} is in use by process {found.pid} ({found.command}): stop that first")
    if not wait_until(settled, within_seconds=ATTACH_SECONDS) and isinstance(found, Owner):
        raise ServersError(f"the embedded servers are being started by process {found.pid}, but do not come up")
    return found


@contextlib.contextmanager
def throw_away(*, postgres: bool = True, valkey: bool = True) -> Iterator[Path]:
    """Have new, empty servers for the length of the block, fast and not durable, in a folder that is then deleted.

    For tests. Raises ServersError when they do not start.
    """
    with temporary_folder() as folder, contextlib.ExitStack() as stack:
        for server in servers(folder, postgres=postgres, valkey=valkey, durable=False):
            stack.enter_context(started(server, folder))
        yield folder


def servers(folder: Path, *, postgres: bool = True, valkey: bool = True, durable: bool = True) -> list[EmbeddedServer]:
    """Return the data folder's servers, ready to start; the first time this makes the database. Needs the claim.

    `durable=False` gives up everything that survives a crash, for speed. Raises ServersError.
    """
    found = []
    if postgres:
        found.append(postgres_server(folder, durable=durable))
    if valkey:
        found.append(valkey_server(folder, durable=durable))
    return found
