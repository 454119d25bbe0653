"""Start the whole site and keep it running: what `./run` does."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.client
import io
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import OperationalError

from liveplatform import embedded, programs
from liveplatform.supervisor import LogStream, Supervisor

BACKLOG = 4_096
READY_CHECK_SECONDS = 0.05
READY_ANSWER_SECONDS = 5.0
SLOW_SECONDS = 60.0
# Wrappers pass Ctrl-C on to a process that has received it from the terminal already.
SAME_SIGNAL_SECONDS = 1.0
DEMO_CHECK_SECONDS = 2.0
# Valkey's advice about saving to disk, which this one never does.
HIDDEN_LINES = ("Memory overcommit must be enabled",)

P = ParamSpec("P")
T = TypeVar("T")


class Command(BaseCommand):
    help = (
        "Start the whole site: embedded PostgreSQL and Valkey (unless DATABASE_URL and REDIS_URL name others), "
        "migrations, frontend nodes, dispatcher, jobs and the demo broadcast. Ctrl-C stops all of it."
    )
    # They import every page, as each node does at the same time.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        claim = embedded.held
        if claim is None:
            raise embedded.ServersError("start the site with ./run, or with manage.py serve")
        with (
            contextlib.closing(_listen(settings.HOST, settings.PORT)) as listening,
            open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as output,
            contextlib.closing(LogStream(output, coloured=output.isatty())) as stream,
        ):
            asyncio.run(_Site(claim, listening, stream).run())


class _Site:
    """One run of the site, from the first server to the last."""

    def __init__(self, claim: embedded.Claim, listening: socket.socket, stream: LogStream) -> None:
        self._claim = claim
        self._listening = listening
        self._stream = stream
        self._nodes = [f"node-{number}" for number in range(1, settings.LIVE_NODES + 1)]
        self._stop_asked = asyncio.Event()
        self._stop_asked_at = 0.0
        self._hurry_asked = asyncio.Event()

    async def run(self) -> None:
        """Run until a signal asks to stop. Raises ServersError, ImproperlyConfigured when the site cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ask_to_stop)
        async with Supervisor(self._stream, hidden=HIDDEN_LINES) as self._supervisor:
            work = asyncio.create_task(self._work())
            asked = asyncio.create_task(self._stop_asked.wait())
            try:
                await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    await work
            finally:
                work.cancel()
                asked.cancel()
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
        """Start everything, say when it serves, then look after the demo broadcast."""
        await self._start_servers()
        await _with_database(_migrate, self._supervisor.say)
        for name in self._nodes:
            self._supervisor.start(programs.node(name, self._listening.fileno()))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._broadcast_demo())
            await self._wait_until_ready()
            # Not sooner: their start would only delay the nodes', which serve without them, if a little late.
            self._supervisor.start(programs.dispatcher())
            self._supervisor.start(programs.jobs())
            await self._announce()
            # The group, and with it the site, goes on until a signal.
            await self._stop_asked.wait()

    async def _start_servers(self) -> None:
        wanted = {"postgres": not _is_given("DATABASE_URL"), "valkey": not _is_given("REDIS_URL")}
        servers = await asyncio.to_thread(functools.partial(embedded.servers, self._claim.folder, **wanted))
        waiting = []
        for server in servers:
            child = self._supervisor.start(server.program)
            output = functools.partial(self._supervisor.last_lines, server.program.name)
            waiting.append(asyncio.to_thread(embedded.wait_until_answers, server, child, output))
        await asyncio.gather(*waiting)
        self._claim.servers_are_ready()

    async def _wait_until_ready(self) -> None:
        began = asyncio.get_running_loop().time()
        patient = True
        while (reason := await asyncio.to_thread(_ask_ready, self._listening)) != "":
            if patient and asyncio.get_running_loop().time() - began > SLOW_SECONDS:
                patient = False
                self._supervisor.say(f"not ready after {SLOW_SECONDS:g} s, still waiting: {reason}")
            await asyncio.sleep(READY_CHECK_SECONDS)

    async def _announce(self) -> None:
        """Print where the site is and, when nobody administers it yet, how to sign in."""
        url = f"http://{_shown_host()}:{self._listening.getsockname()[1]}"
        text = f"\n  Ready: {url}/\n"
        if password := await _with_database(_make_first_admin):
            text += (
                f"  Sign in at {url}/admin/ as admin with the password {password}\n"
                "  It is shown this once; choose another with ./run manage.py changepassword admin\n"
            )
        self._stream.plain(f"{text}  Data: {self._claim.folder} · Stop: Ctrl-C\n\n")

    async def _broadcast_demo(self) -> None:
        """Broadcast the demo until a moderator ends its video. Without it the site is as good as ever."""
        from liveplatform import demo

        try:
            if not settings.LIVE_DEMO:
                await _with_database(demo.close_broadcast)
                return
            broadcast = await _with_database(demo.open_broadcast)
            program = await asyncio.to_thread(demo.program, broadcast.folder)
            self._supervisor.start(program, again=functools.partial(demo.program, broadcast.folder))
        except (OperationalError, OSError, RuntimeError) as error:
            self._supervisor.say(f"no demo broadcast: {error}")
            return
        posters = asyncio.create_task(self._take_posters(broadcast.folder))
        try:
            while await self._demo_is_live(broadcast.video_id):
                if await self._stops_within(DEMO_CHECK_SECONDS):
                    return
        finally:
            posters.cancel()
        await self._supervisor.stop(["demo"])
        demo.clear(broadcast.folder)
        self._supervisor.say("the demo broadcast has been ended")

    async def _take_posters(self, folder: Path) -> None:
        from liveplatform import demo

        # The first as soon as there is a picture.
        while not await self._stops_within(DEMO_CHECK_SECONDS):
            await asyncio.to_thread(demo.take_poster, folder)
            if (folder / "poster.jpg").exists() and await self._stops_within(demo.POSTER_SECONDS):
                return

    async def _stops_within(self, seconds: float) -> bool:
        """Wait that long, or until the site is asked to stop: then the answer is True."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop_asked.wait(), seconds)
        return self._stop_asked.is_set()

    async def _demo_is_live(self, video_id: Any) -> bool:
        from liveplatform import demo

        try:
            return await _with_database(demo.is_live, video_id)
        except OperationalError:
            # Nobody can have ended it either.
            return True

    async def _stop(self) -> None:
        """Stop in the order in which nothing is lost: those who take, those who pass on, those who keep."""
        await self._stop_programs(self._nodes)
        await self._stop_programs(["dispatcher", "jobs"])
        await self._stop_programs(["demo"])
        database = connections["default"]
        if isinstance(database, DatabaseWrapper):
            database.close_pool()
        # PostgreSQL is never hurried: its way of stopping is quick and leaves nothing to recover.
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


def _listen(host: str, port: int) -> socket.socket:
    """Return the socket that every node accepts from. Raises ImproperlyConfigured naming HOST or PORT."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ImproperlyConfigured(f"HOST: {host} is no address of this machine: {error.strerror}") from error
    family, kind, _, _, address = found[0]
    listening = socket.socket(family, kind)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ImproperlyConfigured(f"PORT: cannot listen on {host}:{port}: {error.strerror}") from error
    return listening


def _shown_host() -> str:
    return "localhost" if settings.HOST in ("127.0.0.1", "0.0.0.0", "::", "::1") else settings.HOST


def _ask_ready(listening: socket.socket) -> str:
    """Ask /readyz. Returns "" when the site is ready, else why it is not."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    asking = http.client.HTTPConnection(host, port, timeout=READY_ANSWER_SECONDS)
    allowed = next((name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"), "localhost")
    try:
        asking.request("GET", "/readyz", headers={"Host": allowed})
        answer = asking.getresponse()
        text = answer.read(1_024).decode(errors="replace")
        return "" if answer.status == 200 else f"/readyz answered {answer.status} {text}"
    except (OSError, http.client.HTTPException) as error:
        return f"/readyz: {error}"
    finally:
        asking.close()


# Database


def _is_given(name: str) -> bool:
    return name in os.environ


async def _with_database(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do database work in a thread, and give its connection back."""

    def work_and_close() -> T:
        try:
            return work(*args, **kwargs)
        finally:
            connections.close_all()

    return await asyncio.to_thread(work_and_close)


def _migrate(say: Callable[[str], None]) -> None:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not missing:
        say("the database is up to date")
        return
    say(f"applying {len(missing)} migrations")
    call_command("migrate", interactive=False, verbosity=1, stdout=_Said(say))


class _Said(io.TextIOBase):
    """A text file whose lines are said."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._say(line)
        return len(text)


def _make_first_admin() -> str | None:
    """Make the account `admin` when nobody administers the site. Returns its password, or None."""
    people = get_user_model().objects
    if people.filter(is_superuser=True).exists() or people.filter(username="admin").exists():
        return None
    password = secrets.token_urlsafe(12)
    people.create_superuser("admin", password=password)
    return password
