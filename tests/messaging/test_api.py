"""The REST API of direct messages over real HTTP: each call, each refusal, bad input; never a 5xx."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests.messaging.talks import send, start, try_to_send
from tests.rooms import Person, Room, open_room
from tests.sites import Site


@pytest.fixture
async def here(site: Site) -> AsyncIterator[Room]:
    async with open_room(site, people=4) as room:
        yield room


def refused(answer: httpx.Response, status: int, code: str = "") -> None:
    """Check that it is an error of the caller's, in the API's form."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:300]}"
    body = answer.json()
    assert set(body) == {"code", "detail"}
    assert body["code"] == code or not code
    assert body["detail"]


async def ok(here: Room, method: str, path: str, body: object = None, *, person: Person, status: int = 200) -> Any:
    """Call the API; return what it answers, which has to have that status."""
    answer = await here.call(method, path, body, person=person)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


async def test_two_people_talk(here: Room) -> None:
    _, ada, bea, _ = here.people
    members = {"members": [bea.id.upper(), ada.id]}
    made = await ok(here, "POST", "/conversations", members, person=ada, status=201)
    assert made == {
        "id": made["id"],
        "topic": f"conversation:{made['id']}",
        "title": "",
        "is_group": False,
        "members": [{"id": person.id, "name": person.name} for person in sorted((ada, bea), key=lambda one: one.id)],
        "creator_id": ada.id,
        "created_at_ms": made["created_at_ms"],
        "last": None,
        "unread": 0,
        "seen_seq": 0,
    }
    assert await ok(here, "POST", "/conversations", {"members": [ada.id]}, person=bea) == made
    path = f"/conversations/{made['id']}"
    sent = [await send(here, made, person, person.name, node=node) for node, person in enumerate((ada, bea))]
    assert sent[0] == {
        "id": sent[0]["id"],
        "conversation_id": made["id"],
        "author": {"id": ada.id, "name": ada.name},
        "body": ada.name,
        "client_id": None,
        "seq": 1,
        "at_ms": sent[0]["at_ms"],
        "edited_at_ms": None,
    }
    mine = {**made, "last": sent[1], "unread": 1}
    assert await ok(here, "GET", path, person=ada) == mine
    assert await ok(here, "GET", "/conversations", person=ada) == {"items": [mine], "next": None}
    first = await ok(here, "GET", f"{path}/messages?limit=1", person=ada)
    assert first == {"items": [sent[1]], "next": sent[1]["seq"]}
    second = await ok(here, "GET", f"{path}/messages?limit=1&before={first['next']}", person=ada)
    assert second == {"items": [sent[0]], "next": None}
    for _ in range(2):
        assert await ok(here, "PUT", f"{path}/seen", {"seq": 2}, person=ada) == {"seen_seq": 2, "unread": 0}
    assert await ok(here, "PUT", f"{path}/seen", {"seq": 1}, person=ada) == {"seen_seq": 2, "unread": 0}
    refused(await here.call("PUT", f"{path}/seen", {"seq": 4}, person=ada), 409, "future")
    await ok(here, "POST", f"{path}/typing", {"is_typing": True}, person=ada, status=204)
    refused(await here.call("DELETE", f"{path}/messages/{sent[0]['id']}", person=bea), 403)
    await ok(here, "DELETE", f"{path}/messages/{sent[0]['id']}", person=ada, status=204)
    refused(await here.call("DELETE", f"{path}/messages/{sent[0]['id']}", person=ada), 404)
    assert (await ok(here, "GET", f"{path}/messages", person=bea))["items"] == [sent[1]]


async def test_group_comes_and_goes(here: Room) -> None:
    nadia, ada, bea, cem = here.people
    group = await start(here, ada, bea, cem, title="  The \n three ")
    path = f"/conversations/{group['id']}"
    assert group["title"] == "The three"
    with_nadia = await ok(here, "POST", f"{path}/members", {"viewer_id": nadia.id}, person=cem)
    assert [member["id"] for member in with_nadia["members"]][-1] == nadia.id
    renamed = await ok(here, "PATCH", path, {"title": " The  four "}, person=cem)
    assert renamed["title"] == "The four"
    assert (await ok(here, "GET", path, person=bea))["title"] == "The four"
    assert (await ok(here, "PATCH", path, {"title": ""}, person=nadia))["title"] == ""
    refused(await here.call("DELETE", f"{path}/members/{nadia.id}", person=cem), 403)
    await ok(here, "DELETE", f"{path}/members/{cem.id}", person=cem, status=204)
    refused(await here.call("GET", path, person=cem), 404, "not_found")
    await ok(here, "DELETE", f"{path}/members/{nadia.id}", person=ada, status=204)
    refused(await here.call("DELETE", f"{path}/members/{nadia.id}", person=ada), 404)
    refused(await here.call("POST", f"{path}/members", {"viewer_id": str(uuid4())}, person=ada), 404)
    pair = await start(here, ada, bea)
    for answer in (
        await here.call("POST", f"/conversations/{pair['id']}/members", {"viewer_id": cem.id}, person=ada),
        await here.call("DELETE", f"/conversations/{pair['id']}/members/{ada.id}", person=ada),
        await here.call("PATCH", f"/conversations/{pair['id']}", {"title": "We two"}, person=ada),
    ):
        refused(answer, 409, "not_a_group")


async def test_block_and_take_it_back(here: Room) -> None:
    _, ada, bea, cem = here.people
    pair = await start(here, ada, bea)
    for _ in range(2):
        await ok(here, "PUT", f"/blocks/{bea.id}", person=ada, status=204)
    await ok(here, "PUT", f"/blocks/{cem.id}", person=ada, status=204)
    blocked = await ok(here, "GET", "/blocks", person=ada)
    assert blocked == {"items": [{"id": cem.id, "name": cem.name}, {"id": bea.id, "name": bea.name}]}
    assert await ok(here, "GET", "/blocks", person=bea) == {"items": []}, "who is blocked is not told"
    refused(await try_to_send(here, pair, ada, "x"), 403, "blocked")
    refused(await try_to_send(here, pair, bea, "x"), 403, "not_reachable")
    refused(await here.call("POST", "/conversations", {"members": [ada.id]}, person=cem), 403, "not_reachable")
    refused(await here.call("PUT", f"/blocks/{ada.id}", person=ada), 409)
    for method in ("PUT", "DELETE"):
        refused(await here.call(method, f"/blocks/{uuid4()}", person=ada), 404)
    for _ in range(2):
        await ok(here, "DELETE", f"/blocks/{bea.id}", person=ada, status=204)
    assert (await try_to_send(here, pair, bea, "x")).status_code == 201


async def test_same_client_id_on_two_nodes(here: Room) -> None:
    _, ada, bea, _ = here.people
    path = f"/conversations/{(await start(here, ada, bea))['id']}/messages"
    body = {"body": "hello", "client_id": "a:1"}
    first = await here.call("POST", path, body, person=ada)
    again = await here.call("POST", path, body, person=ada, node=1)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    refused(await here.call("POST", path, {**body, "body": "bye"}, person=ada), 409, "client_id_taken")


async def test_conversation_of_others_answers_like_none(here: Room) -> None:
    _, ada, bea, cem = here.people
    group = await start(here, ada, bea)
    sent = await send(here, group, ada, "secret")
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/messages", None),
        ("POST", "/messages", {"body": "x"}),
        ("DELETE", f"/messages/{sent['id']}", None),
        ("PUT", "/seen", {"seq": 1}),
        ("POST", "/typing", {"is_typing": True}),
        ("POST", "/members", {"viewer_id": cem.id}),
        ("DELETE", f"/members/{cem.id}", None),
        ("PATCH", "", {"title": "Mine"}),
    ):
        foreign, missing = [
            await here.call(method, f"/conversations/{id}{path}", body, person=cem) for id in (group["id"], uuid4())
        ]
        refused(foreign, 404, "not_found")
        assert (foreign.status_code, foreign.content) == (missing.status_code, missing.content)
        assert set(foreign.headers) == set(missing.headers)
        refused(await here.call(method, f"/conversations/nonsense{path}", body, person=ada), 404)
    assert (await ok(here, "GET", f"/conversations/{group['id']}", person=bea))["last"] == sent


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"body": None},
        {"body": 5},
        {"body": ["x"]},
        {"body": ""},
        {"body": " \u200b\n"},
        {"body": "x" * 1_001},
        {"body": "👨‍👩‍👧‍👦" * 250},
        {"body": "a\0b"},
        {"body": "\ud800"},
        {"body": "x", "client_id": ""},
        {"body": "x", "client_id": "a b"},
        {"body": "x", "client_id": "a" * 65},
        {"body": "x", "client_id": 1},
        {"body": "x", "seq": 1},
        {"body": "x", "author": "me"},
    ],
)
async def test_message_that_is_none(here: Room, body: dict[str, Any]) -> None:
    _, ada, bea, _ = here.people
    path = f"/conversations/{(await start(here, ada, bea))['id']}"
    headers = {"Authorization": f"Bearer {ada.token}", "Content-Type": "application/json"}
    url = f"{here.site.urls[0]}/api/v1{path}/messages"
    refused(await here.client.post(url, content=json.dumps(body), headers=headers), 422)
    assert (await ok(here, "GET", f"{path}/messages", person=ada))["items"] == []


@pytest.mark.parametrize(
    ("path", "method", "bodies"),
    [
        ("/seen", "PUT", [{}, {"seq": -1}, {"seq": "1"}, {"seq": True}, {"seq": 2**63}, {"seq": None}]),
        ("/typing", "POST", [{}, {"is_typing": 1}, {"is_typing": "yes"}, {"is_typing": True, "viewer": "x"}]),
        ("", "PATCH", [{}, {"title": None}, {"title": "x" * 121}, {"title": "a\0b"}, {"name": "x"}]),
        ("/members", "POST", [{}, {"viewer_id": 1}, {"viewer_id": "x"}, {"viewer_id": None}, {"viewer": "x"}]),
    ],
)
async def test_bodies_that_make_no_sense(here: Room, path: str, method: str, bodies: list[dict[str, Any]]) -> None:
    _, ada, bea, cem = here.people
    group = await start(here, ada, bea, cem)
    for body in bodies:
        refused(await here.call(method, f"/conversations/{group['id']}{path}", body, person=ada), 422)
    assert await ok(here, "GET", f"/conversations/{group['id']}", person=ada) == group


async def test_conversations_that_are_none(here: Room) -> None:
    _, ada, bea, _ = here.people
    for body, status in (
        ({}, 422),
        ({"members": []}, 422),
        ({"members": [ada.id]}, 409),
        ({"members": [ada.id, ada.id]}, 409),
        ({"members": [str(uuid4()) for _ in range(50)]}, 422),
        ({"members": [str(uuid4()) for _ in range(1_500)]}, 422),
        ({"members": [bea.id, str(uuid4())]}, 404),
        ({"members": [bea.id, "nonsense"]}, 422),
        ({"members": [f"{{{bea.id}}}"]}, 422),
        ({"members": [1]}, 422),
        ({"members": bea.id}, 422),
        ({"members": None}, 422),
        ({"members": [bea.id], "title": None}, 422),
        ({"members": [bea.id], "title": "x" * 121}, 422),
        ({"members": [bea.id], "title": "\u0958" * 120}, 422),
        ({"members": [bea.id], "title": "a\0"}, 422),
        ({"members": [bea.id], "creator": bea.id}, 422),
    ):
        refused(await here.call("POST", "/conversations", body, person=ada), status)
    assert (await ok(here, "GET", "/conversations", person=ada))["items"] == []


async def test_pages_follow_each_other_and_a_cursor_shows_only_ones_own(here: Room) -> None:
    _, ada, bea, cem = here.people
    groups = [await start(here, ada, bea, cem, title=str(number)) for number in range(5)]
    first = await ok(here, "GET", "/conversations?limit=2", person=ada)
    second = await ok(here, "GET", f"/conversations?limit=2&before={first['next']}", person=ada)
    third = await ok(here, "GET", f"/conversations?limit=2&before={second['next']}", person=ada)
    found = [*first["items"], *second["items"], *third["items"]]
    assert ([item["id"] for item in found], third["next"]) == ([group["id"] for group in groups][::-1], None)
    hers = await ok(here, "GET", f"/conversations?before={first['next']}", person=bea)
    assert [item["id"] for item in hers["items"]] == [group["id"] for group in groups[2::-1]]
    dan = await here.join("Dan")
    assert (await ok(here, "GET", f"/conversations?before={first['next']}", person=dan))["items"] == []
    refused(await here.call("GET", f"/conversations?before={first['next'][:-2]}xx", person=ada), 422)
    for query in ("before=x", "before=%00", "limit=0", "limit=101", "limit=x", "cursor=x", "limit=1&limit=2"):
        refused(await here.call("GET", f"/conversations?{query}", person=ada), 422)
        path = f"/conversations/{groups[0]['id']}/messages"
        refused(await here.call("GET", f"{path}?{query}", person=ada), 422)


async def test_who_is_gone_does_nothing(here: Room) -> None:
    _, ada, bea, _ = here.people
    pair = await start(here, ada, bea)
    with psycopg.connect(here.site.database_url) as connection:
        connection.execute("UPDATE accounts_viewer SET is_active = false WHERE id = %s", [ada.id])
    path = f"/conversations/{pair['id']}"
    for method, url, body in (
        ("POST", f"{path}/messages", {"body": "x"}),
        ("PUT", f"{path}/seen", {"seq": 1}),
        ("GET", path, None),
        ("GET", "/conversations", None),
        ("PUT", f"/blocks/{bea.id}", None),
        ("POST", f"{path}/typing", {"is_typing": True}),
    ):
        refused(await here.call(method, url, body, person=ada), 401, "unauthenticated")
    refused(await here.call("GET", "/conversations"), 401, "unauthenticated")
