"""How long each hop took, over real processes: what frames say, and what viewers of the sample say back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from realtime.events import now_ms
from tests.messaging.talks import SseListener, WebSocketListener, listen, send, start
from tests.rooms import Room, open_room
from tests.sites import Site
from tests.watching import SseWatcher, Watcher, WebSocketWatcher, each, watching

ORDER = ("committed", "dispatched", "node", "written")


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site, people=3) as room:
        yield room


def live(viewer: Any, name: str) -> list[dict[str, Any]]:
    """Return the hops of the events of that name that came by the dispatcher."""
    found = [seen.data["hops"] for seen in viewer.seen if seen.name == name and "hops" in seen.data]
    return [hops for hops in found if "dispatched" in hops]


def check_order(viewer: Any, *names: str) -> None:
    for name in names:
        assert live(viewer, name), f"no {name} of {viewer} says how it came"
        for hops in live(viewer, name):
            passed = [hops[hop] for hop in ORDER]
            assert passed == sorted(passed), (name, hops)
            assert passed[0] >= 0
            assert "region" not in hops, "it was born here"


async def test_frames_of_every_event_of_a_video_tell_their_way(room: Room) -> None:
    viewers: list[Watcher] = [
        SseWatcher(room.site.urls[1], room.topic),
        WebSocketWatcher(room.site.urls[1], room.topic),
    ]
    nadia, ada, _ = room.people
    path = f"/videos/{room.video_id}"
    async with watching(*viewers):
        comment = await room.comment("first", person=ada)
        await room.like(person=ada)
        for method, call, body, person in (
            ("POST", "/reactions", {"kind": "heart", "count": 3}, ada),
            ("POST", "/typing", {"is_typing": True}, ada),
            ("PUT", f"/comments/{comment['id']}/pin", None, nadia),
            ("DELETE", f"/comments/{comment['id']}/pin", None, nadia),
            ("DELETE", f"/comments/{comment['id']}", None, nadia),
            ("PATCH", "", {"title": "Another"}, nadia),
        ):
            (await room.call(method, path + call, body, person=person)).raise_for_status()
        names = ("comment", "likes", "reactions", "typing", "comment_pinned", "comment_unpinned", "comment_deleted",
                 "video")  # fmt: skip
        for name in names:
            await each(viewers, lambda viewer, name=name: viewer.wait_for(lambda: bool(live(viewer, name)), name))  # type: ignore[misc]
        await each(viewers, lambda viewer: viewer.wait_for(lambda: bool(viewer.named("viewers")), "viewers"))
        for viewer in viewers:
            check_order(viewer, *names)
            assert viewer.named("viewers")[-1].data["hops"].keys() >= {"node", "written"}
    later = SseWatcher(room.site.urls[1], room.topic, query=f"&after={await room.position(0)}")
    async with watching(later):
        await later.wait_for(lambda: "video" in later.names, "what came before")
        replayed = [seen for seen in later.seen if seen.id]
        assert len(replayed) >= 5
        assert not any("hops" in seen.data for seen in replayed)


async def test_frames_of_messages_and_presence_tell_their_way(room: Room) -> None:
    _, ada, bea = room.people
    talk = await start(room, ada, bea)
    presence = SseWatcher(room.site.urls[1], f"presence:{ada.id}", headers={"Authorization": f"Bearer {bea.token}"})
    async with watching(await listen(room, bea, talk["topic"], f"user:{bea.id}", kind=WebSocketListener), presence) as (
        viewer,
        _,
    ):
        await send(room, talk, ada, "hello")
        async with watching(await listen(room, ada, f"user:{ada.id}", kind=SseListener)):
            await presence.wait_for(lambda: bool(live(presence, "presence")), "somebody to come online")
        await viewer.sees(talk["topic"], "message")
        await viewer.sees(f"user:{bea.id}", "message")
        check_order(viewer, "message")
        check_order(presence, "presence")


# The sample, in which every viewer of this site is


async def numbers_of(viewer: Watcher, room: Room) -> list[int]:
    """Return by which numbers frames are to be acknowledged, once there are some."""

    def numbers() -> list[int]:
        return [seen.data["hops"]["n"] for seen in viewer.seen if "n" in seen.data.get("hops", ())]

    await room.comment("to be acknowledged")
    await viewer.wait_for(lambda: bool(numbers()), "a frame of the sample")
    return numbers()


async def say(room: Room, connection: object, frames: object, *, node: int = 0) -> tuple[int, Any]:
    answer = await room.call("POST", "/saw", {"connection": connection, "frames": frames}, node=node)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("node", [0, 1])
async def test_acknowledgement_lands_on_any_node_and_counts_once(room: Room, node: int) -> None:
    seen = await room.metric("live_hop_seconds_count", node=1, hop="seen", event="comment")
    async with watching(SseWatcher(room.site.urls[1], room.topic)) as (viewer,):
        assert viewer.named("hello")[-1].data["sample"] == {"every_ms": 5_000}
        [number, *_] = await numbers_of(viewer, room)
        assert await say(room, viewer.connection, [[number, now_ms()]], node=node) == (200, {"seen": 1})
        assert await say(room, viewer.connection, [[number, now_ms()]], node=node) == (200, {"seen": 0})
    assert await room.metric("live_hop_seconds_count", node=1, hop="seen", event="comment") == seen + 1


async def test_acknowledgement_by_websocket(room: Room) -> None:
    async with watching(WebSocketWatcher(room.site.urls[1], room.topic)) as (viewer,):
        [number, *_] = await numbers_of(viewer, room)
        await viewer.send({"op": "saw", "frames": [[number, now_ms()], [number, now_ms()]], "ref": 1})
        await viewer.send({"op": "saw", "frames": "all", "ref": 2})
        await viewer.wait_for(lambda: "error" in viewer.names, "an answer to nonsense")
        assert viewer.named("ack")[-1].data == {"ack": 1, "seen": 1}
        assert viewer.named("error")[-1].data["error"]["code"] == "invalid"


async def test_nobody_acknowledges_for_a_connection_of_somebody_else(room: Room) -> None:
    watched = [SseWatcher(room.site.urls[1], room.topic) for _ in range(2)]
    async with watching(*watched) as (mine, theirs):
        [number, *_] = await numbers_of(theirs, room)
        await mine.wait_for(lambda: len(mine.comments) == 1, "the same frame")
        name, _, node = theirs.connection.partition("@")
        guessed = f"{name[:-1]}{'A' if name[-1] != 'A' else 'B'}@{node}"
        for connection in (guessed, f"{name}@live.node.local.0123456789ab", "x", "", number):
            status, answer = await say(room, connection, [[number, now_ms()]])
            assert (status, answer["code"]) in ((404, "connection_gone"), (422, "invalid"))
        async with watching(SseWatcher(room.site.urls[1], room.topic)) as (late,):
            assert await say(room, late.connection, [[number, now_ms()]]) == (200, {"seen": 0})
        assert await say(room, theirs.connection, [[number, now_ms()]]) == (200, {"seen": 1})


@pytest.mark.parametrize(
    "frames", [None, "all", {}, [1], [[1]], [[1, 2, 3]], [[1, "now"]], [[1, 1.5]], [[-1, 1]], [[1, 1]] * 1_001]
)
async def test_nonsense_is_refused(room: Room, frames: object) -> None:
    status, answer = await say(room, "x@live.node.local.0123456789ab", frames)
    assert (status, answer["code"]) == (422, "invalid")


async def test_time_is_told_to_anybody(room: Room) -> None:
    before = now_ms()
    answer = await room.call("GET", "/time")
    assert before <= answer.json()["now_ms"] <= now_ms()
    assert answer.headers["cache-control"] == "no-store"
