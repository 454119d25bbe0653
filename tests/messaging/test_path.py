"""Messages, receipts and typing over real processes and two nodes: what is done at one is read at the other."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest

from realtime.events import now_ms
from tests.messaging.talks import Listening, SseListener, WebSocketListener, listen, send, start
from tests.rooms import Person, Room, open_room
from tests.sites import Site
from tests.watching import Refused, SseWatcher, crowd, each, eventually, watching

KINDS = (SseListener, WebSocketListener)


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site, people=4) as room:
        yield room


def inbox(person: Person) -> str:
    return f"user:{person.id}"


async def both(room: Room, person: Person, *topics: str) -> list[Any]:
    """Return an SSE and a WebSocket listener of the second node."""
    return [await listen(room, person, *topics, kind=kind) for kind in KINDS]


async def type_to(room: Room, path: str, person: Person, *, is_typing: bool = True) -> None:
    (await room.call("POST", f"{path}/typing", {"is_typing": is_typing}, person=person)).raise_for_status()


async def test_message_receipt_and_typing_of_one_node_reach_both_kinds_of_viewers_of_another(room: Room) -> None:
    _, ada, bea, cem = room.people
    talk = await start(room, ada, bea, cem, title="Three")
    path, topic = f"/conversations/{talk['id']}", talk["topic"]
    async with watching(*await both(room, bea, topic, inbox(bea))) as viewers:
        for viewer in viewers:
            assert viewer.snapshots[topic]["messages"] == []
            assert [known["id"] for known in viewer.snapshots[inbox(bea)]["conversations"]] == [talk["id"]]
        await type_to(room, path, ada)
        await each(viewers, lambda viewer: viewer.sees(topic, "typing"))
        sent = await send(room, talk, ada, "hello")
        await each(viewers, lambda viewer: viewer.sees(inbox(bea), "message"))
        await each(viewers, lambda viewer: viewer.sees(topic, "message"))
        (await room.call("PUT", f"{path}/seen", {"seq": sent["seq"]}, person=cem)).raise_for_status()
        await each(viewers, lambda viewer: viewer.sees(topic, "receipt"))
        mine = (await room.call("PUT", f"{path}/seen", {"seq": sent["seq"]}, person=bea)).json()
        assert mine == {"seen_seq": sent["seq"], "unread": 0}
        await each(viewers, lambda viewer: viewer.sees(inbox(bea), "receipt"))
        (await room.call("DELETE", f"{path}/messages/{sent['id']}", person=ada)).raise_for_status()
        await each(viewers, lambda viewer: viewer.sees(topic, "message_deleted"))
        await each(viewers, lambda viewer: viewer.sees(inbox(bea), "message_deleted"))

    for viewer in viewers:
        assert viewer.problems == []
        typing = viewer.of(topic, "typing")[-1]
        assert typing["viewer"] == {"id": ada.id, "name": ada.name}
        assert (typing["is_typing"], typing["expires_ms"]) == (True, 6_000)
        assert viewer.of(topic, "message")[-1]["message"] == sent
        told = viewer.of(inbox(bea), "message")[-1]
        assert told["message"] == told["conversation"]["last"] == sent
        assert (told["conversation"]["unread"], told["conversation"]["id"]) == (1, talk["id"])
        receipts = [event["receipt"] for event in viewer.of(topic, "receipt")]
        assert receipts == [{"viewer_id": person.id, "seen_seq": sent["seq"]} for person in (cem, bea)]
        assert [event["receipt"] for event in viewer.of(inbox(bea), "receipt")] == receipts[1:], "own ones only"
        assert viewer.of(inbox(bea), "message_deleted")[-1]["conversation"]["last"] is None


async def test_the_same_by_commands_of_a_websocket(room: Room) -> None:
    _, ada, bea, cem = room.people
    talk = await start(room, ada, bea)
    topic = talk["topic"]
    actor = await listen(room, ada, topic, kind=WebSocketListener, node=0)
    async with watching(actor), watching(*await both(room, bea, topic, inbox(bea))) as viewers:
        await actor.ask({"op": "typing", "topic": topic})
        await each(viewers, lambda viewer: viewer.sees(topic, "typing"))
        answer = await actor.ask({"op": "message", "conversation": talk["id"], "body": "hello", "client_id": "a"})
        assert (answer["message"]["body"], answer["message"]["client_id"]) == ("hello", "a")
        again = await actor.ask({"op": "message", "conversation": talk["id"], "body": "hello", "client_id": "a"})
        assert again["message"] == answer["message"]
        await each(viewers, lambda viewer: viewer.sees(inbox(bea), "message"))
        seen = await actor.ask({"op": "seen", "conversation": talk["id"], "seq": answer["message"]["seq"]})
        assert {"seen_seq": answer["message"]["seq"], "unread": 0}.items() <= seen.items()
        await each(viewers, lambda viewer: viewer.sees(topic, "receipt"))
        sent = answer["message"]
        edit = {"op": "edit_message", "conversation": talk["id"], "message": sent["id"]}
        edited = (await actor.ask({**edit, "body": "hallo"}))["message"]
        assert edited == {**sent, "body": "hallo", "edited_at_ms": edited["edited_at_ms"]}
        await each(viewers, lambda viewer: viewer.sees(topic, "message_edited"))
        await each(viewers, lambda viewer: viewer.sees(inbox(bea), "message_edited"))
        foreign = await start(room, bea, cem)
        for command, code in (
            ({"op": "message", "conversation": talk["id"], "body": " "}, "empty"),
            ({"op": "message", "conversation": talk["id"], "body": 5}, "invalid"),
            ({"op": "message", "conversation": talk["id"], "body": "bye", "client_id": "a"}, "client_id_taken"),
            ({"op": "message", "conversation": foreign["id"], "body": "x"}, "not_found"),
            ({"op": "seen", "conversation": talk["id"], "seq": 10_000}, "future"),
            ({"op": "seen", "conversation": talk["id"], "seq": "1"}, "invalid"),
            ({"op": "typing", "topic": topic, "is_typing": False}, ""),
            ({**edit, "body": " "}, "empty"),
            ({**edit, "message": "none", "body": "x"}, "invalid"),
            ({**edit, "op": "delete_message", "conversation": foreign["id"]}, "not_found"),
            ({**edit, "op": "delete_message"}, ""),
            ({**edit, "op": "delete_message"}, "not_found"),
            ({"op": "seen", "conversation": foreign["id"], "seq": 1}, "not_found"),
            ({"op": "seen", "seq": 1}, "invalid"),
            ({"op": "typing", "topic": foreign["topic"]}, "not_found"),
            ({"op": "typing", "topic": inbox(bea)}, "invalid"),
            ({"op": "typing", "topic": topic, "is_typing": 1}, "invalid"),
        ):
            answered = await actor.ask(command)
            assert answered.get("error", {}).get("code", "") == code, (command, answered)
    assert [viewer.problems for viewer in (actor, *viewers)] == [[], [], []]
    assert [len(viewer.of(topic, "message")) for viewer in viewers] == [1, 1]


async def test_a_conversation_goes_on_where_the_connection_broke(room: Room) -> None:
    _, ada, bea, _ = room.people
    talk = await start(room, ada, bea)
    topic = talk["topic"]
    first = await listen(room, bea, topic, kind=SseListener)
    async with watching(first):
        sent = await send(room, talk, ada, "one")
        await first.sees(topic, "message")
    missed = [await send(room, talk, ada, f"note {number}") for number in range(3)]
    second = await listen(room, bea, topic, kind=SseListener, node=0)
    second.query += f"&after={await room.position(sent['seq'], topic=topic)}"
    second.seq = -1
    async with watching(second):
        await second.wait_for(lambda: len(second.named("message")) == 3, "what was missed")
    assert [seen.data["message"] for seen in second.named("message")] == missed
    assert second.snapshots[topic] is None


async def test_nobody_else_reads_a_conversation_or_an_inbox(room: Room) -> None:
    """Superusers neither; and who asks cannot tell it from one that there is not."""
    nadia, ada, bea, cem = room.people
    talk = await start(room, ada, bea)
    with psycopg.connect(room.site.database_url) as connection:
        connection.execute("UPDATE accounts_viewer SET is_staff = true, is_superuser = true WHERE id = %s", [nadia.id])
    for person in (nadia, cem):
        for topic in (talk["topic"], inbox(ada), inbox(ada).upper().replace("USER", "user")):
            refused = await room.call("POST", "/tickets", {"topics": [topic]}, person=person)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        for path in ("", "/messages"):
            refused = await room.call("GET", f"/conversations/{talk['id']}{path}", person=person)
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert (await room.call("GET", "/conversations", person=person)).json() == {"items": [], "next": None}
    for topic in (talk["topic"], inbox(ada)):
        with pytest.raises(Refused) as refusal:
            await SseWatcher(room.site.urls[0], topic).open()
        assert refusal.value.status == 404


@pytest.mark.parametrize("kind", KINDS)
async def test_who_is_sent_away_hears_nothing_more(room: Room, kind: type[Listening]) -> None:
    """Not even with a ticket of before."""
    _, ada, bea, cem = room.people
    talk = await start(room, ada, bea, cem)
    topic = talk["topic"]
    ticket = await listen(room, cem, topic, inbox(cem), kind=kind)
    stays = await listen(room, bea, topic, inbox(bea), kind=kind)
    goes = await listen(room, cem, topic, inbox(cem), kind=kind)
    async with watching(goes, stays):
        await send(room, talk, ada, "all of us")
        await goes.sees(topic, "message")
        (await room.call("DELETE", f"/conversations/{talk['id']}/members/{cem.id}", person=ada)).raise_for_status()
        await goes.wait_for(lambda: "unsubscribed" in goes.names, "the end of it")
        assert goes.named("unsubscribed")[-1].data == {"topic": topic, "reason": "private"}
        left = await goes.sees(inbox(cem), "conversation")
        assert left["conversation"] == {"id": talk["id"], "left": True}
        await send(room, talk, ada, "without him")
        await stays.sees(topic, "message", 2)
        await start(room, ada, cem)
        await goes.sees(inbox(cem), "conversation", 2)
        assert (len(goes.of(topic, "message")), len(goes.of(inbox(cem), "message"))) == (1, 1)
        assert goes.is_open
    with pytest.raises((Refused, AssertionError)):  # a WebSocket is closed with 4404 before its hello
        await ticket.open()
    await ticket.close()
    assert goes.problems == stays.problems == []


async def test_blocked_viewer_types_and_writes_to_nobody(room: Room) -> None:
    _, ada, bea, _ = room.people
    talk = await start(room, ada, bea)
    topic, path = talk["topic"], f"/conversations/{talk['id']}"
    async with watching(*await both(room, ada, topic, inbox(ada))) as viewers:
        (await room.call("PUT", f"/blocks/{bea.id}", person=ada)).raise_for_status()
        await each(viewers, lambda viewer: viewer.sees(inbox(ada), "blocked"))
        await type_to(room, path, bea)
        refused = await room.call("POST", f"{path}/messages", {"body": "x"}, person=bea)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_reachable")
        (await room.call("DELETE", f"/blocks/{bea.id}", person=ada)).raise_for_status()
        await type_to(room, path, bea)
        await send(room, talk, bea, "again")
        await each(viewers, lambda viewer: viewer.sees(topic, "typing"))
        await each(viewers, lambda viewer: viewer.sees(topic, "message"))
    for viewer in viewers:
        assert len(viewer.of(topic, "typing")) == 1
        assert [event["is_blocked"] for event in viewer.of(inbox(ada), "blocked")] == [True, False]


# Typing


async def test_typing_that_comes_too_late_is_never_shown(start_site: Callable[..., Site]) -> None:
    """Its typist has closed the browser and never says "stopped"; the dispatcher stood still meanwhile."""
    site = start_site()
    async with open_room(site, people=3) as room:
        _, ada, bea = room.people
        talk = await start(room, ada, bea)
        topic, path = talk["topic"], f"/conversations/{talk['id']}"
        async with watching(*await both(room, bea, topic)) as viewers:
            assert site.dispatcher
            os.kill(site.dispatcher.pid, signal.SIGSTOP)
            await type_to(room, path, ada)
            expired_at = now_ms() + 6_000
            await eventually(lambda: now_ms() > expired_at, "its expiry")
            os.kill(site.dispatcher.pid, signal.SIGCONT)
            await type_to(room, path, bea)
            await each(viewers, lambda viewer: viewer.sees(topic, "typing"))
    for viewer in viewers:
        assert [event["viewer"]["id"] for event in viewer.of(topic, "typing")] == [bea.id]


async def test_typing_of_a_comment_is_shown_in_a_small_room_and_not_in_a_big_one(room: Room) -> None:
    guest = room.people[1]
    path = f"/videos/{room.video_id}"
    small, big = crowd(room.site.urls, room.topic, 4), crowd(room.site.urls, room.topic, 47)
    async with watching(*small):
        await type_to(room, path, guest)
        await each(small, lambda viewer: viewer.wait_for(lambda: "typing" in viewer.names, "who types"))
        async with watching(*big):
            await small[0].sees_viewers(51)
            await eventually(lambda: is_counted(room, 51), "all of them to be counted")
            await type_to(room, path, guest)
            await room.comment("written", person=guest)
            await each(small, lambda viewer: viewer.sees_comment("written"))
        assert [len(viewer.named("typing")) for viewer in small] == [1, 1, 1, 1]
        told = small[0].named("typing")[0].data
        assert told.pop("hops")
        assert told == {
            "topic": room.topic,
            "viewer": {"id": guest.id, "name": guest.name},
            "is_typing": True,
            "expires_ms": 6_000,
        }


async def is_counted(room: Room, count: int) -> bool:
    video = (await room.call("GET", f"/videos/{room.video_id}")).json()
    return bool(video["viewers"]["count"] == count)


async def test_typing_at_a_video_needs_comments(room: Room) -> None:
    nadia, guest = room.people[:2]
    path = f"/videos/{room.video_id}"
    (await room.call("PATCH", path, {"comments_enabled": False}, person=nadia)).raise_for_status()
    refused = await room.call("POST", f"{path}/typing", {"is_typing": True}, person=guest)
    assert (refused.status_code, refused.json()["code"]) == (403, "comments_off")
    (await room.call("PATCH", path, {"visibility": "private"}, person=nadia)).raise_for_status()
    hidden = await room.call("POST", f"{path}/typing", {"is_typing": True}, person=guest)
    assert hidden.status_code == 404
    (await room.call("POST", f"{path}/end", person=nadia)).raise_for_status()
    ended = await room.call("POST", f"{path}/typing", {"is_typing": True}, person=nadia)
    assert (ended.status_code, ended.json()["code"]) == (404, "video_ended")


async def test_who_writes_too_much_is_told_to_wait(start_site: Callable[..., Site]) -> None:
    """Row 64: fifty times "typing" in a second are one; messages have a burst of twenty."""
    site = start_site(nodes=1)
    async with open_room(site, people=3) as room:
        _, ada, bea = room.people
        talk = await start(room, ada, bea)
        topic, path = talk["topic"], f"/conversations/{talk['id']}"
        viewer = await listen(room, bea, topic, kind=SseListener, node=0)
        async with watching(viewer):
            await asyncio.gather(*(type_to(room, path, ada) for _ in range(50)))
            answers = [await room.call("POST", f"{path}/messages", {"body": "x"}, person=ada) for _ in range(40)]
            sent = [answer for answer in answers if answer.status_code == 201]
            await viewer.sees(topic, "message", len(sent))
    limited = [answer for answer in answers if answer.status_code == 429]
    assert len(sent) >= 20
    assert limited
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in limited)
    assert len(viewer.of(topic, "typing")) < 5
