"""Two regions: what happens in one is seen in the other, whatever becomes of the line between them.

Hearts (reactions) have no way but the relay: they tell whether it works. Everything else is also found in the database.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from tests.faults.conftest import Talk, fast_path_works
from tests.messaging.test_presence import befriend, first, online, statuses, stream
from tests.regions.two import Regions
from tests.rooms import Room, open_room
from tests.watching import Watcher, check, crowd, each, eventually, watching


@pytest.fixture
async def room(regions: Regions) -> AsyncIterator[Room]:
    """A video whose broadcaster and people are in eu."""
    async with open_room(regions.eu, people=3) as room:
        yield room


def flames(viewer: Watcher) -> int:
    """Return how many reactions of a kind that nothing else here sends."""
    return sum(seen.data["counts"].get("fire", 0) for seen in viewer.named("reactions"))


async def comes_by_the_relay(room: Room, viewers: Sequence[Watcher]) -> bool:
    """Comment, and tell how it came: a busy machine may find a comment in the database before the relay brings it."""
    hello = f"Hello from the other side, {uuid.uuid4()}"
    await room.comment(hello)
    await each(viewers, lambda viewer: viewer.sees_comment(hello))
    return "region" in viewers[0].named("comment")[-1].data["hops"]


async def test_like_comment_and_heart_cross(regions: Regions, room: Room) -> None:
    async with watching(*crowd(regions.us.urls, room.topic, 4)) as viewers:
        await each(viewers, lambda viewer: fast_path_works(room, viewer))
        await room.like()
        await eventually(partial(comes_by_the_relay, room, viewers), "a comment to come by the relay")
        hops = viewers[0].named("comment")[-1].data["hops"]
        assert hops["region"] == "eu"
        order = ("committed", "relayed", "dispatched", "node", "written")
        assert sorted(hops[hop] for hop in order) == [hops[hop] for hop in order]
        await each(viewers, lambda viewer: viewer.sees_likes(1))
        check(viewers)


async def test_comment_of_either_region_is_seen_in_both_in_one_order(regions: Regions, room: Room) -> None:
    abroad = Room(regions.us, room.client, room.people, room.video_id)
    async with watching(*crowd([*regions.eu.urls, *regions.us.urls], room.topic, 6)) as viewers:
        async with Talk(room) as talk, Talk(abroad) as other:
            await talk.goes_on()
            await other.goes_on()
        assert talk.refused == other.refused == []
        kept = room.comments_kept()
        await each(viewers, lambda viewer: viewer.wait_for(lambda: len(viewer.comments) == len(kept), "all of them"))
        check(viewers)
        assert viewers[0].comments == kept
    assert sorted(kept) == sorted(talk.said + other.said)


async def test_nothing_goes_to_a_region_that_does_not_watch(regions: Regions, room: Room) -> None:
    """Not even a comment of a video that has viewers in its own region, once the other has said what it watches."""
    other_id = await room.new_video()
    watched_there = f"video:{other_id}"
    async with watching(*crowd(regions.eu.urls, room.topic, 2), *crowd(regions.us.urls, watched_there, 2)) as viewers:
        here, there = viewers[:2], viewers[2:]
        other = Room(regions.eu, room.client, room.people, other_id)
        await each(there, lambda viewer: fast_path_works(other, viewer))
        before = await regions.relay_metric(regions.us, "live_relay_received_total")
        for number in range(20):
            await room.comment(f"Comment {number}")
        await each(here, lambda viewer: viewer.sees_comment("Comment 19"))
        await other.comment("The one that goes")
        await each(there, lambda viewer: viewer.sees_comment("The one that goes"))
        received = await regions.relay_metric(regions.us, "live_relay_received_total") - before
        assert received < 10, "two or so: the comment, and what comes with it"


async def test_viewers_are_counted_over_both_regions(regions: Regions, room: Room) -> None:
    here, there = crowd(regions.eu.urls, room.topic, 2), crowd(regions.us.urls, room.topic, 4)
    async with watching(*here, *there):
        await each([*here, *there], lambda viewer: viewer.sees_viewers(6))
        path = f"/videos/{room.video_id}/viewers"
        for site in (regions.eu, regions.us):
            answer = await Room(site, room.client, room.people, room.video_id).call("GET", path)
            assert answer.json()["count"] == answer.json()["peak"] == 6
        await asyncio.gather(*(viewer.close() for viewer in there[:3]))
        await each([*here, there[3]], lambda viewer: viewer.sees_viewers(3))
        assert there[3].viewers["peak"] == 6


async def test_who_is_online_in_one_region_is_seen_so_in_the_other(regions: Regions, room: Room) -> None:
    ana, bo, _ = room.people
    await befriend(room, ana, bo)
    abroad = Room(regions.us, room.client, room.people, room.video_id)
    async with watching(await stream(abroad, f"presence:{ana.id}", bo, node=1)) as (watcher,):
        assert first(watcher)["status"] == "offline"
        async with watching(await online(room, ana)):
            await watcher.wait_for(lambda: statuses(watcher) == ["online"], "ana online")
            beats = await room.metric("live_heartbeats_total")
            await eventually(lambda: _is_more(room, beats + 3), "some more heartbeats")
            assert statuses(watcher) == ["online"]
        await watcher.wait_for(lambda: statuses(watcher) == ["online", "offline"], "ana offline")


async def _is_more(room: Room, beats: float) -> bool:
    return await room.metric("live_heartbeats_total") >= beats


async def test_relays_cut_off_from_each_other(regions: Regions, room: Room) -> None:
    """Each region works alone; the database has what the line has lost, and the line is used again by itself."""
    async with watching(*crowd([*regions.eu.urls, *regions.us.urls], room.topic, 6)) as viewers:
        await each(viewers, lambda viewer: fast_path_works(room, viewer))
        async with Talk(room) as talk:
            await talk.goes_on()
            regions.cut(regions.to_us, regions.to_eu)
            await eventually(lambda: _is_given_up(regions), "both relays to leave each other alone")
            await room.like()
            await fast_path_works(room, viewers[0])
            await talk.goes_on()
            said = talk.said[-1]
            await each(viewers, lambda viewer: viewer.sees_comment(said))
            await each(viewers, lambda viewer: viewer.sees_likes(1))
            regions.mend()
            await each(viewers, lambda viewer: fast_path_works(room, viewer))
            await talk.goes_on()
        await each(viewers, lambda viewer: viewer.sees_comment(talk.said[-1]))
        check(viewers)
        assert viewers[0].comments == room.comments_kept() == talk.said
    assert talk.refused == []


async def _is_given_up(regions: Regions) -> bool:
    return all([await regions.relay_metric(site, "live_relay_open") == 1 for site in (regions.eu, regions.us)])


async def test_answers_that_get_lost_double_nothing(regions: Regions, room: Room) -> None:
    """The line swallows what comes back: the peer has taken the reactions, and is sent them again."""
    async with watching(*crowd(regions.us.urls, room.topic, 2)) as viewers:
        await each(viewers, lambda viewer: fast_path_works(room, viewer))
        repeated = await regions.relay_metric(regions.us, "live_relay_duplicates_total")
        regions.cut(regions.to_us, there=False)
        path = f"/videos/{room.video_id}/reactions"
        await room.call("POST", path, {"kind": "fire", "count": 4}, person=room.people[1])

        async def was_repeated() -> bool:
            return await regions.relay_metric(regions.us, "live_relay_duplicates_total") > repeated

        await eventually(was_repeated, "the reactions to be sent again")
        regions.mend()
        await room.comment("Done")
        await each(viewers, lambda viewer: viewer.sees_comment("Done"))
        # What is worthless after 5 s may have been late on such a line; doubled it must not be.
        assert {flames(viewer) for viewer in viewers} <= {0, 4}
        check(viewers)


async def test_region_cut_off_from_the_database_too(regions: Regions, room: Room) -> None:
    """It shows what it has and takes nothing; when it is healed its viewers get everything, once."""
    abroad = Room(regions.us, room.client, room.people, room.video_id)
    async with watching(*crowd([*regions.eu.urls, *regions.us.urls], room.topic, 6)) as viewers:
        await each(viewers, lambda viewer: fast_path_works(room, viewer))
        async with Talk(room) as talk:
            await talk.goes_on()
            regions.cut(regions.to_us, regions.to_eu, regions.database)

            async def is_noticed() -> bool:
                return min([await abroad.metric("live_store_errors_total", node=node) for node in (0, 1)]) > 0

            await eventually(is_noticed, "the nodes of us to miss the database")
            assert (await abroad.try_to_comment("From nowhere")).status_code == 503
            await room.like()
            await talk.goes_on()
            regions.mend()
        await each(viewers, lambda viewer: viewer.sees_comment(talk.said[-1]))
        await each(viewers, lambda viewer: viewer.sees_likes(1))
        await each(viewers, lambda viewer: fast_path_works(room, viewer))
        check(viewers)
        assert viewers[0].comments == room.comments_kept() == talk.said


async def test_relays_killed_and_started_again(regions: Regions, room: Room) -> None:
    async with watching(*crowd(regions.us.urls, room.topic, 4)) as viewers:
        await each(viewers, lambda viewer: fast_path_works(room, viewer))
        async with Talk(room) as talk:
            for site in (regions.eu, regions.us):
                assert site.relay
                site.relay.kill()
            await talk.goes_on()
            said = talk.said[-1]
            await each(viewers, lambda viewer: viewer.sees_comment(said))
            for site in (regions.eu, regions.us):
                site.start_relay()
            await each(viewers, lambda viewer: fast_path_works(room, viewer))
        await each(viewers, lambda viewer: viewer.sees_comment(talk.said[-1]))
        check(viewers)
        assert viewers[0].comments == room.comments_kept() == talk.said
