"""Notices and choices by REST and on their pages, on a real site, and what comes live."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from tests.conftest import watched
from tests.messaging.talks import SseListener, WebSocketListener, listen
from tests.rooms import Person, Room, open_room
from tests.sites import Site, SiteFactory
from tests.watching import each, watching

DEFAULTS = {
    "live": {"push": True, "mail": True},
    "soon": {"push": True, "mail": True},
    "answer": {"site": True, "push": False},
    "mention": {"site": True, "push": False},
    "message": {"site": True, "push": False, "text": True},
}


@pytest.fixture(scope="module")
def telling_site(site_factory: SiteFactory) -> Iterator[Site]:
    """A site with its jobs."""
    with watched(site_factory.start(env={"LIVE_LIMITS": "off"}, nodes=1, jobs=True)) as site:
        yield site


@pytest.fixture
async def room(telling_site: Site) -> AsyncIterator[Room]:
    async with open_room(telling_site, people=3) as room:
        yield room


async def ok(room: Room, method: str, path: str, body: object = None, *, person: Person) -> Any:
    answer = await room.call(method, path, body, person=person)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"code", "detail"}


async def test_an_answer_comes_live_and_is_seen_on_all_devices(room: Room) -> None:
    _, ana, ben = room.people
    topic = f"user:{ana.id}"
    said = await room.comment("Who plays?", person=ana)
    viewers = [await listen(room, ana, topic, kind=kind, node=0) for kind in (SseListener, WebSocketListener)]
    async with watching(*viewers):
        for viewer in viewers:
            assert viewer.snapshots[topic]["notices"] == {"unread": 0, "counts_messages": True}
        path = f"/videos/{room.video_id}/comments"
        answer = (await room.call("POST", path, {"body": "The Ravens", "reply_to": said["id"]}, person=ben)).json()
        await each(viewers, lambda viewer: viewer.sees(topic, "notices"))
        [line] = (await ok(room, "GET", "/me/notices", person=ana))["items"]
        seen = await ok(room, "PUT", "/me/notices/seen", {"until_ms": line["at_ms"]}, person=ana)
        assert seen == {"unread": 0, "counts_messages": True}
        await each(viewers, lambda viewer: viewer.sees(topic, "notices", 2))

    assert line == {
        "id": line["id"],
        "kind": "answer",
        "video": {"id": room.video_id, "title": "A broadcast"},
        "comment": {
            "id": answer["id"],
            "author": {"id": ben.id, "name": ben.name},
            "body": "The Ravens",
            "at_ms": answer["at_ms"],
        },
        "others": 0,
        "path": f"/videos/{room.video_id}/?comment={answer['id']}",
        "at_ms": answer["at_ms"],
        "is_seen": False,
    }
    for viewer in viewers:
        assert viewer.problems == []
        assert [event["notices"]["unread"] for event in viewer.of(topic, "notices")] == [1, 0]
        assert "Ravens" not in str(viewer.of(topic, "notices")), "a text that may be deleted is in no event"
    [line] = (await ok(room, "GET", "/me/notices?limit=1", person=ana))["items"]
    assert line["is_seen"]


async def test_choices_are_changed_one_by_one(room: Room) -> None:
    _, ana, ben = room.people
    assert await ok(room, "GET", "/me/notices/choices", person=ana) == DEFAULTS
    changed = await ok(
        room, "PATCH", "/me/notices/choices", {"live": {"push": False}, "mention": {"push": True}}, person=ana
    )
    expected = {**DEFAULTS, "live": {"push": False, "mail": True}, "mention": {"site": True, "push": True}}
    assert changed == expected
    assert await ok(room, "PATCH", "/me/notices/choices", {}, person=ana) == expected
    back = {"live": {"push": True}, "mention": {"push": False}}
    assert await ok(room, "PATCH", "/me/notices/choices", back, person=ana) == DEFAULTS
    assert await ok(room, "GET", "/me/notices/choices", person=ben) == DEFAULTS


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/me/notices?limit=0", None),
        ("GET", "/me/notices?limit=101", None),
        ("GET", "/me/notices?before=1", None),
        ("PUT", "/me/notices/seen", {}),
        ("PUT", "/me/notices/seen", {"until_ms": -1}),
        ("PUT", "/me/notices/seen", {"until_ms": 10**17}),
        ("PUT", "/me/notices/seen", {"until_ms": "now"}),
        ("PATCH", "/me/notices/choices", {"likes": {"push": True}}),
        ("PATCH", "/me/notices/choices", {"answer": {"mail": True}}),
        ("PATCH", "/me/notices/choices", {"message": {"mail": True}}),
        ("PATCH", "/me/notices/choices", {"answer": {"push": "yes"}}),
        ("PATCH", "/me/notices/choices", {"answer": None}),
        ("PATCH", "/me/notices/choices", {"answer": {"push": None}}),
    ],
)
async def test_nonsense_is_refused(room: Room, method: str, path: str, body: object) -> None:
    refused(await room.call(method, path, body, person=room.people[1]), 422)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/me/notices"),
        ("PUT", "/me/notices/seen"),
        ("GET", "/me/notices/choices"),
        ("PATCH", "/me/notices/choices"),
    ],
)
async def test_nobody_has_none(room: Room, method: str, path: str) -> None:
    refused(await room.call(method, path, {} if method != "GET" else None), 401)


async def test_the_page_of_choices_saves_them(room: Room) -> None:
    url = f"{room.site.urls[0]}/notices/choices/"
    ana = await room.join("Ana")
    room.client.cookies.set("sessionid", ana.session)
    page = await room.client.get(url)
    assert page.status_code == 200
    assert page.text.count(" checked>") == 6 + 1, "those of the defaults, and the appearance"
    assert "e-mail" not in page.text, "a guest has no address"
    token = page.text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    saved = await room.client.post(
        url,
        data={"csrfmiddlewaretoken": token, "answer-push": "on", "nonsense": "on"},
        headers={"Referer": url},
    )
    assert (saved.status_code, saved.headers["location"]) == (302, "/notices/choices/")
    room.client.cookies.clear()
    chosen = await ok(room, "GET", "/me/notices/choices", person=ana)
    are_on = [(kind, way) for kind, ways in chosen.items() for way, is_on in ways.items() if is_on]
    assert are_on == [("live", "mail"), ("soon", "mail"), ("answer", "push")], "what is not offered stays"


async def test_strangers_are_led_to_the_sign_in(room: Room) -> None:
    answer = await room.client.get(f"{room.site.urls[0]}/notices/choices/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/accounts/login/?next=/notices/choices/")
    page = await room.client.get(f"{room.site.urls[0]}/notices/")
    assert (page.status_code, "/accounts/login/?next=/notices/" in page.text) == (200, True)
