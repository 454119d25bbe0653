"""Pages for those who have not signed in: rendered once for a crowd, true, with nobody's own."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from django.http import HttpResponse

from accounts.models import Viewer
from accounts.pages import shared, shared_while
from liveplatform.shared_pages import Asked, SharedPage, SharedPages, asked_by
from tests.kit import HANG_SECONDS, Clock, held_by
from tests.rooms import Room, open_room
from tests.sites import Site
from tests.watching import SseWatcher, watching
from web.shared import KEPT_MAX


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    """With somebody who watches at the first node."""
    async with open_room(site) as made, watching(SseWatcher(site.urls[0], made.topic)):
        yield made


async def load(room: Room, path: str = "", node: int = 0, /, **headers: str) -> httpx.Response:
    """Load a page, that of the video without a path, as somebody new."""
    room.client.cookies.clear()
    url = f"{room.site.urls[node]}{path or f'/videos/{room.video_id}/'}"
    answer = await room.client.get(url, headers=headers)
    room.client.cookies.clear()
    return answer


def rendered_at(answer: httpx.Response) -> str:
    found = re.search(r'data-now-ms="(\d+)"', answer.raise_for_status().text)
    assert found
    return found[1]


@pytest.mark.parametrize("path", ["", "/", "/videos/live/", "/channels/{channel}/", "/channels/{channel}/live/"])
async def test_a_crowd_gets_a_page_that_was_rendered_once(room: Room, path: str) -> None:
    """Each visitor cost 16 ms of a node; a page that everybody gets costs one."""
    crowd = await asyncio.gather(*(load(room, path.format(channel=room.people[0].id)) for _ in range(30)))
    assert len({rendered_at(answer) for answer in crowd}) < 5
    assert len({answer.headers["Content-Security-Policy"] for answer in crowd}) == 1


async def test_what_is_said_is_on_the_next_page(room: Room) -> None:
    await load(room)
    path, nadia = f"/videos/{room.video_id}/comments", room.people[0]
    comment = (await room.call("POST", path, {"body": "news"}, person=nadia)).json()
    await until_page(room, lambda page: ">news<" in page.text)
    await room.call("DELETE", f"{path}/{comment['id']}", person=nadia)
    await until_page(room, lambda page: ">news<" not in page.text)
    before = rendered_at(await load(room))
    await until_page(room, lambda page: rendered_at(page) != before)


async def until_page(room: Room, fits: Callable[[httpx.Response], bool], path: str = "", *, node: int = 0) -> None:
    """Load a page again and again until it is as it should be."""
    async with asyncio.timeout(HANG_SECONDS):
        while not fits(await load(room, path, node)):
            await asyncio.sleep(0.01)


LISTS = ("/", "/channels/{channel}/")


async def test_what_happens_to_a_video_shows_in_the_lists_of_every_node(room: Room) -> None:
    nadia = room.people[0]

    async def until_lists(has_card: bool, badge: str = "") -> None:
        for path in LISTS:
            for node in range(2):

                def fits(page: httpx.Response) -> bool:
                    _, found, card = page.text.partition(f'data-video="{video_id}"')
                    return bool(found) == has_card and badge in card.partition("</li>")[0]

                await until_page(room, fits, path.format(channel=nadia.id), node=node)

    made = await room.call("POST", "/videos", {"title": "Soon", "starts_at_ms": 1}, person=nadia)
    video_id = made.raise_for_status().json()["id"]
    await until_lists(True, "Upcoming")
    await room.call("POST", f"/videos/{video_id}/start", person=nadia)
    await until_lists(True, "Live")
    await room.call("PATCH", f"/videos/{video_id}", {"visibility": "private"}, person=nadia)
    await until_lists(False)
    await room.call("PATCH", f"/videos/{video_id}", {"visibility": "public"}, person=nadia)
    await until_lists(True, "Live")
    await room.call("POST", f"/videos/{video_id}/end", person=nadia)
    await until_lists(True)
    await room.call("DELETE", f"/videos/{video_id}", person=nadia)
    await until_lists(False)


async def test_the_card_of_a_private_video_is_for_nobody(room: Room) -> None:
    """Its broadcaster finds it in the studio."""
    nadia = room.people[0]
    made = await room.call("POST", "/videos", {"title": "Secret", "visibility": "private"}, person=nadia)
    secret = made.raise_for_status().json()["id"]
    for path in ("/", f"/channels/{nadia.id}/", "/videos/upcoming/", f"/channels/{nadia.id}/upcoming/"):
        for cookies in ({}, {"Cookie": f"sessionid={nadia.session}"}):
            assert secret not in (await load(room, path, **cookies)).raise_for_status().text


def test_a_page_is_shared_for_a_second_from_when_it_began_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, is_true = Clock(), True
    monkeypatch.setattr("accounts.pages.time.monotonic", clock)
    response = shared(HttpResponse(), None, clock(), lambda: is_true)
    is_current = shared_while(response)
    assert is_current is not None and is_current()
    clock.advance(0.9)
    assert is_current()
    is_true = False
    assert not is_current()
    is_true = True
    clock.advance(0.1)
    assert not is_current()


def test_a_page_of_somebody_is_shared_with_nobody() -> None:
    assert shared_while(shared(HttpResponse(), Viewer(), 0.0)) is None


async def test_a_video_that_becomes_private_has_no_page(room: Room) -> None:
    await load(room)
    await room.call("PATCH", f"/videos/{room.video_id}", {"visibility": "private"}, person=room.people[0])
    await until_page(room, lambda page: page.status_code == 404)


async def test_cookies_are_everybodys_own(room: Room) -> None:
    one, other = await load(room), await load(room)
    for name in ("csrftoken", "device"):
        assert one.cookies[name] != other.cookies[name]
    assert one.cookies["csrftoken"] not in one.text
    kept = "; ".join(f"{name}={value}" for name, value in one.cookies.items())
    again = await load(room, Cookie=kept)
    assert (again.cookies["csrftoken"], again.cookies.get("device")) == (one.cookies["csrftoken"], None)


@pytest.mark.parametrize("path", ["", "/"])
async def test_who_is_signed_in_gets_a_page_that_nobody_else_gets(room: Room, path: str) -> None:
    await load(room, path)
    nadia = room.people[0]
    own = await load(room, path, Cookie=f"sessionid={nadia.session}")
    signed_in = '<p class="menu-name" data-viewer-name><bdi>Nadia</bdi></p>'
    assert signed_in in own.text
    assert signed_in not in (await load(room, path)).text
    assert rendered_at(own) != rendered_at(await load(room, path))


async def test_what_somebody_has_done_is_on_their_next_page_at_every_node(room: Room) -> None:
    """A page shares what everybody sees, but only as far as the topic is."""
    nadia, ben = room.people
    one, other = [{"Cookie": f"sessionid={person.session}"} for person in room.people]
    for number in range(3):
        for node in range(2):
            await load(room, "", node, **one)
        comment = await room.comment(f"number {number}", person=ben)
        for node in range(2):
            page, own = await load(room, "", node, **one), await load(room, "", node, **other)
            for text in (page.text, own.text):
                assert f">number {number}</p>" in text and '"seq":' in text
            assert f'<li class="comment mine" tabindex="-1" data-id="{comment["id"]}"' in own.text
            assert f'<li class="comment" tabindex="-1" data-id="{comment["id"]}"' in page.text
    await room.like(person=ben, kind="love")
    assert '"mine":"love"' in (await load(room, **other)).text and '"mine":null' in (await load(room, **one)).text
    await room.call("PUT", f"/blocks/{ben.id}", person=nadia)
    assert ">number 0</p>" in (await load(room, **other)).text
    await room.call("PATCH", f"/videos/{room.video_id}", {"visibility": "private"}, person=nadia)
    for node in range(2):
        assert (await load(room, "", node, **other)).status_code == 404
        assert (await load(room, "", node, **one)).status_code == 200
    await room.call("DELETE", f"/videos/{room.video_id}", person=nadia)
    assert (await load(room, **one)).status_code == 404


async def test_a_page_leaves_out_those_that_its_viewer_blocks_and_no_other_page_does(room: Room) -> None:
    ben, cleo = room.people[1], await room.join("Cleo")
    await room.comment("from ben", person=ben)
    await room.comment("from cleo", person=cleo)
    (await room.call("PUT", f"/blocks/{ben.id}", person=cleo)).raise_for_status()
    for _ in range(2):
        assert ">from ben</p>" in (await load(room)).text
        own = (await load(room, Cookie=f"sessionid={cleo.session}")).text
        assert ">from ben</p>" not in own and ">from cleo</p>" in own


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({"Cookie": "theme=light"}, 'data-theme="light"'),
        ({"Accept-Language": "de"}, '<html lang="de"'),
        ({"Cookie": "language=ar"}, 'dir="rtl"'),
    ],
)
async def test_the_page_is_as_each_wants_it(room: Room, headers: dict[str, str], part: str) -> None:
    for _ in range(2):
        assert part in (await load(room, **headers)).text
        assert part not in (await load(room)).text


async def test_each_gets_the_form_that_it_takes(room: Room) -> None:
    small, plain = [await load(room, **{"Accept-Encoding": encoding}) for encoding in ("gzip", "identity")]
    assert (small.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
    head = await room.client.head(
        f"{room.site.urls[0]}/videos/{room.video_id}/", headers={"Accept-Encoding": "identity"}
    )
    assert (head.status_code, head.content) == (200, b"")


def scope(method: str = "GET", query: bytes = b"", path: str = "/videos/1/", **headers: bytes) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value) for name, value in {"host": b"x", **headers}.items()]
    return {"method": method, "path": path, "query_string": query, "headers": named}


@pytest.mark.parametrize(
    "own",
    [
        scope(method="POST"),
        scope(query=b"as=dock"),
        scope(cookie=b"a=1; sessionid=x"),
        scope(authorization=b"Bearer x"),
        scope(origin=b"http://elsewhere.test"),
        {**scope(), "headers": [(b"host", b"x"), (b"host", b"y")]},
    ],
    ids=["post", "query", "session", "token", "origin", "two hosts"],
)
def test_what_is_asked_for_by_one_is_for_one(own: dict[str, Any]) -> None:
    assert asked_by(scope()) is not None
    assert asked_by(own) is None


def test_browsers_that_differ_in_nothing_that_counts_share_a_page() -> None:
    """Each of their lists of encodings had a page rendered, and so had each theme that somebody made up."""
    one = asked_by(scope(accept_encoding=b"gzip, deflate, br, zstd"))
    assert one == asked_by(scope(accept_encoding=b"gzip, deflate, br", cookie=b"theme=pink"))
    assert one != asked_by(scope(accept_encoding=b"br"))
    assert one != asked_by(scope(accept_encoding=b"gzip", cookie=b"theme=light"))


def of(number: int) -> Asked:
    asked = asked_by(scope(path=f"/videos/{number}/"))
    assert asked
    return asked


async def test_those_who_wait_for_a_page_that_is_not_shared_make_their_own() -> None:
    pages = SharedPages()
    assert await pages.find(of(1)) == (None, True)
    waiting = [asyncio.ensure_future(pages.find(of(1))) for _ in range(3)]
    await asyncio.sleep(0)
    pages.made(of(1), None)
    assert await asyncio.gather(*waiting) == [(None, False)] * 3
    assert await pages.find(of(1)) == (None, True)


async def test_pages_that_are_kept_are_bounded_and_true() -> None:
    pages = SharedPages()
    is_true = True
    for number in range(KEPT_MAX + 1):
        await pages.find(of(number))
        pages.made(of(number), SharedPage([], b"", lambda: is_true))
    assert await pages.find(of(0)) == (None, True), "the one that was asked for longest ago"
    found, _ = await pages.find(of(KEPT_MAX))
    assert found is not None
    full = held_by(pages)
    assert full > KEPT_MAX
    is_true = False
    assert await pages.find(of(KEPT_MAX)) == (None, True)
    pages.made(of(KEPT_MAX), None)
    assert held_by(pages) < full - KEPT_MAX, "what is not true any more is not kept"
