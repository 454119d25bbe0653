"""Real faults on real processes: whatever dies, nothing that was acknowledged is lost, doubled or out of order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest

from liveplatform import embedded
from liveplatform.processes import Child
from tests.rooms import Room, open_room
from tests.sites import CHECKOUT, Site
from tests.watching import SseWatcher, check, crowd, each, eventually, watching

VIEWERS = 8


async def fast_again(room: Room) -> None:
    """Return when a tap, of which no row tells, crosses from one node to the other: through Celery and Redis."""
    async with watching(SseWatcher(room.site.urls[1], room.topic)) as (viewer,):

        async def arrives() -> bool:
            path = f"/videos/{room.video_id}/reactions"
            await room.call("POST", path, {"kind": "heart", "count": 1}, person=room.people[1])
            return "reactions" in viewer.names

        await eventually(arrives, "the fast path")


async def test_killed_dispatcher_delays_and_loses_nothing(start_site: Callable[..., Site]) -> None:
    site = start_site(env={"LIVE_LIMITS": "off"})
    async with open_room(site) as room:
        async with watching(*crowd(site.urls, room.topic, VIEWERS)) as viewers:
            await room.comment("before")
            site.kill_dispatcher()
            await room.like()
            for number in range(10):
                await room.comment(f"without {number}", node=number % 2)
            await each(viewers, lambda viewer: viewer.sees_comment("without 9"))
            await each(viewers, lambda viewer: viewer.sees_likes(1))
            site.start_dispatcher()
            await fast_again(room)
            await room.comment("after")
            await each(viewers, lambda viewer: viewer.sees_comment("after"))
            check(viewers)
        assert len(room.comments_kept()) == 12


async def test_flushed_redis_in_mid_stream_costs_no_viewer_anything(start_site: Callable[..., Site]) -> None:
    """Table, broker and counts gone, again and again: no reconnect, nothing lost, the numbers right again."""
    site = start_site(env={"LIVE_LIMITS": "off"})
    async with open_room(site) as room:
        async with watching(*crowd(site.urls, room.topic, VIEWERS)) as viewers:
            with contextlib.closing(site.redis()) as redis:
                for round in range(4):
                    for number in range(5):
                        await room.comment(f"{round}.{number}", node=number % 2)
                        redis.flushall()
                    await room.like(kind=("like", "love", "funny", "support")[round])
            await each(viewers, lambda viewer: viewer.sees_comment("3.4"))
            await each(viewers, lambda viewer: viewer.sees_likes(1))
            await each(viewers, lambda viewer: viewer.sees_viewers(VIEWERS))
            await fast_again(room)
            check(viewers)
        assert len(room.comments_kept()) == 20


async def test_killed_and_empty_redis_is_only_slower(start_site: Callable[..., Site]) -> None:
    site = start_site(env={"LIVE_LIMITS": "off"})
    async with open_room(site) as room, watching(*crowd(site.urls, room.topic, VIEWERS)) as viewers:
        await room.comment("before")
        site.valkey.kill()
        for number in range(5):
            await room.comment(f"without {number}", node=number % 2)
        await room.like()
        await each(viewers, lambda viewer: viewer.sees_comment("without 4"))
        await each(viewers, lambda viewer: viewer.sees_likes(1))
        site.start_valkey()
        await fast_again(room)
        check(viewers)


async def test_killed_node_sends_its_viewers_to_the_other_with_nothing_missed(start_site: Callable[..., Site]) -> None:
    """Its lease ends by itself: the viewer count is right again and dispatchers forget it."""
    site = start_site(env={"LIVE_LIMITS": "off"})
    async with open_room(site) as room:
        movers = [SseWatcher(site.urls[1], room.topic) for _ in range(5)]
        stayer = SseWatcher(site.urls[0], room.topic)
        async with watching(stayer, *movers):
            await room.comment("before")
            await each(movers, lambda viewer: viewer.sees_comment("before"))
            site.nodes[1].kill()
            await each(movers, lambda viewer: viewer.is_closed())
            for number in range(5):
                await room.comment(f"meanwhile {number}")
            for viewer in movers:
                await viewer.close()
            await each(movers, lambda viewer: viewer.open(site.urls[0]))
            await room.comment("after")
            await each([stayer, *movers], lambda viewer: viewer.sees_comment("after"))
            await stayer.sees_viewers(6)
            check([stayer, *movers], reconnected=True)
            assert len(room.leases()) == 1


async def test_herd_that_comes_back_reads_the_topic_once(start_site: Callable[..., Site]) -> None:
    site = start_site(nodes=1, env={"LIVE_LIMITS": "off"})
    async with open_room(site) as room:
        for number in range(20):
            await room.comment(f"note {number}")
        loads = await room.metric("live_topic_loads_total")
        async with watching(*crowd(site.urls, room.topic, 120)) as viewers:
            await each(viewers, lambda viewer: viewer.sees_comment("note 19"))
            check(viewers)
        assert await room.metric("live_topic_loads_total") - loads <= 1


# The database


@pytest.fixture
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Child]]:
    """A PostgreSQL of this test's own, migrated: its URL and process."""
    folder = tmp_path_factory.mktemp("own")
    for parent in (folder, folder.parent, folder.parent.parent):
        parent.chmod(0o711)  # as root the server runs as nobody
    (server,) = embedded.servers(folder, valkey=False, durable=False)
    with (folder / "log").open("ab") as log:
        child = Child(server.program, log)
        embedded.wait_until_answers(server, child, lambda: (folder / "log").read_text())
        url = embedded.database_url(folder)
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        try:
            subprocess.run(migrate, cwd=CHECKOUT, env={**os.environ, "DATABASE_URL": url}, check=True)
            yield url, child
        finally:
            child.stop()


def backends(url: str) -> list[int]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'")
        return [pid for (pid,) in rows]


async def test_frozen_database_refuses_in_time_and_closes_no_stream(
    start_site: Callable[..., Site], own_database: tuple[str, Child]
) -> None:
    """503 with Retry-After, not a hang; viewers stay; the first act after it is back succeeds, and all arrives."""
    url, child = own_database
    site = start_site(nodes=1, env={"LIVE_LIMITS": "off", "DATABASE_URL": url})
    site.database_url = url
    async with open_room(site) as room, watching(*crowd(site.urls, room.topic, 4)) as viewers:
        await room.comment("before")
        frozen = [child.pid, *backends(url)]
        for pid in frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            answers = await asyncio.wait_for(
                asyncio.gather(room.try_to_comment("lost"), room.try_to_like(), room.call("GET", "/videos")), 30
            )
        finally:
            for pid in frozen:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        assert [answer.status_code for answer in answers] == [503, 503, 503]
        assert all(answer.json()["code"] == "unavailable" for answer in answers)
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)

        async def writes() -> bool:
            return (await room.try_to_comment("after", client_id="after")).status_code == 201

        await eventually(writes, "the first comment after the thaw")
        await each(viewers, lambda viewer: viewer.sees_comment("after"))
        check(viewers)
