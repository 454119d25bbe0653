"""The dispatcher killed: events still arrive, and quickly again when there is one."""

from __future__ import annotations

from tests.faults.conftest import fast_path_works
from tests.rooms import Room
from tests.sites import Site
from tests.watching import check, crowd, each, watching


async def test_events_arrive_without_a_dispatcher_and_quickly_again_with_a_new_one(site: Site, room: Room) -> None:
    async with watching(*crowd(site.urls, room.topic, 4)) as viewers:
        await fast_path_works(room, viewers[1])
        repaired = await room.metric("live_gaps_repaired_total", node=1)
        site.kill_dispatcher()
        for number in range(3):
            await room.comment(f"without, {number}")
        await room.like()
        await each(viewers, lambda viewer: viewer.sees_comment("without, 2"))
        await each(viewers, lambda viewer: viewer.sees_likes(1))
        assert await room.metric("live_gaps_repaired_total", node=1) - repaired == 3

        site.start_dispatcher()
        await each(viewers, lambda viewer: fast_path_works(room, viewer))
        await room.comment("with")
        await each(viewers, lambda viewer: viewer.sees_comment("with"))
        check(viewers)
