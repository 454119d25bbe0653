"""Ports and passwords of the embedded servers: made at first use and kept in `servers.json`."""

from __future__ import annotations

import json
import secrets
import socket
from pathlib import Path
from typing import Any

from host.embedded.folder import NAME, write_private
from host.errors import ServersError, reason

PORTS = (20_000, 32_000)


def database_url(folder: Path) -> str:
    """Return the URL of the data folder's PostgreSQL, running or not. Raises ServersError."""
    address = addresses(folder)["postgres"]
    return f"postgresql://{NAME}:{address['password']}@127.0.0.1:{address['port']}/{NAME}"


def redis_url(folder: Path) -> str:
    """Return the URL of the data folder's Valkey, running or not. Raises ServersError."""
    address = addresses(folder)["valkey"]
    return f"redis://:{address['password']}@127.0.0.1:{address['port']}/0"


def addresses(folder: Path) -> dict[str, Any]:
    """Return port and password of both servers, chosen here the first time. Raises ServersError."""
    kept = folder / "servers.json"
    try:
        if not kept.exists():
            made = {name: {"port": free_port(), "password": secrets.token_hex(16)} for name in ("postgres", "valkey")}
            write_private(kept, json.dumps(made))
        found: dict[str, Any] = json.loads(kept.read_text())
    except (OSError, ValueError) as error:
        raise ServersError(f"cannot keep the embedded servers' addresses in {kept}: {reason(error)}") from error
    return found


def settle_ports(folder: Path) -> None:
    """Choose another port for a server whose kept one is taken by another program. Raises ServersError."""
    found = addresses(folder)
    taken = [address for address in found.values() if not _port_is_free(address["port"])]
    if taken:
        for address in taken:
            address["port"] = free_port()
        try:
            write_private(folder / "servers.json", json.dumps(found))
        except OSError as error:
            raise ServersError(f"cannot write to {folder}: {reason(error)}") from error


def free_port() -> int:
    """Return a port that nothing listens on."""
    # Not the system's choice: that range is also the clients', and a load test fills it.
    while not _port_is_free(port := PORTS[0] + secrets.randbelow(PORTS[1] - PORTS[0])):
        continue
    return port


def _port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
