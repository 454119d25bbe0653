"""Sites of real processes for tests: nodes, dispatcher, a database and a Valkey of their own."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from urllib.parse import urlsplit, urlunsplit

import psycopg
import redis
from psycopg import sql

from host import embedded, programs
from host.environment import is_ours
from host.processes import Child, Program
from tests import forks, servers, template

if TYPE_CHECKING:
    from tests.machines import Machine

CHECKOUT = Path(__file__).resolve().parent.parent
WAIT_SECONDS = 120.0
METRICS_TOKEN = "read-these-figures-57"
LOG_LINES_SHOWN = 60
FREE_PORTS = range(10_000, 32_768)
_given: set[int] = set()


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Return when the condition holds. Raises AssertionError when it does not come to hold at all."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def free_port() -> int:
    """Return a port that nobody has, of TCP or UDP.

    The system gives none of `FREE_PORTS` to a connection that goes out. So it is still free when it is used.
    """
    while True:
        port = FREE_PORTS.start + secrets.randbelow(len(FREE_PORTS))  # tests set the seed of `random`
        if port in _given:
            continue
        _given.add(port)
        with contextlib.suppress(OSError), socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port


def without_ours() -> dict[str, str]:
    """Return the environment of somebody who has set nothing of the site."""
    return {name: value for name, value in os.environ.items() if not is_ours(name)}


def answers(url: str) -> bool:
    """Return whether a GET of the URL is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


class Site:
    """A running site. `urls[i]` is the node `nodes[i]`; each process may be killed and started again."""

    def __init__(self, folder: Path, database_url: str, env: dict[str, str]) -> None:
        self.folder = folder
        self.database_url = database_url
        folder.mkdir(mode=0o711)
        servers.share_compressed(folder)
        (self.valkey_server,) = embedded.servers(folder, postgres=False, durable=False)
        self.redis_url = embedded.redis_url(folder)
        self.env = {
            **os.environ,
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "LIVE_DATA_DIR": str(folder),
            "LIVE_METRICS_TOKEN": METRICS_TOKEN,
            "LIVE_COUNT_AFTER_SECONDS": "0",  # else whoever asks for a count would wait that long
            "LIVE_PAGE_PORT": str(free_port()),
            **env,
        }
        self._fork_servers: list[forks.SiteServer] = []
        self.nodes: list[Child] = []
        self.urls: list[str] = []
        self.dispatcher: Child | None = None
        self.jobs: Child | None = None
        self.relay: Child | None = None
        self.ingest: Child | None = None
        self.valkey = self.start_valkey()

    # Processes

    def start_node(
        self,
        index: int | None = None,
        *,
        program: Callable[[str, int], Program] = programs.node,
        machine: Machine | None = None,
    ) -> str:
        """Start one more node, or a dead one again on its port; return its URL. `program` makes a node of one's own.

        `machine`: the one that its address is on.
        """
        with machine.entered() if machine else contextlib.nullcontext():
            listening = socket.socket()
        with listening:
            host = machine.address if machine else "127.0.0.1"
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, 0 if index is None else urlsplit(self.urls[index]).port))
            listening.listen(4096)
            url = f"http://{host}:{listening.getsockname()[1]}"
            name = f"node-{(len(self.nodes) if index is None else index) + 1}"
            node = self._run(program(name, listening.fileno()))
        if index is None:
            self.nodes.append(node)
            self.urls.append(url)
        else:
            self.nodes[index] = node
        return url

    def start_secure_node(self, chain: Path, key: Path) -> str:
        """Start one more node, which speaks HTTPS too; return its address there."""
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as secure:
            port = secure.getsockname()[1]
            names = {"LIVE_TLS_CERT": str(chain), "LIVE_TLS_KEY": str(key), "LIVE_TLS_PORT": str(port)}

            def program(name: str, listening_fd: int) -> Program:
                made = programs.node(name, listening_fd, secure.fileno())
                return dataclasses.replace(made, env={**self.env, **names})

            self.start_node(program=program)
        return f"https://127.0.0.1:{port}"

    def start_dispatcher(self) -> Child:
        self.dispatcher = self._run(programs.dispatcher())
        return self.dispatcher

    def kill_dispatcher(self) -> None:
        """Kill the dispatcher as a crash would: no chance to finish anything."""
        assert self.dispatcher
        self.dispatcher.kill()

    def start_jobs(self) -> Child:
        self.jobs = self._run(programs.jobs())
        return self.jobs

    def start_ingest(self) -> Child:
        """Start what takes pictures from encoders; again after a kill."""
        self.ingest = self._run(programs.ingest())
        wait_for(self._takes_pictures, "the ingest")
        return self.ingest

    def _takes_pictures(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.env["LIVE_RTMP_HOST"], int(self.env["LIVE_RTMP_PORT"]))) == 0

    def start_relay(self) -> Child:
        self.relay = self._run(programs.relay())
        return self.relay

    def start_valkey(self) -> Child:
        """Start Valkey, empty, on its port; again after a kill."""
        self.valkey = self._run(self.valkey_server.program)
        embedded.wait_until_answers(self.valkey_server, self.valkey, lambda: self._log("valkey").read_text())
        return self.valkey

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url, decode_responses=True)

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `manage.py` command against this site. With `check`, its failure is the test's."""
        done = forks.run([sys.executable, "manage.py", *arguments], env=self.env, address=self._fork_server(self.env))
        assert not check or done.returncode == 0, f"manage.py {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def wait_until_ready(self) -> None:
        """Return when every node serves and the dispatcher takes tasks."""
        for node, url in zip(self.nodes, self.urls, strict=True):
            name = node.program.name
            wait_for(functools.partial(self._ready_or_dead, node, url), f"{name} to be ready")
            assert node.exit_code() is None, f"{name} ended:\n{self._tail(self._log(name))}"
        if self.dispatcher:
            wait_for(self._dispatcher_waits, "the dispatcher")
        if self.relay:
            url = f"http://{self.env['LIVE_RELAY_HOST']}:{self.env['LIVE_RELAY_PORT']}/healthz"
            wait_for(lambda: answers(url), "the relay")

    @staticmethod
    def _ready_or_dead(node: Child, url: str) -> bool:
        return answers(f"{url}/readyz") or node.exit_code() is not None

    def _dispatcher_waits(self) -> bool:
        with self.redis() as client:
            return any(waiting["cmd"] == "brpop" for waiting in client.client_list())

    # Logs

    def log(self, name: str) -> str:
        """Return what a process (`node-1`, `dispatcher`, …) has written."""
        return self._log(name).read_text(errors="replace")

    def logs(self) -> list[tuple[str, str]]:
        """Return name and last lines of each process."""
        return [(f"log of {path.stem}", self._tail(path)) for path in sorted(self.folder.glob("*.log"))]

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _tail(self, path: Path) -> str:
        return "\n".join(path.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])

    def _run(self, program: Program) -> Child:
        with self._log(program.name).open("ab") as log:
            env = program.env or self.env
            program = dataclasses.replace(program, env=env)
            if program.argv[:3] == (*programs.PYTHON, "-m") and program.cwd == CHECKOUT and forks.fits(env):
                return _ForkedChild(program, log, self._fork_server(env))
            return Child(program, log)

    def _fork_server(self, env: Mapping[str, str]) -> str:
        """Return the address of the one that has this environment; "" if the run's has to do."""
        if not forks.fits(env):
            return ""
        for server in self._fork_servers:
            if server.env == env:
                return server.address
        with self._log("forks").open("ab") as log:
            self._fork_servers.append(forks.SiteServer(env, log))
        return self._fork_servers[-1].address

    def close(self) -> None:
        """Stop every process, each as it likes to be stopped."""
        children = [*self.nodes, *(child for child in (self.ingest, self.dispatcher, self.jobs, self.relay) if child)]
        for child in children:
            child.ask_to_stop()
        for child in [*children, self.valkey]:
            child.stop()
        for server in self._fork_servers:
            server.close()


class _ForkedChild(Child):
    def __init__(self, program: Program, output: IO[bytes], address: str) -> None:
        assert program.env is not None
        self.program = program
        self.process = cast(
            "subprocess.Popen[bytes]",
            forks.Forked(program.argv, env=program.env, output=output, fds=program.fds, address=address),
        )
        self._buried, self._guard = False, None


class SiteFactory:
    """Makes sites; their databases are copies of one that is migrated (tests.template)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._server_url = os.environ["DATABASE_URL"]
        self._prefix = f"site_{os.getpid()}"
        self._databases: list[str] = []

    def start(
        self,
        *,
        nodes: int = 2,
        env: dict[str, str] | None = None,
        jobs: bool = False,
        ingest: bool = False,
        database_url: str | None = None,
        kind: type[Site] | None = None,
    ) -> Site:
        """Start a site and return it when it is ready.

        `database_url`: of another site, which shares it. `kind`: of one's own.
        """
        number = next(self._numbers)
        database_url = database_url or self._url(self._new_database(number))
        taking = {"LIVE_RTMP_HOST": "127.0.0.1", "LIVE_RTMP_PORT": str(free_port())} if ingest else {}
        site = (kind or Site)(self._folder / str(number), database_url, {**taking, **(env or {})})
        try:
            for _ in range(nodes):
                site.start_node()
            site.start_dispatcher()
            if jobs:
                site.start_jobs()
            if ingest:
                site.start_ingest()
            if "LIVE_PEERS" in site.env:
                site.start_relay()
            site.wait_until_ready()
        except BaseException:
            site.close()
            raise
        return site

    def _new_database(self, number: int) -> str:
        name = f"{self._prefix}_{number}"
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template.migrated())))
        with psycopg.connect(self._server_url, autocommit=True) as connection:
            connection.execute(command)
        self._databases.append(name)
        return name

    def _url(self, database: str) -> str:
        return urlunsplit(urlsplit(self._server_url)._replace(path=f"/{database}"))

    def close(self) -> None:
        """Drop the databases: the server may be one that outlives the run."""
        with contextlib.closing(psycopg.connect(self._server_url, autocommit=True)) as connection:
            for name in self._databases:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
