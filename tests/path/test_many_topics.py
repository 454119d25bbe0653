"""Many topics on one connection, changed without reconnecting, whichever node the call lands on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.rooms import Person, Room, open_room
from tests.sites import Site
from tests.watching import SseWatcher, Watcher, WebSocketWatcher, watching


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as room:
        yield room


async def change(
    room: Room,
    watcher: Watcher,
    *,
    subscribe: list[dict[str, Any]] | None = None,
    unsubscribe: list[str] | None = None,
    person: Person | None = None,
    node: int = 0,
) -> httpx.Response:
    body = {"connection": watcher.connection, "subscribe": subscribe or [], "unsubscribe": unsubscribe or []}
    return await room.call("POST", "/subscriptions", body, person=person, node=node)


def comments(watcher: Watcher, topic: str) -> list[str]:
    return [seen.data["comment"]["body"] for seen in watcher.named("comment") if seen.data["topic"] == topic]


@pytest.mark.parametrize("node", [0, 1])
@pytest.mark.parametrize("kind", [SseWatcher, WebSocketWatcher])
async def test_a_topic_comes_and_goes_on_an_open_connection(
    room: Room, node: int, kind: type[SseWatcher] | type[WebSocketWatcher]
) -> None:
    """The connection is on the second node; the call lands on the first, or on the second by chance."""
    first, second = room.video_id, await room.new_video("Another")
    topic = f"video:{second}"
    async with watching(kind(room.site.urls[1], room.topic)) as (viewer,):
        answer = (await change(room, viewer, subscribe=[{"topic": topic}], node=node)).raise_for_status()
        assert answer.json() == {"topics": {topic: {"seq": 1}}}
        await viewer.wait_for(lambda: "subscribed" in viewer.names, "the new topic")
        told = viewer.named("subscribed")[-1].data
        assert (told["topic"], told["seq"], told["snapshot"]["video"]["id"]) == (topic, 1, second)
        room.video_id = second
        await room.comment("in the second", node=0)
        await viewer.wait_for(lambda: comments(viewer, topic) == ["in the second"], "a comment of the second")

        after = await room.position(1, topic=topic)
        again = await change(room, viewer, subscribe=[{"topic": topic, "after": after}], node=node)
        assert again.json() == {"topics": {topic: {"seq": 2}}}
        await viewer.wait_for(lambda: len(comments(viewer, topic)) == 2, "what came after, once more")
        assert viewer.named("subscribed")[-1].data["snapshot"] is None

        (await change(room, viewer, unsubscribe=[topic], node=node)).raise_for_status()
        await room.comment("not for them", node=1)
        room.video_id = first
        await room.comment("in the first", node=1)
        await viewer.wait_for(lambda: comments(viewer, room.topic) == ["in the first"], "a comment of the first")
        assert "not for them" not in comments(viewer, topic)


async def test_what_is_not_for_the_caller_is_refused_topic_by_topic(room: Room) -> None:
    private = await room.new_video("Private")
    await room.call("PATCH", f"/videos/{private}", {"visibility": "private"}, person=room.people[0])
    asked = [f"video:{private}", f"video:{uuid4()}", room.topic]
    async with watching(SseWatcher(room.site.urls[1], room.topic)) as (viewer,):
        answer = await change(room, viewer, subscribe=[{"topic": topic} for topic in asked], person=room.people[1])
        refusal = {"error": {"code": "not_found", "detail": "There is no such topic."}}
        assert answer.json()["topics"] == {asked[0]: refusal, asked[1]: refusal, asked[2]: {"seq": 1}}

    async with watching(SseWatcher(room.site.urls[1], room.topic)) as (viewer,):
        own = await change(room, viewer, subscribe=[{"topic": asked[0]}], person=room.people[0])
        assert own.json()["topics"][asked[0]] == {"seq": 2}, "its broadcaster may"


async def test_connection_belongs_to_who_used_it_first(room: Room) -> None:
    owner, other = room.people
    async with watching(SseWatcher(room.site.urls[1], room.topic)) as (viewer,):
        assert (await change(room, viewer, person=owner)).status_code == 200
        for stranger in (other, None):
            answer = await change(room, viewer, subscribe=[{"topic": room.topic}], person=stranger)
            assert (answer.status_code, answer.json()["code"]) == (404, "connection_gone")
        assert (await change(room, viewer, person=owner)).status_code == 200


@pytest.mark.parametrize("connection", ["", "x", "x@y", "x@live.node.local.0123456789ab", "a\nb@c", "y" * 200])
async def test_connection_that_nobody_holds(room: Room, connection: str) -> None:
    answer = await room.call("POST", "/subscriptions", {"connection": connection})
    assert (answer.status_code, answer.json()["code"]) == (404, "connection_gone")


async def test_connection_that_has_ended(room: Room) -> None:
    async with watching(SseWatcher(room.site.urls[1], room.topic)) as (viewer,):
        pass
    while (answer := await change(room, viewer)).status_code == 200:
        pass  # its node has not read its end yet
    assert (answer.status_code, answer.json()["code"]) == (404, "connection_gone")


@pytest.mark.parametrize(
    "body",
    [
        {"subscribe": []},
        {"connection": 1},
        {"connection": "x" * 201},
        {"connection": "x", "subscribe": [{"topic": "nonsense"}]},
        {"connection": "x", "subscribe": [{"topic": "video:1", "after": -1}]},
        {"connection": "x", "subscribe": [{"topic": "video:1", "after": "1"}]},
        {"connection": "x", "subscribe": [{"topic": "video:1"}] * 51},
        {"connection": "x", "unsubscribe": ["nonsense"]},
        {"connection": "x", "more": 1},
    ],
)
async def test_nonsense(room: Room, body: object) -> None:
    answer = await room.call("POST", "/subscriptions", body)
    assert (answer.status_code, set(answer.json())) == (422, {"code", "detail"})


async def test_topic_that_is_named_twice_counts_once_as_it_stands_last(room: Room) -> None:
    """It was refused, though the OpenAPI document allows it."""
    async with watching(SseWatcher(room.site.urls[0], room.topic)) as (viewer,):
        topic = f"video:{await room.new_video('Another')}"
        asked: list[dict[str, Any]] = [{"topic": topic, "after": 1}, {"topic": topic}]
        answer = await change(room, viewer, subscribe=asked, unsubscribe=[topic])
        assert (answer.status_code, list(answer.json()["topics"])) == (200, [topic])
        await viewer.wait_for(lambda: bool(viewer.named("subscribed")), "the topic")
        assert [seen.data["topic"] for seen in viewer.named("subscribed")] == [topic]


async def test_connection_takes_fifty_topics(room: Room) -> None:
    async with watching(SseWatcher(room.site.urls[0], room.topic)) as (viewer,):
        ids = [await room.new_video(f"Number {number}") for number in range(50)]
        asked = [{"topic": f"video:{id}"} for id in ids]
        answers = (await change(room, viewer, subscribe=asked, node=1)).json()["topics"]
        refused = [answer["error"]["code"] for answer in answers.values() if "error" in answer]
        assert refused == ["too_many_topics"]
