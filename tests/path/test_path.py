"""The path of a like, whole: HTTP, PostgreSQL, Celery, Redis and two nodes, all of them real processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.rooms import Room, open_room
from tests.sites import Site
from tests.watching import SseWatcher, Watcher, WebSocketWatcher, check, each, eventually, watching

COMMENTS = 5
REPAIRED = "live_gaps_repaired_total"


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as room:
        yield room


def viewers_of(room: Room) -> list[Watcher]:
    """An SSE and a WebSocket viewer of the site's second node."""
    return [SseWatcher(room.site.urls[1], room.topic), WebSocketWatcher(room.site.urls[1], room.topic)]


async def test_a_like_and_a_comment_sent_to_one_node_reach_both_kinds_of_viewers_of_another(room: Room) -> None:
    """Through PostgreSQL, Celery and Redis: a like's frame names who liked, which only the dispatcher tells.

    What a node reads from the database itself (reconcile) has no names, and is counted as a repair.
    """
    liker = room.people[1]
    repaired = await room.metric(REPAIRED, node=1)
    async with watching(*viewers_of(room)) as viewers:
        answer = await room.try_to_like(person=liker, kind="love")
        assert (answer.status_code, answer.json()["mine"]) == (200, "love")
        await each(viewers, lambda viewer: viewer.sees_likes(1))
        for number in range(COMMENTS):
            answer = await room.try_to_comment(f"comment {number}", person=liker)
            assert answer.status_code == 201
            await each(viewers, lambda viewer, text=f"comment {number}": viewer.sees_comment(text))  # type: ignore[misc]

    for viewer in viewers:
        shown = viewer.named("comment")[-1].data
        assert shown["comment"] == {**answer.json(), "client_id": None}
        assert (shown["topic"], shown["seq"]) == (room.topic, answer.json()["seq"])
        assert viewer.likes["kinds"]["love"] == 1
        assert viewer.problems == []
    # All of them in time: a pass of the reconcile step may by chance be the quicker one, but not for each.
    assert await room.metric(REPAIRED, node=1) - repaired < COMMENTS
    assert [frame.data["names"] for frame in viewers[0].named("likes") if frame.data["delta"]] == [[liker.name]]


async def test_a_burst_of_taps_travels_through_the_dispatcher_alone(room: Room) -> None:
    """No row tells of a reaction, so what arrives has come through Celery and Redis."""
    async with watching(*viewers_of(room)) as viewers:
        path = f"/videos/{room.video_id}/reactions"
        answer = await room.call("POST", path, {"kind": "heart", "count": 5}, person=room.people[1])
        assert answer.status_code == 202
        await each(viewers, lambda viewer: viewer.wait_for(lambda: "reactions" in viewer.names, "hearts"))

    assert [viewer.named("reactions")[0].data["counts"] for viewer in viewers] == [{"heart": 5}] * 2


async def test_commands_of_a_websocket_travel_the_same_way(room: Room) -> None:
    liker = room.people[1]
    async with watching(*viewers_of(room)) as viewers:
        ticket = (await room.call("POST", "/tickets", {"topics": [room.topic]}, person=liker)).json()["ticket"]
        async with watching(WebSocketWatcher(room.site.urls[0], room.topic, query=f"&ticket={ticket}")) as (actor,):
            await actor.send({"op": "comment", "ref": 1, "video": room.video_id, "body": "by socket"})
            await actor.send({"op": "like", "ref": 2, "video": room.video_id, "kind": "funny"})
            await actor.wait_for(lambda: len(actor.named("ack")) == 2, "two acknowledgements")
            await each(viewers, lambda viewer: viewer.sees_comment("by socket"))
            await each(viewers, lambda viewer: viewer.sees_likes(1))
            check(viewers)


async def test_viewers_of_all_nodes_are_counted_together(room: Room) -> None:
    first = SseWatcher(room.site.urls[0], room.topic)
    async with watching(first):
        async with watching(*viewers_of(room)):
            await first.sees_viewers(3)
        await first.sees_viewers(1)
        assert first.viewers["peak"] == 3

    async def nobody_watches() -> bool:
        video = (await room.call("GET", f"/videos/{room.video_id}")).json()
        return bool(video["viewers"] == {"count": 0, "peak": 3})

    await eventually(nobody_watches, "the viewers to have left")


async def test_without_a_dispatcher_both_still_arrive_by_the_nodes_own_asking(
    start_site: Callable[..., Site],
) -> None:
    """The counterpart: what proves the dispatcher above is absent when there is none."""
    site = start_site()
    async with open_room(site) as room:
        async with watching(*viewers_of(room)) as viewers:
            site.kill_dispatcher()
            repaired = await room.metric(REPAIRED, node=1)
            await room.like()
            for number in range(COMMENTS):
                await room.comment(f"comment {number}")
            await each(viewers, lambda viewer: viewer.sees_likes(1))
            await each(viewers, lambda viewer: viewer.sees_comment(f"comment {COMMENTS - 1}"))
            check(viewers)

        assert await room.metric(REPAIRED, node=1) - repaired == COMMENTS
        assert [frame.data["names"] for frame in viewers[0].named("likes")] == [[]]
