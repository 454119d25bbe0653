"""A site of several machines, run by the very files of deploy/, and one of each kind killed in turn.

Half of the viewers come through nginx, half through HAProxy; the nodes reach PostgreSQL through PgBouncer.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import redis
from websockets.exceptions import WebSocketException

from host import embedded
from host.processes import Child, Program
from tests.conftest import watched
from tests.faults.conftest import fast_path_works
from tests.machines import DEPLOY, Machine, environment, machines, needed, unit_program
from tests.rooms import Room, open_room
from tests.sites import answers, wait_for
from tests.watching import Refused, Watcher, check, crowd, each, eventually, watching

NAMES = ("viewers", "nginx", "haproxy", "node-1", "node-2", "dispatcher", "database", "redis")
NODE = "liveplatform-node@"
DISPATCHER = "liveplatform-dispatcher@"


class Place:
    """The site: a machine for each of `NAMES`, and what runs on it. Jobs are with the dispatcher; tests are viewers."""

    def __init__(self, folder: Path, net: dict[str, Machine]) -> None:
        self.folder = folder
        self.net = net
        self.children: dict[str, Child] = {}
        self.urls = [f"http://{net[name].address}:80" for name in ("nginx", "haproxy")]
        postgres, valkey = embedded.servers(folder)
        passwords = {
            "DATABASE_URL": str(urlsplit(embedded.database_url(folder)).password),
            "REDIS_URL": str(urlsplit(embedded.redis_url(folder)).password),
        }
        given = environment()
        inside = {name: given[name].replace("CHANGE-ME", password) for name, password in passwords.items()}
        self.env = {
            **os.environ,
            **given,
            **inside,
            "SECRET_KEY": os.environ["SECRET_KEY"],
            "ALLOWED_HOSTS": ",".join((given["ALLOWED_HOSTS"], *(machine.address for machine in net.values()))),
            "LIVE_PGBOUNCER": "on",
            "SECURE_COOKIES": "off",
            "LIVE_DATA_DIR": str(folder),
            "LIVE_LIMITS": "off",
        }
        self._migrating = {**self.env, "LIVE_PGBOUNCER": "off"}
        self.env["DATABASE_URL"] = self.env["DATABASE_URL"].replace(":5432/", ":6432/")
        self.database_url = inside["DATABASE_URL"].replace("@database:", f"@{net['database'].address}:")
        self.redis_url = inside["REDIS_URL"].replace("@redis:", f"@{net['redis'].address}:")
        self._postgres = self._with_our_settings(postgres.program)
        self._pgbouncer = folder / "pgbouncer"
        shutil.copytree(DEPLOY / "pgbouncer", self._pgbouncer)
        users = self._pgbouncer / "userlist.txt"
        users.write_text(users.read_text().replace("CHANGE-ME", passwords["DATABASE_URL"]))
        config = folder / "redis.conf"
        text = (DEPLOY / "redis/redis.conf").read_text().replace("CHANGE-ME", passwords["REDIS_URL"])
        embedded.write_private(config, text)
        shutil.chown(config, valkey.program.uid or os.getuid())
        self._valkey = dataclasses.replace(valkey.program, argv=(valkey.program.argv[0], str(config)))

    def _with_our_settings(self, program: Program) -> Program:
        cluster = self.folder / "postgres"
        for name in ("primary.conf", "pg_hba.conf"):
            shutil.copy(DEPLOY / "postgres" / name, cluster / name)
            shutil.chown(cluster / name, program.uid or os.getuid())
        with (cluster / "postgresql.conf").open("a") as file:
            file.write("include 'primary.conf'\n")
        # Machines have networks of their own, but one /tmp.
        ours = ("-c", f"hba_file={cluster}/pg_hba.conf", "-c", "unix_socket_directories=", "-c", "shared_buffers=64MB")
        return dataclasses.replace(program, argv=(*program.argv[:3], *ours))

    # Machines

    def start(self, name: str) -> None:
        """Start what the machine is there for; again after a kill."""
        match name:
            case "nginx":
                run, logs, cache = self.folder / "run", self.folder / "nginx", self.folder / "cache"
                for made in (run, logs, cache):
                    made.mkdir(exist_ok=True)
                files = {"/etc/nginx": DEPLOY / "nginx", "/var/log/nginx": logs, "/run": run, "/var/cache": cache}
                nginx = Program("nginx", ("nginx", "-g", "daemon off;"), stop_signal=signal.SIGTERM)
                self._start(name, nginx, files)
            case "haproxy":
                # So many connections as a test may have.
                argv = ("haproxy", "-f", str(DEPLOY / "haproxy/haproxy.cfg"), "-n", "2000")
                self._start(name, Program("haproxy", argv, stop_signal=signal.SIGTERM))
            case "node-1" | "node-2":
                self._start(name, unit_program(NODE, instance="8000", env=self.env))
            case "dispatcher":
                self._start(name, unit_program(DISPATCHER, instance="1", env=self.env))
            case "database":
                self._start(name, self._postgres)
            case "redis":
                self._start(name, self._valkey)

    def start_pgbouncer(self) -> None:
        # It refuses to run as root.
        argv = ("pgbouncer", "/etc/pgbouncer/pgbouncer.ini")
        program = Program("pgbouncer", argv, uid=self._postgres.uid, gid=self._postgres.gid)
        files = {"/etc/pgbouncer": self._pgbouncer}
        self.children["pgbouncer"] = self.net["database"].start(program, self.folder / "pgbouncer.log", files=files)

    def migrate(self) -> None:
        program = unit_program(NODE, env=self._migrating)
        program = dataclasses.replace(program, argv=(program.argv[0], "manage.py", "migrate", "--verbosity=0"))
        child = self.net["dispatcher"].start(program, self.folder / "migrate.log")
        assert child.process.wait(120) == 0, self.log("migrate")
        with psycopg.connect(self.database_url) as connection:  # as deploy/pgbouncer says
            connection.execute("ALTER ROLE liveplatform SET statement_timeout = '5s'")
            connection.execute("ALTER ROLE liveplatform SET lock_timeout = '2s'")

    def start_jobs(self) -> None:
        program = unit_program("liveplatform-jobs", env=self.env)
        self.children["jobs"] = self.net["dispatcher"].start(program, self.folder / "jobs.log")

    def _start(self, name: str, program: Program, files: dict[str, Path] | None = None) -> None:
        self.children[name] = self.net[name].start(program, self.folder / f"{name}.log", files=files)

    def wait_until(self, name: str, holds: Callable[[], bool]) -> None:
        wait_for(lambda: holds() or self.children[name].exit_code() is not None, f"{name}\n{self.log(name)}")
        assert self.children[name].exit_code() is None, f"{name} ended\n{self.log(name)}"

    def wait_until_ready(self) -> None:
        """Return when all serve. From any thread."""
        with self.net["viewers"].entered():
            for name in ("node-1", "node-2"):
                self.wait_until(name, lambda name=name: answers(f"http://{self.net[name].address}:8000/readyz"))  # type: ignore[misc]
            for name, url in zip(("nginx", "haproxy"), self.urls, strict=True):
                self.wait_until(name, lambda url=url: answers(f"{url}/readyz"))  # type: ignore[misc]

    def database_answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.database_url, connect_timeout=2):
            return True
        return False

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url, decode_responses=True)

    def redis_answers(self) -> bool:
        with contextlib.suppress(redis.RedisError), self.redis() as client:
            return bool(client.ping())
        return False

    def log(self, name: str) -> str:
        return "\n".join((self.folder / f"{name}.log").read_text(errors="replace").splitlines()[-40:])

    def logs(self) -> list[tuple[str, str]]:
        return [(f"log of {path.stem}", self.log(path.stem)) for path in sorted(self.folder.glob("*.log"))]

    def close(self) -> None:
        for name in ("nginx", "haproxy", "node-1", "node-2", "dispatcher", "jobs", "pgbouncer", "redis", "database"):
            if child := self.children.get(name):
                child.stop()


@pytest.fixture
def place() -> Iterator[Place]:
    needed("nginx", "haproxy", "pgbouncer")
    with embedded.temporary_folder() as folder, machines(folder, *NAMES) as net:
        place = Place(folder, net)
        with net["viewers"].entered(), watched(place):
            for name in ("database", "redis"):
                place.start(name)
            place.wait_until("database", place.database_answers)
            place.wait_until("redis", place.redis_answers)
            place.migrate()
            place.start_pgbouncer()
            for name in ("node-1", "node-2", "dispatcher", "nginx", "haproxy"):
                place.start(name)
            place.start_jobs()
            place.wait_until_ready()
            yield place


class Crowd:
    """People who comment and like through the front door without a pause, and repeat what was not acknowledged."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.said: list[str] = []
        self.liked = 0

    async def goes_on(self, acts: int = 5) -> None:
        """Return when some more comments and likes were made."""
        enough = len(self.said) + acts
        await eventually(lambda: len(self.said) >= enough or self._task.done(), "more comments")
        assert not self._task.done(), self._task.exception()

    async def __aenter__(self) -> Crowd:
        self._is_over = asyncio.Event()
        self._task = asyncio.create_task(self._act(), name="crowd")
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        self._is_over.set()
        if kind is not None:
            self._task.cancel()  # what it repeats may never be done
        await asyncio.gather(self._task, return_exceptions=kind is not None)

    async def _act(self) -> None:
        while not self._is_over.is_set():
            await self._comment(f"comment {len(self.said)}", node=len(self.said) % 2)
            await self._until_done(lambda: self.room.join("Somebody"))
            await self._until_done(lambda: self.room.like(kind=("like", "love", "funny")[self.liked % 3]))
            self.liked += 1
            await asyncio.sleep(0.05)

    async def _comment(self, text: str, *, node: int) -> None:
        person, client_id = self.room.people[1], str(uuid.uuid4())
        await self._until_done(lambda: self.room.comment(text, person=person, node=node, client_id=client_id))
        self.said.append(text)

    @staticmethod
    async def _until_done(act: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await act()
                return
            except httpx.HTTPStatusError as error:
                assert error.response.json()["code"] == "unavailable", error.response.text
            except httpx.TransportError:
                pass  # nginx ends idle connections when it is told to reload
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def coming_back(viewers: Sequence[Watcher]) -> AsyncIterator[None]:
    """Have viewers do what browsers do: whose stream has ended comes again, and resumes."""

    async def stay(viewer: Watcher) -> None:
        while True:
            while viewer.is_open:
                await asyncio.sleep(0.05)
            # Not opened, or closed again before the hello: both happen while something is away.
            with contextlib.suppress(Refused, OSError, EOFError, WebSocketException, AssertionError):
                await viewer.open()
            await asyncio.sleep(0.2)

    staying = [asyncio.create_task(stay(viewer)) for viewer in viewers]
    try:
        yield
    finally:
        for task in staying:
            task.cancel()
        await asyncio.gather(*staying, return_exceptions=True)


async def test_one_of_each_kind_is_killed_and_every_viewer_gets_everything_once(place: Place) -> None:
    async with open_room(place) as room:
        viewers = crowd(place.urls, room.topic, 8)
        async with watching(*viewers), coming_back(viewers):
            nodes = {viewer.named("hello")[0].data["node"] for viewer in viewers}
            assert len(nodes) == 2

            async def all_is_well(people: Crowd) -> None:
                await people.goes_on()
                said = people.said[-1]
                await each(viewers, lambda viewer: viewer.sees_comment(said))
                await each(viewers, lambda viewer: fast_path_works(room, viewer))

            async with Crowd(room) as people:
                await all_is_well(people)
                for name in ("node-1", "dispatcher", "redis"):
                    place.children[name].kill()
                    await people.goes_on()
                    said = people.said[-1]
                    await each(viewers, lambda viewer, said=said: viewer.sees_comment(said))  # type: ignore[misc]
                    place.start(name)
                    if name == "node-1":
                        await asyncio.to_thread(place.wait_until_ready)
                    await all_is_well(people)

                hellos = [viewer.hellos for viewer in viewers]
                place.children["database"].send(signal.SIGQUIT)  # as a power cut would, but for what is written
                place.children["database"].process.wait(30)
                assert (await room.call("POST", "/guests", {"name": "Nobody"})).status_code == 503
                place.start("database")
                await all_is_well(people)
                assert [viewer.hellos for viewer in viewers] == hellos

                place.children["nginx"].send(signal.SIGHUP)
                newcomers = crowd(place.urls, room.topic, 4)
                async with coming_back(newcomers):
                    # A node whose database has just come back may still send who is new away, for a moment.
                    await eventually(lambda: all(viewer.is_open for viewer in newcomers), "the newcomers")
                    await all_is_well(people)
                    assert [viewer.hellos for viewer in viewers] == hellos
                    await each([*viewers, *newcomers], lambda viewer: viewer.sees_viewers(12))
                await each(newcomers, lambda viewer: viewer.close())

            await each(viewers, lambda viewer: viewer.sees_comment(people.said[-1]))
            await each(viewers, lambda viewer: viewer.sees_likes(people.liked))
            await each(viewers, lambda viewer: viewer.sees_viewers(8))
            check(viewers, reconnected=True)
            assert viewers[0].comments == room.comments_kept() == people.said
            with psycopg.connect(place.database_url) as connection:
                count = "SELECT count(*) FROM videos_like WHERE video_id = %s"
                assert connection.execute(count, [room.video_id]).fetchone() == (people.liked,)

            for url in place.urls:
                for hidden in ("/metrics", "/operator", "/operator/", "/relay/v1/events"):
                    answer = await room.client.get(url + hidden)
                    assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), (url, hidden)
                answer = await room.client.post(f"{url}/api/v1/guests", content=b"x" * 70_000)
                assert (answer.status_code, answer.json()["code"]) == (413, "too_large"), url
