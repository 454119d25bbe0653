"""Who is online, on a real site of two nodes: told to those who may see it, without flapping, and never stuck."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import watched
from tests.rooms import Person, Room, open_room
from tests.sites import Site, SiteFactory
from tests.watching import Refused, SseWatcher, Watcher, WebSocketWatcher, eventually, watching

BEAT_SECONDS = 3
ENV = {"LIVE_LIMITS": "off", "LIVE_PRESENCE_SECONDS": str(BEAT_SECONDS)}


@pytest.fixture(scope="module")
def quick(site_factory: SiteFactory) -> Iterator[Site]:
    """A site on which who has gone is so within seconds."""
    with watched(site_factory.start(env=ENV)) as started:
        yield started


@pytest.fixture
async def room(quick: Site) -> AsyncIterator[Room]:
    async with open_room(quick, people=3) as room:
        yield room


async def befriend(room: Room, *people: Person) -> str:
    """Have people talk to each other; return the conversation's id."""
    body = {"members": [person.id for person in people]}
    started = (await room.call("POST", "/conversations", body, person=people[0])).raise_for_status().json()
    for person in people:
        path = f"/conversations/{started['id']}/messages"
        (await room.call("POST", path, {"body": "hello"}, person=person)).raise_for_status()
    return str(started["id"])


async def stream(room: Room, topic: str, person: Person, *, node: int = 0, is_sse: bool = True) -> Watcher:
    answer = await room.call("POST", "/tickets", {"topics": [topic]}, person=person, node=node)
    kind = SseWatcher if is_sse else WebSocketWatcher
    return kind(room.site.urls[node], topic, query=f"&ticket={answer.raise_for_status().json()['ticket']}")


async def online(room: Room, person: Person, *, node: int = 0) -> Watcher:
    """Return a stream that shows the person online while it is open: that of the own inbox."""
    return await stream(room, f"user:{person.id}", person, node=node)


def statuses(watcher: Watcher) -> list[str]:
    return [seen.data["status"] for seen in watcher.named("presence")]


def first(watcher: Watcher) -> dict[str, Any]:
    snapshot: dict[str, Any] = watcher.named("hello")[-1].data["topics"][watcher.topic]["snapshot"]
    return snapshot


def shown(watcher: Watcher) -> dict[str, Any]:
    """Return what a viewer knows: first state + events."""
    return {**first(watcher), **(watcher.named("presence")[-1].data if watcher.named("presence") else {})}


async def presence_of(room: Room, viewer: Person, asker: Person) -> dict[str, Any]:
    found: dict[str, Any] = (await room.call("GET", f"/viewers/{viewer.id}/presence", person=asker, node=1)).json()
    return found


@pytest.mark.parametrize("is_sse", [True, False])
async def test_coming_and_going_is_told_with_the_time_to_who_may_see_it(room: Room, is_sse: bool) -> None:
    ana, bo, cy = room.people
    await befriend(room, ana, bo)
    with pytest.raises(AssertionError if not is_sse else Refused):
        async with watching(await stream_refused(room, ana, cy, is_sse=is_sse)):
            pass
    async with watching(await stream(room, f"presence:{ana.id}", bo, node=1, is_sse=is_sse)) as (watcher,):
        assert first(watcher) == {
            "viewer": {"id": ana.id, "name": ana.name},
            "status": "offline",
            "last_active_ms": None,
        }
        async with watching(await online(room, ana)):
            await watcher.wait_for(lambda: statuses(watcher) == ["online"], "ana online")
            assert await presence_of(room, ana, bo) == {**first(watcher), "status": "online"}
        await watcher.wait_for(lambda: statuses(watcher) == ["online", "offline"], "ana offline")
        last = watcher.named("presence")[-1].data
        assert last["last_active_ms"] > 0
        assert await presence_of(room, ana, bo) == {**first(watcher), "last_active_ms": last["last_active_ms"]}
        async with watching(await stream(room, f"presence:{ana.id}", bo)) as (fresh,):
            # The other node may hear of it a moment later.
            await fresh.wait_for(lambda: shown(fresh)["last_active_ms"] == last["last_active_ms"], "the same time")


async def stream_refused(room: Room, viewer: Person, asker: Person, *, is_sse: bool) -> Watcher:
    """Return a stream for which there is no ticket: it is opened by the asker's own token, and refused."""
    answer = await room.call("POST", "/tickets", {"topics": [f"presence:{viewer.id}"]}, person=asker)
    missing = await room.call("POST", "/tickets", {"topics": [f"presence:{uuid4()}"]}, person=asker)
    assert answer.status_code == missing.status_code == 404
    assert answer.content == missing.content
    kind = SseWatcher if is_sse else WebSocketWatcher
    return kind(room.site.urls[0], f"presence:{viewer.id}")


async def test_stranger_who_writes_sees_nothing_until_he_is_answered(room: Room) -> None:
    ana, stranger, _ = room.people
    body = {"members": [ana.id]}
    started = (await room.call("POST", "/conversations", body, person=stranger)).raise_for_status().json()
    path = f"/conversations/{started['id']}/messages"
    (await room.call("POST", path, {"body": "hello?"}, person=stranger)).raise_for_status()
    assert (await room.call("GET", f"/viewers/{ana.id}/presence", person=stranger)).status_code == 404
    assert (await room.call("GET", f"/viewers/{stranger.id}/presence", person=ana)).status_code == 200
    (await room.call("POST", path, {"body": "yes?"}, person=ana)).raise_for_status()
    assert (await room.call("GET", f"/viewers/{ana.id}/presence", person=stranger)).status_code == 200


async def test_connection_that_breaks_and_is_back_within_d_is_not_told(room: Room) -> None:
    ana, bo, _ = room.people
    await befriend(room, ana, bo)
    async with watching(await stream(room, f"presence:{ana.id}", bo, node=1)) as (watcher,):
        for node in (0, 1, 0):  # wherever it comes back
            async with watching(await online(room, ana, node=node)):
                await watcher.wait_for(lambda: statuses(watcher) == ["online"], "ana online")
                await asyncio.sleep(BEAT_SECONDS / 4)
            await asyncio.sleep(BEAT_SECONDS / 4)
        assert statuses(watcher) == ["online"]
        await watcher.wait_for(lambda: statuses(watcher) == ["online", "offline"], "ana offline, for she stays away")
        async with watching(await online(room, ana)):
            await watcher.wait_for(lambda: statuses(watcher)[2:] == ["online"], "ana online again")


async def test_hidden_viewer_looks_as_if_he_had_never_come(room: Room) -> None:
    ana, bo, _ = room.people
    await befriend(room, ana, bo)
    async with (
        watching(await stream(room, f"presence:{ana.id}", bo, node=1)) as (watcher,),
        watching(await online(room, ana)),
    ):
        await watcher.wait_for(lambda: statuses(watcher) == ["online"], "ana online")
        answer = await room.call("PUT", "/me/presence", {"is_hidden": True}, person=ana)
        assert answer.json() == {"viewer": {"id": ana.id, "name": ana.name}, "is_hidden": True}
        # On a busy machine a heartbeat may come late: then it was told before that she had gone, and since when.
        hidden = {"status": "offline", "last_active_ms": None}
        await watcher.wait_for(lambda: hidden.items() <= watcher.named("presence")[-1].data.items(), "ana hidden")
        assert (await presence_of(room, ana, bo))["last_active_ms"] is None
        assert (await room.call("GET", "/me", person=ana)).json()["is_hidden"] is True
        async with watching(await online(room, ana, node=1)):  # another tab
            await asyncio.sleep(BEAT_SECONDS * 1.2)
        assert statuses(watcher).count("online") == 1, "no heartbeat of hers shows her"
        await room.call("PUT", "/me/presence", {"is_hidden": False}, person=ana)
        await watcher.wait_for(lambda: statuses(watcher)[-1] == "online", "ana seen again")


async def test_blocked_viewer_loses_sight_and_the_others_keep_it(room: Room) -> None:
    ana, bo, cy = room.people
    await befriend(room, ana, bo)
    await befriend(room, ana, cy)
    topic = f"presence:{ana.id}"
    async with (
        watching(await stream(room, topic, bo, node=1), await stream(room, topic, cy, node=1)) as (blocked, other),
        watching(await online(room, ana)),
    ):
        await blocked.wait_for(lambda: statuses(blocked) == ["online"], "ana online")
        await room.call("PUT", f"/blocks/{bo.id}", person=ana)
        # Its ticket would still open it for a moment: what counts is that the topic is gone from the stream.
        await blocked.is_closed()
        assert blocked.named("bye")[-1].data == {"reason": "private"}
        assert (await room.call("GET", f"/viewers/{ana.id}/presence", person=bo)).status_code == 404
        assert statuses(other) == ["online"]
        assert other.is_open
    await other.close()


async def test_nobody_else_opens_an_inbox_or_a_conversation(room: Room) -> None:
    ana, bo, cy = room.people
    conversation = await befriend(room, ana, bo)
    for topic in (f"user:{ana.id}", f"conversation:{conversation}"):
        assert (await room.call("POST", "/tickets", {"topics": [topic]}, person=cy)).status_code == 404


async def test_node_that_is_killed_takes_its_viewers_offline_and_nobody_else(
    start_site: Callable[..., Site],
) -> None:
    site = start_site(env=ENV)
    async with open_room(site, people=3) as room:
        ana, bo, cy = room.people
        await befriend(room, bo, ana)
        await befriend(room, bo, cy)
        async with watching(
            await stream(room, f"presence:{ana.id}", bo, node=1), await stream(room, f"presence:{cy.id}", bo, node=1)
        ) as (of_ana, of_cy):
            lost, kept = await online(room, ana, node=0), await online(room, cy, node=1)
            await asyncio.gather(lost.open(), kept.open())
            await of_ana.wait_for(lambda: statuses(of_ana) == ["online"], "ana online")
            await of_cy.wait_for(lambda: statuses(of_cy) == ["online"], "cy online")
            site.nodes[0].send(signal.SIGKILL)
            await of_ana.wait_for(lambda: statuses(of_ana) == ["online", "offline"], "ana offline")
            assert statuses(of_cy) == ["online"]
            await asyncio.gather(lost.close(), kept.close())


async def test_flushed_redis_changes_nothing_that_is_seen(start_site: Callable[..., Site]) -> None:
    site = start_site(env=ENV)
    async with open_room(site) as room:
        ana, bo = room.people
        await befriend(room, ana, bo)
        async with (
            watching(await stream(room, f"presence:{ana.id}", bo, node=1)) as (watcher,),
            watching(await online(room, ana)),
        ):
            await watcher.wait_for(lambda: statuses(watcher) == ["online"], "ana online")
            with site.redis() as redis:
                redis.flushall()
            heartbeats = await room.metric("live_heartbeats_total")

            async def beaten() -> bool:
                return await room.metric("live_heartbeats_total") > heartbeats

            await eventually(beaten, "the next heartbeat")
            assert "offline" not in statuses(watcher)
            assert (await presence_of(room, ana, bo))["status"] == "online"


@pytest.mark.parametrize("body", [{}, {"is_hidden": "yes"}, {"is_hidden": True, "more": 1}, {"is_hidden": None}])
async def test_nonsense_hides_nobody(room: Room, body: object) -> None:
    answer = await room.call("PUT", "/me/presence", body, person=room.people[0])
    assert (answer.status_code, set(answer.json())) == (422, {"code", "detail"})
    assert (await room.call("GET", "/me", person=room.people[0])).json()["is_hidden"] is False
