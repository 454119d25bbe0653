"""Starts the site's Python programs as forks of a process that has imported their libraries. Used by tests.sites.

A run of the suite starts some hundreds of nodes, workers and commands, and most of what a start costs are imports. One
fork server of the run has imported the libraries. A site has another, a fork of that one, which has imported the site's
code too, with the site's environment. What starts a site as its users do (`./run`, the files of deploy/) does not come
here.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import itertools
import json
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import setproctitle

CHECKOUT = Path(__file__).resolve().parent.parent
# They read no settings when they are imported.
LIBRARIES = (
    "asyncio.subprocess", "autobahn.twisted.websocket", "celery.apps.beat", "celery.apps.worker", "celery.bin.celery",
    "celery.concurrency.solo", "celery.fixups.django", "celery.loaders.app", "celery.worker.consumer",
    "channels.routing", "channels_redis.pubsub", "cryptography.x509", "daphne.utils", "django.contrib.admin.options",
    "django.contrib.postgres.fields", "django.contrib.staticfiles.finders", "django.core.asgi",
    "django.core.management", "django.db.backends.postgresql.base", "django.db.migrations.executor",
    "django_stubs_ext.aliases", "environs", "fido2.server", "fido2.webauthn", "httpx", "jinja2",
    "kombu.transport.redis", "orjson", "precis_i18n", "prometheus_client", "psycopg_pool", "pydantic.main",
    "pydantic.networks", "re2", "redis.asyncio", "redis.sentinel", "requests", "servestatic.media_types",
    "service_identity", "twisted.internet.ssl", "twisted.web.http", "twisted.web.resource", "uuid_utils",
)  # fmt: skip
# What the programs of a site have in common. Nothing that starts a thread or an event loop when it is imported.
OWN = ("django.contrib.admin.sites", "liveplatform.celery", "liveplatform.urls", "realtime.node.process")
OF_A_SITE = "fork server"
_lock = threading.Lock()
_numbers = itertools.count(1)
REQUEST_MAX_BYTES = 1024 * 1024
FDS_MAX = 16
FIRST_FREE_FD = 200
"""Above all that the fork server has open itself."""


def fits(env: Mapping[str, str]) -> bool:
    """Return whether a fork can have that environment. Python reads its own variables when it starts."""
    ours, asked = ({name: env[name] for name in env if name.startswith("PYTHON")} for env in (os.environ, env))
    return ours == asked


class Forked:
    """A Python program of this checkout that was forked: `python -u -m NAME …` or `python manage.py …`.

    It has as much of `subprocess.Popen` as its users need.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        output: IO[bytes],
        errors: IO[bytes] | None = None,
        fds: Sequence[int] = (),
        address: str = "",
    ) -> None:
        """`address`: of the fork server that the program is a fork of, else it is that of the run."""
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with _lock:
            self._server.connect(address or _fork_server())
        request = json.dumps({"argv": argv[1:], "env": dict(env), "fds": [1, 2, *fds]})
        given = [output.fileno(), (errors or output).fileno(), *fds]
        socket.send_fds(self._server, [request.encode()], given)
        self.pid: int = json.loads(self._server.recv(64))
        self.returncode: int | None = None
        self.args = argv
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        return self._wait(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises subprocess.TimeoutExpired."""
        code = self._wait(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        return code

    def _wait(self, timeout: float | None) -> int | None:
        with self._lock:
            if self.returncode is None and select.select([self._server], [], [], timeout)[0]:
                # Without an answer the fork server was killed, and the program with it.
                self.returncode = json.loads(self._server.recv(64) or b"-9")
                self._server.close()
            return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def run(argv: Sequence[str], *, env: Mapping[str, str], address: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as `subprocess.run(…, capture_output=True, text=True)` does."""
    with open(os.memfd_create("output"), "w+b") as output, open(os.memfd_create("errors"), "w+b") as errors:
        code = Forked(argv, env=env, output=output, errors=errors, address=address).wait()
        written = [_text(output), _text(errors)]
    return subprocess.CompletedProcess(list(argv), code, *written)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


class SiteServer:
    """The fork server of a site: its forks have the site's environment. It ends when it is closed."""

    def __init__(self, env: Mapping[str, str], log: IO[bytes]) -> None:
        self.env = dict(env)
        self.address = f"\0liveplatform-forks-{os.getpid()}-{next(_numbers)}"
        self._ours, theirs = socket.socketpair()
        with theirs:
            argv = [sys.executable, OF_A_SITE, self.address[1:], str(theirs.fileno())]
            self._process = Forked(argv, env=env, output=log, fds=[theirs.fileno()])
        assert self._ours.recv(1) == b"+", "the fork server of the site did not start"

    def close(self) -> None:
        """End it, and its forks."""
        self._ours.close()
        self._process.wait()


@functools.cache
def _fork_server() -> str:
    """Start the fork server of this process, and return where it listens. It ends when this process does."""
    ours, theirs = socket.socketpair()
    name = f"liveplatform-forks-{os.getpid()}"
    theirs.set_inheritable(True)
    with theirs:
        argv = [sys.executable, "-u", __file__, name, str(theirs.fileno())]
        os.posix_spawn(sys.executable, argv, os.environ, setsid=True)
    assert ours.recv(1) == b"+", "the fork server did not start"
    ours.detach()  # open as long as this process lives
    return f"\0{name}"


class _Server:
    """Forks what it is asked for. Single-threaded, so a fork copies a process in order."""

    def __init__(self, name: str, parent: socket.socket) -> None:
        self._parent = parent
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listening.bind(f"\0{name}")
        self._listening.listen(64)
        self._wake, wakes = socket.socketpair()
        wakes.setblocking(False)
        self._wake.setblocking(False)
        self._own = [parent, self._listening, self._wake, wakes]
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        self._selector = selectors.DefaultSelector()
        for each in (parent, self._listening, self._wake):
            self._selector.register(each, selectors.EVENT_READ)
        self._clients: dict[int, socket.socket] = {}

    def serve(self) -> dict[str, Any] | None:
        """Serve until the parent ends (None). In a fork: return what it has to run."""
        self._parent.send(b"+")
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._parent:
                    return None
                if key.fileobj is self._listening:
                    if request := self._fork():
                        return request
                elif key.fileobj is self._wake:
                    self._bury()

    def _fork(self) -> dict[str, Any] | None:
        client, _ = self._listening.accept()
        data, fds, _, _ = socket.recv_fds(client, REQUEST_MAX_BYTES, FDS_MAX)
        request: dict[str, Any] = json.loads(data)
        own_pid = os.getpid()
        pid = os.fork()
        if pid == 0:
            from host.forks import end_with  # main() makes it importable

            end_with(own_pid, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            self._selector.close()
            for each in (*self._own, *self._clients.values(), client):
                each.close()
            _become(request, fds)
            return request
        for fd in fds:
            os.close(fd)
        self._clients[pid] = client
        client.send(json.dumps(pid).encode())
        return None

    def _bury(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)
        for pid in list(self._clients):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with self._clients.pop(pid) as client, contextlib.suppress(OSError):
                    client.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())


def _become(request: Mapping[str, Any], fds: Sequence[int]) -> None:
    """Make a fresh fork look as if it had been started: session, signals, descriptors, environment, arguments."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    high = [os.dup2(fd, FIRST_FREE_FD + place) for place, fd in enumerate(fds)]
    os.closerange(3, FIRST_FREE_FD)
    for source, target in zip(high, request["fds"], strict=True):
        os.dup2(source, target)
        os.close(source)
    setproctitle.setproctitle(" ".join([sys.executable, *request["argv"]]))  # the load test asks which is a node
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()


def _run(argv: Sequence[str]) -> None:
    if argv[0] == OF_A_SITE:
        _serve_site(*argv[1:])
    elif argv[0] == "manage.py":
        sys.argv = list(argv)
        runpy.run_path(str(CHECKOUT / "manage.py"), run_name="__main__")
    else:
        _, _, module, *arguments = argv
        sys.argv = [module, *arguments]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _serve_site(name: str, fd: str) -> None:
    try:
        import django

        django.setup()
        for module in OWN:
            importlib.import_module(module)
    except Exception:
        traceback.print_exc()  # the programs, too, will say what is wrong
    assert len(os.listdir("/proc/self/task")) == 1, "a fork has only the thread that forks"
    _serve(name, int(fd))


def _serve(name: str, fd: int) -> None:
    """Serve as a fork server, or, in a fork of it, run what it is asked for."""
    assert "twisted.internet.reactor" not in sys.modules, "a program chooses its reactor"
    gc.collect()
    gc.freeze()  # Walking the libraries again and again takes a fork 0.1 s of its start.
    if request := _Server(name, socket.socket(fileno=fd)).serve():
        _run(request["argv"])


def main() -> None:
    os.chdir(CHECKOUT)
    sys.path[0] = str(CHECKOUT)
    from tests import passwords

    for library in LIBRARIES:
        importlib.import_module(library)
    passwords.hash_quickly()
    _serve(sys.argv[1], int(sys.argv[2]))


if __name__ == "__main__":
    main()
