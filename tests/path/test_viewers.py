"""Who counts as a viewer, on two nodes of real processes: tabs, devices, tokens, tickets, embeds, and what lasts."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from urllib.parse import quote

import httpx
import psycopg
import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import RequestFactory

from accounts import guests
from accounts.guests import set_device
from realtime.edge import devices, tickets
from realtime.limits import RateLimit
from tests.rooms import Person, Room, open_room
from tests.sites import Site
from tests.watching import Refused, SseWatcher, Watcher, WebSocketWatcher, crowd, each, eventually, of_browser, watching


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as room:
        yield room


def browser(room: Room, node: int, *, device: str, query: str = "") -> SseWatcher:
    """A tab of a browser, known by its cookie."""
    return SseWatcher(room.site.urls[node], room.topic, query=query, headers=of_browser(device))


def with_token(room: Room, node: int, person: Person, *, query: str = "") -> Watcher:
    headers = {"Authorization": f"Bearer {person.token}"}
    return WebSocketWatcher(room.site.urls[node], room.topic, query=query, headers=headers)


async def with_ticket(room: Room, node: int, person: Person) -> Watcher:
    answer = await room.call("POST", "/tickets", {"topics": [room.topic]}, person=person)
    return SseWatcher(room.site.urls[node], room.topic, query=f"&ticket={quote(answer.json()['ticket'])}")


async def told(room: Room, *, person: Person | None = None, node: int = 0) -> dict[str, object]:
    answer = await room.call("GET", f"/videos/{room.video_id}/viewers", person=person, node=node)
    assert answer.status_code == 200
    found: dict[str, object] = answer.json()
    return found


async def test_two_tabs_of_a_browser_on_two_nodes_are_one_viewer(room: Room) -> None:
    tabs = [browser(room, node, device="tabs") for node in (0, 1, 0, 1)]
    other = browser(room, 1, device="other")
    async with watching(*tabs, other) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(2))
        await tabs[0].close()
        await tabs[1].close()
        await other.close()
        await each(tabs[2:], lambda viewer: viewer.sees_viewers(1))
    await eventually(lambda: _is(room, unique=2, peak=2, count=0), "both of them to be remembered, and to have gone")


async def _is(room: Room, **numbers: int) -> bool:
    return numbers.items() <= (await told(room)).items()


async def test_token_and_ticket_of_a_viewer_are_one_and_each_browser_is_one(room: Room) -> None:
    ada = room.people[1]
    hers = [with_token(room, 0, ada), await with_ticket(room, 1, ada), await with_ticket(room, 0, ada)]
    browsers = [browser(room, node, device=f"of node {node}") for node in (0, 1)]
    async with watching(*hers, *browsers) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(3))


async def test_made_up_cookies_of_an_address_are_one_viewer(room: Room) -> None:
    """3,000 streams with cookies of their own making were 3,000 viewers within 12 s, none of them real."""
    cookies = [f"device=made up {number}" for number in range(6)]
    cookies += [f"sessionid={number:032x}" for number in range(3)]
    cookies += [f"{of_browser('real')['Cookie']}x", "device=", "theme=dark"]
    forged = [
        SseWatcher(room.site.urls[number % 2], room.topic, headers={"Cookie": cookie})
        for number, cookie in enumerate(cookies)
    ]
    nothing = WebSocketWatcher(room.site.urls[0], room.topic, headers={})
    real = browser(room, 1, device="real")
    async with watching(*forged, nothing, real) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(2))
        await eventually(lambda: _is(room, count=2, peak=2, unique=2), "two viewers, of all there were")


async def test_connections_of_a_load_test_are_a_viewer_each(room: Room) -> None:
    """They come from one address, without cookies; the ticket that says so is signed."""
    ticket = quote(tickets.issue([room.topic], load=True))
    made = crowd(room.site.urls, room.topic, 6, query=f"&ticket={ticket}", headers={})
    async with watching(*made) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(6))


async def test_ended_video_has_no_viewers_and_what_it_had_stays(room: Room) -> None:
    """Peak and unique went on to grow whenever somebody opened the page of an ended video."""
    async with watching(browser(room, 0, device="one"), browser(room, 1, device="two")) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(2))
        await eventually(lambda: _is(room, unique=2), "both to be written down")
        await room.call("POST", f"/videos/{room.video_id}/end", person=room.people[0])
        await each(viewers, lambda viewer: viewer.sees_viewers(0))
        late = [browser(room, number % 2, device=f"late {number}") for number in range(4)]
        other = dataclasses.replace(room, video_id=await room.new_video())
        after = [browser(other, number, device=f"after {number}") for number in (0, 1)]
        async with watching(*late), watching(*after):
            # Once both nodes have told of who came after them, they would have told of these.
            await eventually(lambda: _is(other, count=2, peak=2, unique=2), "those who watch another video")
            assert await _is(room, count=0, peak=2, unique=2)


async def test_browser_without_a_device_is_known_by_its_address_and_its_viewer_once_they_act(room: Room) -> None:
    """Identified later: by a command, or a topic of their own on the same connection."""
    ada = room.people[1]
    headers = {"Cookie": f"sessionid={ada.session}"}
    sockets = [WebSocketWatcher(room.site.urls[node], room.topic, headers=headers) for node in (0, 1)]
    phone = with_token(room, 1, ada)
    async with watching(*sockets, phone):
        await phone.sees_viewers(2)
        for socket in sockets:
            await socket.send({"op": "react", "video": room.video_id, "ref": 1})
        await phone.sees_viewers(1)
        answer = await told(room, person=room.people[0])
        assert answer["count"] == 1


@pytest.mark.parametrize("way", ["embed", "dock"])
async def test_embed_and_dock_get_everything_and_do_not_count(room: Room, way: str) -> None:
    apart = [
        browser(room, 0, device="a", query=f"&as={way}"),
        with_token(room, 1, room.people[1], query=f"&as={way}"),
    ]
    real = browser(room, 0, device="a")
    async with watching(*apart, real) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(1))
        await room.comment("hello", node=1)
        await each(viewers, lambda viewer: viewer.sees_comment("hello"))
        assert isinstance(apart[1], WebSocketWatcher)
        await apart[1].send({"op": "react", "video": room.video_id, "ref": 1})
        await apart[1].wait_for(lambda: "ack" in apart[1].names, "the answer")
        assert (await told(room))["people"] == [], "who he is makes no viewer of him"
    assert await _is(room, peak=1)


@pytest.mark.parametrize("query", ["&as=", "&as=viewer", "&as=dock&as=dock", "&as=EMBED"])
async def test_other_ways_to_watch_are_refused(room: Room, query: str) -> None:
    with pytest.raises(Refused) as refused:
        await SseWatcher(room.site.urls[0], room.topic, query=query).open()
    assert refused.value.status == 422
    socket = WebSocketWatcher(room.site.urls[0], room.topic, query=query)
    with pytest.raises(AssertionError):
        await socket.open()
    assert socket.close_code == 4422


async def test_flapping_viewer_moves_neither_count_nor_peak(room: Room) -> None:
    """Comes back on another node each time, before the node it left has told anybody."""
    one, two = browser(room, 0, device="one"), browser(room, 1, device="two")
    async with watching(one, two):
        await one.sees_viewers(2)
        flapping = [browser(room, node, device="one") for node in (0, 1)]
        for number in range(12):
            async with watching(flapping[number % 2], browser(room, number % 2, device="two")):
                await room.like(kind="love" if number % 2 else "like")
        await room.comment("enough")
        await two.sees_comment("enough")
        assert {seen.data["peak"] for seen in one.named("viewers") + two.named("viewers")} <= {1, 2}
        assert await _is(room, count=2, peak=2)


async def test_people_are_the_broadcaster_and_moderators_and_those_one_may_know(room: Room) -> None:
    nadia, ada = room.people
    mona = await room.join("Mona")
    hidden = await room.join("Hidden moderator")
    with psycopg.connect(room.site.database_url) as connection:
        connection.execute(
            "UPDATE accounts_viewer SET is_superuser = true WHERE id = ANY(%s::uuid[])", [[mona.id, hidden.id]]
        )
        connection.execute("UPDATE accounts_viewer SET is_hidden = true WHERE id = %s", [hidden.id])
    everybody = [with_token(room, number % 2, person) for number, person in enumerate(room.people)]
    async with watching(*everybody) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(4))
        for person, viewer in zip(room.people, everybody, strict=True):
            assert isinstance(viewer, WebSocketWatcher)
            await viewer.send({"op": "react", "video": room.video_id, "ref": person.name})
            await viewer.wait_for(lambda viewer=viewer: "ack" in viewer.names, "the answer")  # type: ignore[misc]
        people = [
            {"id": nadia.id, "name": "Nadia", "role": "broadcaster"},
            {"id": mona.id, "name": "Mona", "role": "moderator"},
        ]

        async def shown(asker: Person | None, expected: list[dict[str, str]]) -> bool:
            answer = await told(room, person=asker, node=1)
            return (answer["people"], answer["known"]) == (expected, len(expected))

        await eventually(lambda: shown(ada, people), "both to be shown to a viewer")
        await eventually(lambda: shown(None, people), "and to nobody in particular")
        await eventually(lambda: shown(mona, people[:1]), "a moderator to see others than herself")
    await eventually(lambda: shown(ada, []), "all to have gone")


async def test_acquaintances_are_shown_in_a_small_room_and_counted_in_a_big_one(room: Room) -> None:
    """Who has written to the asker, is not hidden, and blocks nobody of the two."""
    nadia, ada = room.people
    bo, cy, dee, eve = [await room.join(name) for name in ("Bo", "Cy", "Dee", "Eve")]
    for other in (bo, cy, dee):
        await room.call("POST", "/conversations", {"members": [ada.id]}, person=other)
    await room.call("PUT", f"/blocks/{ada.id}", person=cy)
    with psycopg.connect(room.site.database_url) as connection:
        connection.execute("UPDATE accounts_viewer SET is_hidden = true WHERE id = %s", [dee.id])
    here = [with_token(room, number % 2, person) for number, person in enumerate((nadia, bo, cy, dee, eve))]
    async with watching(*here) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(5))
        for viewer in viewers:
            assert isinstance(viewer, WebSocketWatcher)
            await viewer.send({"op": "react", "video": room.video_id, "ref": 1})
            await viewer.wait_for(lambda viewer=viewer: "ack" in viewer.names, "the answer")  # type: ignore[misc]
        people: list[dict[str, str | None]] = [
            {"id": nadia.id, "name": "Nadia", "role": "broadcaster"},
            {"id": bo.id, "name": "Bo", "role": None},
        ]

        async def shown(asker: Person | None, expected: list[dict[str, str | None]] | None, known: int) -> bool:
            answer = await told(room, person=asker)
            return (answer["people"], answer["known"]) == (expected, known)

        await eventually(lambda: shown(ada, people, 2), "the list of a small room")
        await eventually(lambda: shown(cy, people[:1], 1), "the broadcaster alone, to who blocks and knows nobody else")
        path = f"/videos/{room.video_id}/friends"
        assert (await room.call("GET", path, person=ada)).json() == {"people": [], "count": 0}, "she has not answered"
        for other in (bo, dee):
            talk = (await room.call("POST", "/conversations", {"members": [other.id]}, person=ada)).json()["id"]
            await room.call("POST", f"/conversations/{talk}/messages", {"body": "Hello"}, person=ada)
        found = {"people": [{"id": bo.id, "name": "Bo"}], "count": 1}
        assert (await room.call("GET", path, person=ada)).json() == found
        assert (await room.call("GET", path)).status_code == 401
        headers = {"Cookie": f"sessionid={ada.session}"}
        home = (await room.client.get(f"{room.site.urls[0]}/", headers=headers)).text
        assert "\u2068Bo\u2069 is watching" in home
        assert "is watching" not in (await room.client.get(f"{room.site.urls[0]}/")).text
        async with watching(*crowd(room.site.urls, room.topic, 50)):
            await viewers[0].sees_viewers(55)
            assert await shown(ada, None, 2)
            assert await shown(None, None, 1)
        await eventually(lambda: shown(ada, people, 2), "the list to come back")


async def test_who_watches_a_private_video_is_nobodys_business(room: Room) -> None:
    await room.call("PATCH", f"/videos/{room.video_id}", {"visibility": "private"}, person=room.people[0])
    path = f"/videos/{room.video_id}/viewers"
    assert (await room.call("GET", path)).json()["code"] == "not_found"
    assert (await room.call("GET", path, person=room.people[1])).status_code == 404
    assert (await room.call("GET", path, person=room.people[0])).status_code == 200
    assert (await room.call("GET", "/videos/0199e4b1-4f0c-7000-8000-000000000000/viewers")).status_code == 404


# The cookie


async def test_pages_and_new_sessions_give_a_browser_its_device_once(room: Room) -> None:
    """One that we have not signed, of an older release or made up, is replaced."""
    async with httpx.AsyncClient(base_url=room.site.urls[0], verify=False) as client:
        first = await client.get(f"/videos/{room.video_id}/")
        [cookie] = [text for text in first.headers.get_list("set-cookie") if text.startswith("device=")]
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        device = client.cookies["device"]
        assert devices.read(device)
        for path in ("/", f"/videos/{room.video_id}/"):
            assert "device" not in (await client.get(path)).cookies
        joined = await client.post("/api/v1/guests", json={"name": "Bo"})
        assert joined.status_code == 201
        assert client.cookies["device"] == device, "a browser stays the one it is"
        client.cookies.clear()
        client.cookies["device"] = "of an older release"
        replaced = await client.get("/")
        assert devices.read(replaced.cookies["device"])
        client.cookies.clear()
        joined = await client.post("/api/v1/guests", json={"name": "Cy"})
        assert "device" in joined.cookies


def test_address_that_takes_too_many_devices_gets_none_and_pages_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a page, but a program that asks for pages all day was as many viewers as it liked."""
    monkeypatch.setattr(settings, "LIVE_LIMITS", True)
    monkeypatch.setattr(guests, "DEVICES", RateLimit(burst=3, per_second=0.001))

    def given(address: str, cookie: str = "") -> str:
        request = RequestFactory().get("/", REMOTE_ADDR=address)
        request.COOKIES["device"] = cookie
        set_device(request, response := HttpResponse())
        return response.cookies["device"].value if "device" in response.cookies else ""

    own = [given(f"2001:db8::{number}") for number in range(5)]
    assert [devices.read(device) != "" for device in own] == [True, True, True, False, False]
    assert given("2001:db8::1", own[0]) == "", "a browser keeps its own"
    assert given("2001:db8:0:1::1"), "another address has its own"


# What lasts


def kept(room: Room) -> tuple[int, int]:
    """Return how many viewers of the video are in the database: rows, and what is counted of them."""
    with psycopg.connect(room.site.database_url) as connection:
        rows = connection.execute(
            "SELECT (SELECT count(*) FROM realtime_seenviewer s WHERE s.topic_id = a.topic_id), a.kept"
            " FROM realtime_audience a WHERE topic_id = %s",
            [room.topic],
        )
        return rows.fetchone() or (0, 0)


async def test_unique_viewers_outlive_reconnects_and_the_nodes(room: Room) -> None:
    devices = [f"lasting {number}" for number in range(5)]
    for node in (0, 1):
        async with watching(*(browser(room, node, device=device) for device in devices[: 3 + 2 * node])) as viewers:
            await each(viewers, lambda viewer: viewer.sees_viewers(3 + 2 * node))  # noqa: B023
    await eventually(lambda: kept(room) == (5, 5), "five rows, counted")
    assert await _is(room, unique=5, peak=5)
    async with watching(browser(room, 1, device=devices[0]), browser(room, 0, device="new")) as viewers:
        await each(viewers, lambda viewer: viewer.sees_viewers(2))
        await eventually(lambda: _is(room, unique=6), "one more")
