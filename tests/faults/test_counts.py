"""The viewer count when nodes and Redis fail: right again in the end, and never a viewer too many at the peak."""

from __future__ import annotations

import contextlib

from tests.rooms import Room
from tests.sites import Site
from tests.watching import SseWatcher, each, eventually, of_browser, watching


def browser(site: Site, room: Room, node: int, device: str) -> SseWatcher:
    return SseWatcher(site.urls[node], room.topic, headers=of_browser(device))


def peaks(*viewers: SseWatcher) -> set[int]:
    return {seen.data["peak"] for viewer in viewers for seen in viewer.named("viewers")}


async def test_killed_nodes_viewers_leave_with_its_lease_and_who_has_moved_was_never_two(
    site: Site, room: Room
) -> None:
    lost = [browser(site, room, 0, f"lost {number}") for number in range(5)]
    moves = [browser(site, room, 0, f"moves {number}") for number in range(5)]
    both = [browser(site, room, node, "both") for node in (0, 1)]
    stays = browser(site, room, 1, "stays")
    async with watching(*lost, *moves, *both, stays):
        await stays.sees_viewers(12)
        site.nodes[0].kill()
        await each([*lost, *moves, both[0]], lambda viewer: viewer.is_closed())
        await each(moves, lambda viewer: viewer.open(site.urls[1]))
        await stays.sees_viewers(7)
        assert max(peaks(stays)) == 12
        answer = await room.call("GET", f"/videos/{room.video_id}/viewers", node=1)
        assert (answer.json()["count"], answer.json()["peak"]) == (7, 12)


async def test_flushed_table_counts_each_viewer_once_again(site: Site, room: Room) -> None:
    tabs = [browser(site, room, number % 2, f"device {number // 2}") for number in range(8)]
    alone = browser(site, room, 1, "alone")
    async with watching(*tabs, alone) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(5))
        for left in (4, 3):
            with contextlib.closing(site.redis()) as client:
                client.flushall()
            await tabs[2 * left - 1].close()
            await tabs[2 * left - 2].close()
            await each([alone, *tabs[: 2 * left - 2]], lambda viewer: viewer.sees_viewers(left))  # noqa: B023
            await eventually(lambda: len(room.leases()) == 2, "both nodes to be in the shared table")
        assert max(peaks(alone, *tabs)) == 5


async def test_while_redis_is_away_a_node_counts_each_of_its_viewers_once(site: Site, room: Room) -> None:
    tabs = [browser(site, room, 0, "one") for _ in range(3)]
    other = browser(site, room, 1, "two")
    async with watching(*tabs, other):
        await each([*tabs, other], lambda viewer: viewer.sees_viewers(2))
        site.valkey.kill()
        more = browser(site, room, 0, "three")
        async with watching(more, browser(site, room, 0, "one")):
            await more.sees_viewers(3)
            await more.sees_viewers(2)  # its own, once the other node's lease would have ended
            site.start_valkey()
            for viewer in (*tabs, other, more):  # a peak once both nodes have told all again
                await viewer.wait_for(lambda viewer=viewer: viewer.viewers == {"count": 3, "peak": 3}, "three")  # type: ignore[misc]
        await each([*tabs, other], lambda viewer: viewer.sees_viewers(2))
        assert max(peaks(*tabs, other)) == 3
