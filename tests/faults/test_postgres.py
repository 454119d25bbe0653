"""PostgreSQL crashed, frozen, locked, trimmed: writes are refused in time, streams stay open, all arrives later."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from host import embedded
from host.processes import Child
from tests.conftest import watched
from tests.faults.conftest import fast_path_works
from tests.rooms import Room, open_room
from tests.sites import Site, SiteFactory
from tests.watching import Watcher, check, crowd, each, eventually, watching

DISK_MB = 400
PASSWORD = "a password of the tests"
MAKE_ADMIN = f"""
from accounts.models import Viewer
Viewer.objects.create_superuser("root", password="{PASSWORD}")
"""


class Postgres:
    """A PostgreSQL of this module's own. Durable: what it has acknowledged is there after a crash."""

    has_small_disk = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = embedded.database_url(folder)
        (self._server,) = embedded.servers(folder, valkey=False)
        self.start()

    def start(self) -> None:
        log = self.folder / "postgres.log"
        with log.open("ab") as output:
            self.child = Child(self._server.program, output)
        embedded.wait_until_answers(self._server, self.child, lambda: log.read_text(errors="replace"))

    def crash(self) -> None:
        """End it as a power cut would, but for what it has written already."""
        self.child.send(signal.SIGQUIT)
        self.child.process.wait(30)

    def take_no_writes(self, database: str) -> None:
        """Have it answer and refuse to write, as a server does that has become a standby."""
        self._configure(database, "SET default_transaction_read_only = on")

    def take_writes(self, database: str) -> None:
        self._configure(database, "RESET default_transaction_read_only")

    def _configure(self, database: str, change: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{database}" {change}'.encode())
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database])

    def signal_all(self, number: signal.Signals) -> None:
        """Signal the server and each of its sessions, which are processes of their own."""
        children = Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children").read_text().split()
        for pid in (self.child.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Have a disk of its own mounted at the folder, where we may: whether we may."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0711", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with embedded.temporary_folder() as folder, small_disk(folder) as is_small:
        running = Postgres(folder)
        running.has_small_disk = is_small
        yield running
        running.child.stop()


@pytest.fixture(scope="module")
def own_site(postgres: Postgres) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch, embedded.temporary_folder() as folder:
        patch.setenv("DATABASE_URL", postgres.url)
        with (
            contextlib.closing(SiteFactory(folder)) as factory,
            watched(factory.start(env={"LIVE_LIMITS": "off"})) as site,
        ):
            yield site


@pytest.fixture
def site(own_site: Site, postgres: Postgres) -> Iterator[Site]:
    yield own_site
    postgres.signal_all(signal.SIGCONT)
    if postgres.child.exit_code() is not None:
        postgres.start()
    own_site.wait_until_ready()


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as room:
        yield room


@pytest.fixture(scope="module")
def admin(own_site: Site) -> str:
    """Return the name of an administrator."""
    own_site.manage("shell", "--command", MAKE_ADMIN)
    return "root"


@pytest.fixture
async def staff(room: Room, admin: str) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator's, signed in."""
    async with httpx.AsyncClient(base_url=room.site.urls[0], verify=False, timeout=60, trust_env=False) as client:
        answer = await sign_in(client, admin)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/")
        yield client


async def sign_in(client: httpx.AsyncClient, name: str, page: str = "/accounts/login/") -> httpx.Response:
    await client.get(page)
    return await client.post(
        page, data={"username": name, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    )


async def pages(staff: httpx.AsyncClient) -> list[httpx.Response]:
    """Ask for what staff need in an outage, all at once."""
    return list(
        await asyncio.gather(
            staff.get("/"),
            staff.get("/admin/"),
            staff.get("/admin/videos/video/"),
            sign_in(staff, "root"),
            sign_in(staff, "root", "/admin/login/"),
        )
    )


def assert_back_in_a_moment(answers: list[httpx.Response]) -> None:
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    for answer in answers:
        assert "Back in a moment" in answer.text
        assert int(answer.headers["Retry-After"]) >= 1


async def readiness(room: Room) -> tuple[int, str, bool]:
    answer = await room.client.get(f"{room.site.urls[0]}/readyz")
    return answer.status_code, answer.json()["database"], "Retry-After" in answer.headers


@pytest.fixture
async def viewers(room: Room) -> AsyncIterator[list[Watcher]]:
    async with watching(*crowd(room.site.urls, room.topic, 4)) as viewers:
        await each(viewers, lambda viewer: fast_path_works(room, viewer))
        yield list(viewers)


async def refusals(room: Room) -> list[httpx.Response]:
    """Like and comment on both nodes, all at once."""
    return await asyncio.gather(
        *(room.try_to_like(node=node) for node in (0, 1)),
        *(room.try_to_comment("again and again", client_id="once", node=node) for node in (0, 1)),
        room.call("GET", "/videos"),
        room.call("POST", "/guests", {"name": "Nobody"}),
    )


def assert_refused_politely(answers: list[httpx.Response]) -> None:
    assert [answer.status_code for answer in answers] == [503] * len(answers)
    assert {answer.json()["code"] for answer in answers} == {"unavailable"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers)


async def recovers(room: Room, viewers: list[Watcher]) -> None:
    """The same comment is made once, the like once; everybody sees both, on the stream that was open all the time."""

    async def commented() -> bool:
        answer = await room.try_to_comment("again and again", client_id="once")
        assert answer.status_code in (201, 503)
        return answer.status_code == 201

    await eventually(commented, "a comment to be taken again")
    await room.like()
    await each(viewers, lambda viewer: viewer.sees_comment("again and again"))
    await each(viewers, lambda viewer: viewer.sees_likes(1))
    await each(viewers, lambda viewer: fast_path_works(room, viewer))
    check(viewers)
    assert viewers[0].comments == room.comments_kept() == ["again and again"]


async def test_crashed_and_started_again(
    room: Room, viewers: list[Watcher], postgres: Postgres, staff: httpx.AsyncClient
) -> None:
    """The admin and the sign-in are refused as politely as the API is: they said that it was our mistake."""
    postgres.crash()
    for _ in range(3):
        assert_refused_politely(await refusals(room))
    assert_back_in_a_moment(await pages(staff))
    assert (await room.client.get(f"{room.site.urls[0]}/readyz")).status_code == 503
    postgres.start()
    await recovers(room, viewers)


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
async def test_frozen(room: Room, viewers: list[Watcher], postgres: Postgres, staff: httpx.AsyncClient) -> None:
    """Every answer comes in time, also when many wait. Stock Channels: every event waits as long as the query."""
    postgres.signal_all(signal.SIGSTOP)
    try:
        for _ in range(3):
            assert_refused_politely(await refusals(room))
        assert (await room.client.get(f"{room.site.urls[0]}/healthz")).status_code == 200
        assert_back_in_a_moment(await pages(staff))
        # Who comes to a video that is being watched needs no database.
        async with watching(*crowd(room.site.urls, room.topic, 4)) as newcomers:
            await each([*viewers, *newcomers], lambda viewer: viewer.sees_viewers(8))
    finally:
        postgres.signal_all(signal.SIGCONT)
    await recovers(room, viewers)


async def test_failed_over_to_a_server_that_takes_no_writes(
    room: Room, viewers: list[Watcher], postgres: Postgres, staff: httpx.AsyncClient
) -> None:
    """It answered 500, "our mistake", to likes and guests, and said that it was ready.

    When it takes writes again the first like and comment on each node are taken: the connections of before are dead.
    """
    database = urlsplit(room.site.database_url).path.removeprefix("/")
    postgres.take_no_writes(database)
    try:
        for _ in range(2):
            assert_refused_politely([answer for answer in await refusals(room) if answer.request.method != "GET"])
        assert await readiness(room) == (503, "read-only", True)
        assert_back_in_a_moment([await sign_in(staff, "root")])
    finally:
        postgres.take_writes(database)
    again = [await room.try_to_like(node=node) for node in (0, 1)]
    again += [await room.try_to_comment(f"back {node}", node=node) for node in (0, 1)]
    assert [answer.status_code for answer in again] == [200, 200, 201, 201]

    async def is_ready() -> bool:
        return await readiness(room) == (200, "ok", False)

    await eventually(is_ready, "the node to be ready")
    await each(viewers, lambda viewer: viewer.sees_comment("back 1"))
    check(viewers)


async def test_full_disk_is_no_readiness(room: Room, postgres: Postgres) -> None:
    """Every write was refused, and `/readyz` said 200."""
    if not postgres.has_small_disk:
        pytest.skip("needs to mount a small disk (tmpfs), which only root may")
    filling = postgres.folder / "filling"
    with filling.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:  # to the last byte: the servers write meanwhile
            file.write(bytes(1 << 20))
    try:

        async def is_full() -> bool:
            return await readiness(room) == (503, "full", True)

        await eventually(is_full, "the full disk to be noticed")
    finally:
        filling.unlink()

    async def is_ready() -> bool:
        return await readiness(room) == (200, "ok", False)

    await eventually(is_ready, "the node to be ready")


async def test_query_that_takes_seconds_delays_nobody(room: Room, viewers: list[Watcher]) -> None:
    """L4. Stock: a query of 4 s in one consumer delayed everybody's events by 3.8 s.

    The event log's heads are locked: comments are refused, reconcile steps hang, and hearts fly.
    """
    with psycopg.connect(room.site.database_url) as connection:
        connection.execute("LOCK TABLE realtime_topic IN ACCESS EXCLUSIVE MODE")
        hanging = [asyncio.create_task(room.try_to_comment("waits", node=node)) for node in (0, 1)]
        for _ in range(10):
            await each(viewers, lambda viewer: fast_path_works(room, viewer))
        assert [answer.status_code for answer in await asyncio.gather(*hanging)] == [503, 503]
    await room.comment("after")
    await each(viewers, lambda viewer: viewer.sees_comment("after"))
    check(viewers)


async def test_client_older_than_the_log_is_given_a_fresh_start(site: Site, room: Room, viewers: list[Watcher]) -> None:
    """Retention keeps a day of events: who asks for older ones gets a `reset` with the snapshot."""
    sleeper = viewers[0]
    await sleeper.close()
    slept_at = sleeper.seq
    with psycopg.connect(room.site.database_url) as connection:
        connection.execute("UPDATE realtime_topic SET seq = seq + 10500 WHERE name = %s", [room.topic])
        connection.execute(
            "INSERT INTO realtime_loggedevent (topic_id, seq, name, data, at)"
            " SELECT topic_id, seq + n, name, data || jsonb_build_object('seq', seq + n),"
            " now() - CASE WHEN n <= 500 THEN interval '25 h' ELSE interval '1 h' END"
            " FROM realtime_loggedevent, generate_series(1, 10500) AS n WHERE topic_id = %s",
            [room.topic],
        )
    command = "from realtime.tasks import retention; print('deleted', retention())"
    done = await asyncio.to_thread(site.manage, "shell", "--command", command)  # viewers read on meanwhile
    assert "deleted 500" in done.stdout.splitlines()
    # Their nodes have seen it: a sleeper who comes sooner shares their reset, which has another reason.
    await each(viewers[1:], lambda viewer: viewer.wait_for(lambda: len(viewer.resets) == 1, "a reset"))

    await sleeper.open()
    await sleeper.wait_for(lambda: len(sleeper.resets) == 1, "a reset")
    reset = sleeper.named("reset")[0]
    assert (reset.data["reason"], reset.data["seq"]) == ("too_old", slept_at + 10_500)
    assert reset.data["snapshot"]["video"]["id"] == room.video_id
    await room.comment("after")
    await each(viewers, lambda viewer: viewer.sees_comment("after"))
    assert {viewer.seq for viewer in viewers} == {slept_at + 10_501}
    assert {tuple(viewer.problems) for viewer in viewers} == {()}
