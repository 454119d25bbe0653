"""The running site, from its first server to its last. Called by `manage.py serve`, which is `./run`.

Order of the start: the fork server, which imports what all programs share; servers; then nodes, while another program
looks after the database; workers when the nodes serve. This process itself knows the settings, and no other part of
Django: it only ticks, and memory is dear.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import http.client
import os
import shlex
import signal
import socket
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from host import embedded, preparation, programs
from host.certificates.kept import CertificateOrder, KeptCertificate
from host.certificates.renewal import CertificateRenewal
from host.errors import ServersError, explain
from host.forks import ForkServer
from host.processes import Child
from host.supervisor import LogStream, Supervisor, until_asked
from host.waiting import until
from web.pictures import keep_folder

BACKLOG = 4_096
READY_CHECK_SECONDS = 0.05
READY_ANSWER_SECONDS = 5.0
SLOW_SECONDS = 60.0
# A wrapper may pass on a Ctrl-C that the terminal has already sent to us.
SAME_SIGNAL_SECONDS = 1.0
RTMP_NAMES = ("LIVE_RTMP_HOST", "LIVE_RTMP_PORT")
PAGE_NAMES = ("LIVE_PAGE_HOST", "LIVE_PAGE_PORT")
SRT_NAMES = ("LIVE_RTMP_HOST", "LIVE_SRT_PORT")
TLS_NAMES = ("HOST", "LIVE_TLS_PORT")
RELAY_NAMES = ("LIVE_RELAY_HOST", "LIVE_RELAY_PORT")
LOW_PORT_ADVICE = (
    ". Ports below 1024 need a right: sysctl -w net.ipv4.ip_unprivileged_port_start=80,"
    " or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit of systemd"
)
# Valkey's advice about saving to disk, which this one never does.
HIDDEN_LINES = ("Memory overcommit must be enabled",)


def serve(claim: embedded.Ownership) -> None:
    """Start the whole site and keep it running until a signal asks to stop.

    Raises ServersError, ImproperlyConfigured when it cannot start: one line each.
    """
    # First of all, because its imports take longest; and before there are threads.
    with (
        contextlib.closing(ForkServer(_set_up_django)) if sys.platform == "linux" else contextlib.nullcontext() as forks
    ):
        _serve(claim, forks)


def _set_up_django() -> str | None:
    try:
        django.setup(set_prefix=False)
    except Exception as error:
        if reason := explain(error):
            return reason
        raise
    return None


def _serve(claim: embedded.Ownership, forks: ForkServer | None) -> None:
    # Checked once here. Otherwise each node and the relay fail with the same message again and again.
    keep_folder()
    if settings.DOMAIN:
        _have_certificate()
    if settings.LIVE_TLS_CERT is not None:
        from realtime.edge.certificates import own_certificate

        own_certificate()
    with (
        contextlib.closing(listen(settings.HOST, settings.PORT)) as listening,
        contextlib.ExitStack() as stack,
        open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as output,
        contextlib.closing(LogStream(output, coloured=output.isatty())) as stream,
    ):
        secure = None
        if settings.LIVE_TLS_CERT is not None:
            secure = stack.enter_context(listen(settings.HOST, settings.LIVE_TLS_PORT, names=TLS_NAMES))
        _check_other_ports()
        asyncio.run(_Site(claim, listening, secure, stream, forks).run())


def _have_certificate() -> None:
    from host.certificates.own import have_certificate

    kept = KeptCertificate(settings.DATA_DIR)
    try:
        have_certificate(kept, settings.DOMAIN)
    except OSError as error:
        raise ImproperlyConfigured(f"DOMAIN: no certificate can be kept in {kept.folder}: {error.strerror}") from error


def _check_other_ports() -> None:
    """Raises ImproperlyConfigured if somebody has a port that a program of the site will listen on, or we ourselves."""
    if settings.LIVE_PEERS or "LIVE_RELAY_HOST" in os.environ:
        listen(settings.LIVE_RELAY_HOST, settings.LIVE_RELAY_PORT, names=RELAY_NAMES).close()
    if settings.LIVE_RTMP_PORT:
        listen(settings.LIVE_RTMP_HOST, settings.LIVE_RTMP_PORT, names=RTMP_NAMES).close()
    if settings.LIVE_RTMP_PORT and settings.LIVE_SRT_PORT:
        udp = socket.SOCK_DGRAM
        listen(settings.LIVE_RTMP_HOST, settings.LIVE_SRT_PORT, names=SRT_NAMES, kind=udp).close()
    if settings.LIVE_RTMP_PORT and settings.LIVE_PAGE_PORT:
        listen(settings.LIVE_PAGE_HOST, settings.LIVE_PAGE_PORT, names=PAGE_NAMES).close()


class _Site:
    """One run of the site, from the first server to the last."""

    def __init__(
        self,
        claim: embedded.Ownership,
        listening: socket.socket,
        secure: socket.socket | None,
        stream: LogStream,
        forks: ForkServer | None,
    ) -> None:
        self._claim = claim
        self._listening = listening
        self._secure = secure
        self._stream = stream
        self._forks = forks
        self._nodes = [f"node-{number}" for number in range(1, settings.LIVE_NODES + 1)]
        self._stop_asked = asyncio.Event()
        self._stop_asked_at = 0.0
        self._hurry_asked = asyncio.Event()

    async def run(self) -> None:
        """Run until a signal asks to stop. Raises ServersError when the embedded servers do not start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ask_to_stop)
        async with Supervisor(self._stream, hidden=HIDDEN_LINES, forks=self._forks) as self._supervisor:
            try:
                await until_asked(self._work(), self._stop_asked)
            finally:
                await self._stop()

    def _ask_to_stop(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._stop_asked.is_set():
            self._stop_asked.set()
            self._stop_asked_at = now
            self._supervisor.say("stopping (once more: at once)")
        elif now - self._stop_asked_at > SAME_SIGNAL_SECONDS:
            self._hurry_asked.set()

    async def _work(self) -> None:
        """Start everything, print when it serves, and keep the demo broadcast running."""
        folder = self._claim.folder
        wanted = {"postgres": "DATABASE_URL" not in os.environ, "valkey": "REDIS_URL" not in os.environ}
        servers = await asyncio.to_thread(functools.partial(embedded.servers, folder, **wanted))
        children = [await self._supervisor.start(server.program) for server in servers]
        if self._forks is not None:
            self._supervisor.hear_forks(self._forks)
            await self._wait_for_forks(self._forks)
        await asyncio.gather(*map(self._wait_for_server, servers, children))
        self._claim.servers_are_ready()
        if preparation.is_prepared(folder):
            await asyncio.gather(self._prepare(), self._start_nodes())
        else:
            await self._prepare()
            await self._start_nodes()
            preparation.remember_prepared(folder)
        if settings.LIVE_RTMP_PORT:
            await self._supervisor.start(programs.ingest())
        await self._supervisor.start(programs.demo())
        await self._wait_until_ready()
        await self._announce()
        # Not sooner: their start delays that of the nodes, and nodes can serve without them, only later.
        await self._supervisor.start(programs.dispatcher())
        await self._supervisor.start(programs.jobs())
        if settings.LIVE_PEERS:
            await self._supervisor.start(programs.relay())
        if settings.DOMAIN:
            # Not sooner: the nodes answer what the authority asks.
            await self._renewal().run()
        await self._stop_asked.wait()

    async def _wait_for_forks(self, forks: ForkServer) -> None:
        """Raises ImproperlyConfigured when Django cannot be set up."""
        with contextlib.suppress(OSError):  # it has ended: programs are started without it
            if reason := await forks.ready():
                raise ImproperlyConfigured(reason)

    async def _prepare(self) -> None:
        """Raises ServersError when the database cannot be prepared."""
        program = programs.preparation()
        if await self._supervisor.run(program):
            *_, why = ["it was stopped", *self._supervisor.last_lines(program.name).splitlines()]
            raise ServersError(why.removeprefix("liveplatform: "))

    def _renewal(self) -> CertificateRenewal:
        order = CertificateOrder(settings.LIVE_ACME_DIRECTORY, tuple(settings.DOMAIN))
        return CertificateRenewal(self._supervisor, order, KeptCertificate(settings.DATA_DIR))

    async def _start_nodes(self) -> None:
        secure = self._secure.fileno() if self._secure is not None else None
        for name in self._nodes:
            await self._supervisor.start(programs.node(name, self._listening.fileno(), secure))

    async def _wait_for_server(self, server: embedded.EmbeddedServer, child: Child) -> None:
        output = functools.partial(self._supervisor.last_lines, server.program.name)
        await asyncio.to_thread(embedded.wait_until_answers, server, child, output)

    async def _wait_until_ready(self) -> None:
        reason = ""

        async def is_ready() -> bool:
            nonlocal reason
            reason = await asyncio.to_thread(_ask_ready, self._listening)
            return not reason

        def say_why() -> None:
            self._supervisor.say(f"not ready after {SLOW_SECONDS:g} s, still waiting: {reason}")

        saying = asyncio.get_running_loop().call_later(SLOW_SECONDS, say_why)
        try:
            await until(is_ready, every_seconds=READY_CHECK_SECONDS)
        finally:
            saying.cancel()

    async def _announce(self) -> None:
        """Print the site's address and, if it had no administrator so far, how to sign in."""
        if settings.DOMAIN:
            url = settings.LIVE_URL
        elif self._secure is None:
            url = f"http://{_shown_host()}:{self._listening.getsockname()[1]}"
        else:
            url = f"https://{_shown_host()}:{self._secure.getsockname()[1]}"
        text = f"\n  Ready: {url}/\n"
        if settings.DOMAIN:
            text += _certificate_state()
        if password := preparation.first_password(self._claim.folder, keep=not self._stream.is_terminal):
            text += self._first_sign_in(url, password)
        self._stream.plain(f"{text}  Data: {self._claim.folder} · Stop: Ctrl-C\n\n")

    def _first_sign_in(self, url: str, password: str) -> str:
        """Return how to sign in. Only a terminal gets the password itself: other outputs are kept as logs."""
        head = f"  Sign in at {url}/admin/ as admin with the password"
        change = f"choose another with {_with_same_data()}./run manage.py changepassword admin\n"
        if self._stream.is_terminal:
            return f"{head} {password}\n  It is shown this once; {change}"
        kept = self._claim.folder / preparation.PASSWORD
        return f"{head} in {kept}\n  Only you can read that file. Delete it when you have signed in; {change}"

    async def _stop(self) -> None:
        """Stop in an order that loses nothing: first nodes, which take requests; then workers, which pass events on;
        servers last.
        """
        await self._stop_programs(["certificate", "database"])
        await self._stop_programs(self._nodes)
        await self._stop_programs(["demo"])
        await self._stop_programs(["ingest"])
        await self._stop_programs(["dispatcher", "jobs", "relay"])
        # Never by force: PostgreSQL stops fast by itself, and then has nothing to recover.
        await self._supervisor.stop(["valkey", "postgres"])

    async def _stop_programs(self, names: Iterable[str]) -> None:
        gently = asyncio.create_task(self._supervisor.stop(names))
        hurried = asyncio.create_task(self._hurry_asked.wait())
        await asyncio.wait({gently, hurried}, return_when=asyncio.FIRST_COMPLETED)
        if not gently.done():
            await self._supervisor.stop(names, hurry=True)
        hurried.cancel()
        await gently


# Sockets


def listen(
    host: str,
    port: int,
    *,
    names: tuple[str, str] = ("HOST", "PORT"),
    kind: socket.SocketKind = socket.SOCK_STREAM,
) -> socket.socket:
    """Return the socket that every node accepts from. Raises ImproperlyConfigured naming the variable at fault."""
    try:
        found = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ImproperlyConfigured(f"{names[0]}: {host} is no address of this machine: {error.strerror}") from error
    family, _, _, _, address = found[0]
    listening = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6 and host == "::":
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if kind == socket.SOCK_STREAM:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        if kind == socket.SOCK_STREAM:
            listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise ImproperlyConfigured(f"{names[0]}: {host} is no address of this machine") from error
        advice = LOW_PORT_ADVICE if error.errno == errno.EACCES and port < 1024 else ""
        raise ImproperlyConfigured(f"{names[1]}: cannot listen on {host}:{port}: {error.strerror}{advice}") from error
    return listening


def _certificate_state() -> str:
    """Return what there is of a certificate, and where to look for more."""
    from host.certificates.own import read_certificate

    found = read_certificate(KeptCertificate(settings.DATA_DIR).file)
    asked = urlsplit(settings.LIVE_ACME_DIRECTORY).netloc
    if found is not None and not found.is_own:
        ends = datetime.fromtimestamp(found.ends_at, UTC)
        return f"  Certificate: until {ends:%Y-%m-%d}, renewed by itself ({asked})\n"
    return (
        f"  Certificate: none yet. {asked} is asked for one; by setting DOMAIN you agree to its terms.\n"
        "  Lines of `certificate` say how it goes. Until then browsers warn of the site.\n"
    )


def _shown_host() -> str:
    return "localhost" if settings.HOST in ("127.0.0.1", "0.0.0.0", "::", "::1") else settings.HOST


def _with_same_data() -> str:
    """Return the variables that a command needs to act on this site: without them it finds other data."""
    folder = os.environ.get("LIVE_DATA_DIR")
    database = "DATABASE_URL=… " if "DATABASE_URL" in os.environ else ""
    return database + (f"LIVE_DATA_DIR={shlex.quote(folder)} " if folder else "")


def _ask_ready(listening: socket.socket) -> str:
    """Ask /readyz. Returns "" when the site is ready, else why it is not."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    asking = http.client.HTTPConnection(host, port, timeout=READY_ANSWER_SECONDS)
    try:
        asking.request("GET", "/readyz")
        answer = asking.getresponse()
        text = answer.read(1_024).decode(errors="replace")
        return "" if answer.status == 200 else f"/readyz answered {answer.status} {text}"
    except (OSError, http.client.HTTPException) as error:
        return f"/readyz: {error}"
    finally:
        asking.close()
