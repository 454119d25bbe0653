"""Bad input over real HTTP: a clear error, nothing stored, never a 5xx. Rows of the list of bad inputs in order."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests import raw
from tests.rooms import Room, open_room
from tests.sites import Site

JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def here(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        made.client.cookies.clear()  # the guests' sessions: who acts says so by token
        yield made


async def send(
    here: Room, path: str, content: bytes | str, *, method: str = "POST", headers: dict[str, str] | None = None
) -> httpx.Response:
    """Send a raw body as the room's newest guest."""
    token = {"Authorization": f"Bearer {here.people[-1].token}"}
    url = f"{here.site.urls[0]}/api/v1{path.replace('VIDEO', here.video_id)}"
    return await here.client.request(method, url, content=content, headers=JSON | token | (headers or {}))


def refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """Check that it is an error of the caller's, in the API's form; return it."""
    assert answer.status_code in statuses, f"{answer.status_code} {answer.text[:300]}"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"code", "detail"}
    assert all(isinstance(value, str) and value for value in body.values())
    return body


async def nothing_stored(here: Room) -> None:
    """The room's video is as it was: no comment, no like."""
    video = (await here.call("GET", f"/videos/{here.video_id}")).json()
    comments = (await here.call("GET", f"/videos/{here.video_id}/comments")).json()
    assert (video["likes"]["total"], comments["items"], video["title"]) == (0, [], "A broadcast")


@pytest.mark.parametrize(
    "path", ["/?q=%00", "/search/?q=a%00", "/videos/VIDEO/?as=%00", "/messages/?a=%00", "/accounts/login/?next=%00"]
)
async def test_page_whose_address_has_a_character_that_is_none(here: Room, path: str) -> None:
    """It was answered in the form of the API, to somebody who reads pages."""
    answer = await here.client.get(f"{here.site.urls[0]}{path.replace('VIDEO', here.video_id)}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "<h1" in answer.text


@pytest.mark.parametrize("path", ["/%00/", "/channels/a%00b/", "/videos/%00/", "/people/%00/"])
async def test_page_whose_path_has_a_character_that_is_none(here: Room, path: str) -> None:
    answer = await here.client.get(f"{here.site.urls[0]}{path}")
    assert answer.status_code in (400, 404)
    assert answer.headers["Content-Type"].startswith("text/html")


async def test_the_folder_of_all_videos_leads_to_what_is_live(here: Room) -> None:
    answer = await here.client.get(f"{here.site.urls[0]}/videos/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/videos/live/")


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (b"", (400,)),
        (b"[]", (400,)),
        (b'"x"', (400,)),
        (b'{"body":"x"} x', (400,)),
        (b'{"body":"x', (400,)),
        (b'{"body":' + b"[" * 20_000 + b"}", (400,)),
        (b'{"body":' + b"[" * 100 + b"]" * 100 + b"}", (400, 422)),
        (b'{"body":"x","reply_to":' + b"1" * 5_000 + b"}", (400, 422)),
        (b'{"body":"x","body":"y"}', (400,)),
        (b'{"body":NaN}', (400,)),
        (b'{"body":Infinity}', (400,)),
        (b'{"body":1e999}', (400,)),
        (b'{"body":"x","is_admin":true}', (422,)),
        (b'{"body":"x","user_id":"1"}', (422,)),
        (b'{"body":"x","seq":1}', (422,)),
        (b'{"body":"x","created_at":1}', (422,)),
        (b'{"body":true}', (422,)),
        (b'{"body":5.0}', (422,)),
        (b'{"body":null}', (422,)),
        (b'{"body":["x"]}', (422,)),
        (b"{}", (422,)),
        (b'{"body":"x","reply_to":9223372036854775808}', (422,)),
        (b'{"body":"x","reply_to":"nonsense"}', (422,)),
        (b'{"body":"x","client_id":""}', (422,)),
        (b'{"body":"x","client_id":"a b"}', (422,)),
        (b'{"body":"x","client_id":"' + b"a" * 300 + b'"}', (422,)),
        (b'{"body":"\xff\xfe"}', (400,)),
        ('{"body":"x"}'.encode("utf-16"), (400,)),
        (b'\xef\xbb\xbf{"body":"x"}', (400,)),
        (b'{"body":"a\\u0000b"}', (422,)),
        (b'{"body":"\\ud800"}', (422,)),
        (b'{"body":"x","\\u0000":1}', (422,)),
        (b'{"body":""}', (422,)),
        (b'{"body":"   \\n "}', (422,)),
        ('{"body":"\u200b\u200d\ufe0f"}'.encode(), (422,)),
        ('{"body":"\u3164\u2800"}'.encode(), (422,)),
        (json.dumps({"body": "x" * 1_001}).encode(), (422,)),
        (json.dumps({"body": "👨‍👩‍👧‍👦" * 1_000}, ensure_ascii=False).encode(), (422,)),
    ],
)
async def test_comment_that_is_none(lobby: Room, body: bytes, statuses: tuple[int, ...]) -> None:
    refused(await send(lobby, "/videos/VIDEO/comments", body), *statuses)
    await nothing_stored(lobby)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": ""},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Encoding": "gzip"},
    ],
)
async def test_body_that_does_not_say_json(lobby: Room, headers: dict[str, str]) -> None:
    refused(await send(lobby, "/videos/VIDEO/comments", '{"body":"x"}', headers=headers), 415)
    refused(await send(lobby, "/guests", '{"name":"x"}', headers=headers), 415)
    await nothing_stored(lobby)


@pytest.mark.parametrize(
    "name",
    ["", "  ", "x" * 41, "\u200b", "adm\u0456n", "Admin", " moderator ", "a\u202eb", "\u00a0Ada", "a\u0000", "\u3164"],
)
async def test_name_that_deceives(lobby: Room, name: str) -> None:
    refused(await lobby.call("POST", "/guests", {"name": name}), 422)


async def test_names_that_people_have(here: Room) -> None:
    for name in ("Ada", "José María", "Zoë 👩‍💻", "李小龍", "محمد", "O'Neil-Smith", "x" * 40):
        assert (await here.call("POST", "/guests", {"name": name})).json()["viewer"]["name"] == name


@pytest.mark.parametrize("body", [{"kind": "hate"}, {"kind": 1}, {"kind": None}, {"kind": ["like"]}, {"kinds": "like"}])
async def test_like_of_a_kind_that_is_none(lobby: Room, body: dict[str, Any]) -> None:
    refused(await send(lobby, "/videos/VIDEO/like", json.dumps(body), method="PUT"), 422)
    await nothing_stored(lobby)


@pytest.mark.parametrize(
    "body", [{"kind": "x"}, {"count": 0}, {"count": -1}, {"count": 51}, {"count": "5"}, {"count": True}, {"count": 1e9}]
)
async def test_reaction_that_is_none(lobby: Room, body: dict[str, Any]) -> None:
    refused(await send(lobby, "/videos/VIDEO/reactions", json.dumps(body)), 422)


async def test_marks_newlines_and_directions_are_tamed(here: Room) -> None:
    written = await here.comment("e" + "\u0301" * 60 + "\n" * 900 + "x")
    assert written["body"].count("\n") <= 2
    assert sum(char == "\u0301" for char in written["body"]) <= 8
    assert (await here.comment("\u202eabc\u2066"))["body"] == "abc"


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "{{7*7}}",
        "</script><img src=x onerror=alert(1)>",
        "javascript:x",
        "%s %n ' \" ; -- \\",
    ],
)
async def test_markup_is_text(here: Room, text: str) -> None:
    """Row 15 and 18: stored as it is, shown as text, and unable to end the page's JSON."""
    assert (await here.comment(text))["body"] == text
    page = (await here.client.get(f"{here.site.urls[0]}/videos/{here.video_id}/")).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    island = page.partition('<script id="state" type="application/json">')[2].partition("</script>")[0]
    assert json.loads(island)["snapshot"]["comments"][-1]["body"] == text


async def test_like_twice_in_parallel_and_taken_back_without_one(here: Room) -> None:
    answers = await asyncio.gather(*(here.try_to_like() for _ in range(20)))
    assert {(answer.status_code, answer.json()["total"]) for answer in answers} == {(200, 1)}
    path = f"/videos/{here.video_id}/like"
    for _ in range(2):
        gone = await here.call("DELETE", path, person=here.people[-1])
        assert (gone.status_code, gone.json()["total"], gone.json()["mine"]) == (200, 0, None)


async def test_unknown_ended_and_private_videos(here: Room) -> None:
    """Rows 6, 20, 21: a private video answers to the byte as a missing one."""
    ended, private = await here.new_video("Ended"), await here.new_video("Private")
    broadcaster, guest = here.people[0], here.people[-1]
    await here.call("POST", f"/videos/{ended}/end", person=broadcaster)
    await here.call("PATCH", f"/videos/{private}", {"visibility": "private"}, person=broadcaster)
    for method, path, body in (
        ("PUT", "like", {"kind": "like"}),
        ("DELETE", "like", None),
        ("POST", "comments", {"body": "x"}),
        ("POST", "reactions", {"kind": "heart", "count": 1}),
    ):
        refused(await here.call(method, f"/videos/{ended}/{path}", body, person=guest), 404)
        missing, hidden = [
            await here.call(method, f"/videos/{id}/{path}", body, person=guest) for id in (uuid4(), private)
        ]
        refused(missing, 404)
        assert (missing.status_code, missing.content) == (hidden.status_code, hidden.content)
        assert set(missing.headers) == set(hidden.headers)
    for id in (
        "00000000-0000-0000-0000-000000000000",
        "0",
        "-1",
        "9223372036854775808",
        f"{{{uuid4()}}}",
        "%00",
        "a" * 300,
    ):
        refused(await here.call("GET", f"/videos/{id}", person=guest), 404)
        refused(await here.call("PUT", f"/videos/{id}/like", {"kind": "like"}, person=guest), 404, 405)
    assert (await here.call("GET", f"/videos/{private}", person=broadcaster)).status_code == 200


async def test_foreign_and_unknown_comments(here: Room) -> None:
    mine = await here.comment("mine", person=here.people[0])
    guest, other = here.people[-1], await here.new_video("Another")
    refused(await here.call("DELETE", f"/videos/{here.video_id}/comments/{mine['id']}", person=guest), 403)
    refused(await here.call("PUT", f"/videos/{here.video_id}/comments/{mine['id']}/pin", person=guest), 403)
    refused(await here.call("DELETE", f"/videos/{other}/comments/{mine['id']}", person=here.people[0]), 404)
    refused(await here.call("DELETE", f"/videos/{here.video_id}/comments/{uuid4()}", person=here.people[0]), 404)
    refused(await here.call("DELETE", f"/videos/{here.video_id}/comments/x", person=here.people[0]), 404)
    shown = (await here.call("GET", f"/videos/{here.video_id}/comments")).json()["items"]
    assert [(comment["id"], comment["pinned"]) for comment in shown] == [(mine["id"], False)]


async def test_same_client_id(here: Room) -> None:
    first = (await here.try_to_comment("hello", client_id="1")).json()
    assert (await here.try_to_comment("hello", client_id="1", node=1)).json() == first
    refused(await here.try_to_comment("other", client_id="1"), 409)
    assert (await here.try_to_comment("other", client_id="1", person=here.people[0])).status_code == 201


@pytest.mark.parametrize("header", ["Bearer x", "Bearer", "Basic YTpi", "Bearer " + "A" * 3_000, "Bearer a:b:c", ""])
async def test_token_that_is_none(lobby: Room, header: str) -> None:
    answer = await send(lobby, "/videos/VIDEO/comments", '{"body":"x"}', headers={"Authorization": header})
    refused(answer, 401)
    await nothing_stored(lobby)


async def test_session_needs_its_csrf_token(here: Room) -> None:
    """Row 24: no, wrong and another's token, a foreign origin: 403; the right one: 201."""
    async with httpx.AsyncClient(base_url=here.site.urls[0]) as browser:
        await browser.post("/api/v1/guests", json={"name": "Browser"})
        path, body = f"/api/v1/videos/{here.video_id}/comments", {"body": "x"}
        right = browser.cookies["csrftoken"]
        for headers in (
            {},
            {"X-CSRFToken": "x"},
            {"X-CSRFToken": "a" * 32},
            {"X-CSRFToken": right, "Origin": "http://evil.example"},
            {"X-CSRFToken": right, "Origin": "null"},
        ):
            refused(await browser.post(path, json=body, headers=headers), 403)
        await nothing_stored(here)
        assert (await browser.post(path, json=body, headers={"X-CSRFToken": right})).status_code == 201


async def test_session_that_has_ended(here: Room) -> None:
    """Row 23: an old request, sent again after the sign-out."""
    async with httpx.AsyncClient(base_url=here.site.urls[0]) as browser:
        await browser.post("/api/v1/guests", json={"name": "Browser"})
        cookies = dict(browser.cookies)
        headers = {"X-CSRFToken": cookies["csrftoken"]}
        await browser.post("/accounts/logout/", headers=headers)
    async with httpx.AsyncClient(base_url=here.site.urls[0], cookies=cookies) as again:
        path = f"/api/v1/videos/{here.video_id}/comments"
        refused(await again.post(path, json={"body": "x"}, headers=headers), 401)
    for key in ("x", '"', "a" * 4_000, "'; --"):
        cookie = {"Cookie": f"sessionid={key}", "Authorization": ""}
        async with httpx.AsyncClient(base_url=here.site.urls[0]) as stranger:
            cookie.pop("Authorization")
            refused(await stranger.post(path, json={"body": "x"}, headers=cookie), 401)


async def test_foreign_page_gets_no_permission_to_use_cookies(here: Room) -> None:
    """Row 25: a preflight from elsewhere lets a page send its own viewer's token, never the cookies of its reader."""
    url = f"{here.site.urls[0]}/api/v1/videos/{here.video_id}/like"
    evil = {"Origin": "http://evil.example"}
    preflight = await here.client.options(url, headers={**evil, "Access-Control-Request-Method": "PUT"})
    assert (preflight.status_code, preflight.content) == (204, b"")
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    assert "PUT" in preflight.headers["access-control-allow-methods"]
    async with httpx.AsyncClient(base_url=here.site.urls[0]) as browser:
        await browser.post("/api/v1/guests", json={"name": "Browser"})
        acted = await browser.put(url, json={"kind": "like"}, headers=evil)
        read = await browser.get("/api/v1/me", headers=evil)
    refused(acted, 403)
    for answer in (acted, read):
        assert "access-control-allow-origin" not in answer.headers
    for answer in (preflight, acted, read):
        assert "access-control-allow-credentials" not in answer.headers
    assert (await here.call("GET", f"/videos/{here.video_id}")).json()["likes"]["total"] == 0


@pytest.mark.parametrize("method", ["TRACE", "get", "OPTIONS", "HEAD", "PATCH", "BREW"])
async def test_methods_that_do_nothing(lobby: Room, method: str) -> None:
    """Row 26. An overridden method does not count either."""
    headers = {"X-HTTP-Method-Override": "DELETE", "Authorization": f"Bearer {lobby.people[0].token}"}
    for path in ("/like", "/comments", "/start", ""):
        answer = await lobby.client.request(
            method, f"{lobby.site.urls[0]}/api/v1/videos/{lobby.video_id}{path}", headers=headers
        )
        assert answer.status_code < 500
        if answer.status_code == 405 and method != "HEAD":
            refused(answer, 405)
    await nothing_stored(lobby)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=-1", "limit=1000000000", "limit=abc", "before=-1", "before=x", f"before={2**63}"]
)
async def test_paging_that_makes_no_sense(lobby: Room, query: str) -> None:
    refused(await lobby.call("GET", f"/videos/{lobby.video_id}/comments?{query}"), 422)


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=%00", "cursor=" + "a" * 300, "status=x", "limit=0", "cursor='--"]
)
async def test_cursor_that_was_tampered_with(lobby: Room, query: str) -> None:
    refused(await lobby.call("GET", f"/videos?{query}"), 400, 422)


async def test_pages_of_videos_follow_each_other(here: Room) -> None:
    for number in range(4):
        await here.new_video(f"Video {number}")
    first = (await here.call("GET", "/videos?limit=2")).json()
    second = (await here.call("GET", f"/videos?limit=2&cursor={first['next']}")).json()
    ids = [video["id"] for video in (*first["items"], *second["items"])]
    assert ids == sorted(set(ids), reverse=True)
    refused(await here.call("GET", f"/videos?cursor={first['next'][:-2]}xx"), 422)


@pytest.mark.parametrize(
    "body",
    [
        {"title": ""},
        {"title": " \u200b "},
        {"title": "x" * 121},
        {"title": "\u0958" * 120},  # twice as long in NFC
        {"title": "x", "starts_at_ms": -1},
        {"title": "x", "starts_at_ms": 2**62},
        {"title": "x", "visibility": "secret"},
        {"title": "x", "status": "live"},
        {"title": "x", "owner": "x"},
        *({"title": "x", "playlist": url} for url in (
            "file:///etc/passwd", "gopher://x", "http://169.254.169.254/x.m3u8", "//evil/x.m3u8", "/media/../x.m3u8",
            "/media/a\n/x.m3u8", "http://user@host/x.m3u8", "/media/x.mp4",
        )),
    ],
)  # fmt: skip
async def test_video_that_is_none(lobby: Room, body: dict[str, Any]) -> None:
    """Row 37 too: the server and its pages fetch nothing from elsewhere."""
    refused(await lobby.call("POST", "/videos", body, person=lobby.people[0]), 422)
    if body.get("title") == "x" and "playlist" in body:
        refused(
            await lobby.call(
                "PATCH", f"/videos/{lobby.video_id}", {"playlist": body["playlist"]}, person=lobby.people[0]
            ),
            422,
        )


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/guests", {"nam": "Ada"}, "name"),
        ("/guests", {"name": "Ada", "x": 1}, "x"),
        ("/guests", {"name": 7}, "name"),
        ("/subscriptions", {"connection": "a@b", "subscribe": ["x"]}, "subscribe.0"),
        ("/videos/{video}/comments", {}, "body"),
    ],
)
async def test_refusal_names_the_field(lobby: Room, path: str, body: object, field: str) -> None:
    """Of bodies it did not: "Field required"."""
    answer = await lobby.call("POST", path.format(video=lobby.video_id), body, person=lobby.people[-1])
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert answer.json()["detail"].startswith(f"{field}: ")


async def test_guests_do_not_broadcast(lobby: Room) -> None:
    guest = lobby.people[-1]
    refused(await lobby.call("POST", "/videos", {"title": "Mine"}, person=guest), 403)
    for act in ("start", "end"):
        refused(await lobby.call("POST", f"/videos/{lobby.video_id}/{act}", person=guest), 403)
    refused(await lobby.call("PATCH", f"/videos/{lobby.video_id}", {"title": "Mine"}, person=guest), 403)
    await nothing_stored(lobby)


@pytest.mark.parametrize(
    "topics", [[], ["x"], ["video:1 2"], ["video:1"] * 51, [1], "video:1", ["other:1"], ["video:\u0000"]]
)
async def test_ticket_for_what_is_no_topic(lobby: Room, topics: object) -> None:
    refused(await lobby.call("POST", "/tickets", {"topics": topics}), 404, 422)


async def test_ticket_for_a_private_video_looks_as_for_a_missing_one(here: Room) -> None:
    private = await here.new_video("Private")
    await here.call("PATCH", f"/videos/{private}", {"visibility": "private"}, person=here.people[0])
    answers = [
        await here.call("POST", "/tickets", {"topics": [f"video:{id}"]}, person=here.people[-1])
        for id in (private, uuid4())
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert (
        await here.call("POST", "/tickets", {"topics": [f"video:{private}"]}, person=here.people[0])
    ).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/videos/", "/api/v2/videos", "/api/", "/api/v1/%00"])
async def test_path_that_is_none(lobby: Room, path: str) -> None:
    refused(await lobby.client.get(f"{lobby.site.urls[0]}{path}"), 404)


@pytest.mark.parametrize("host", ["evil.example", "localhost:99999", "[::1", "", "a" * 300, "127.0.0.1.evil.example"])
async def test_host_that_is_not_ours(lobby: Room, host: str) -> None:
    """Row 29."""
    for path in ("/", "/api/v1/videos", f"/events?topic={lobby.topic}", "/static/css/site.css"):
        answer = await lobby.client.get(f"{lobby.site.urls[0]}{path}", headers={"Host": host})
        assert answer.status_code == 400


@pytest.mark.parametrize(("host", "figures"), [("10.1.2.3:8000", 200), ("node-1:8000", 403), ("evil.example", 403)])
async def test_probes_ask_by_any_name(lobby: Room, host: str, figures: int) -> None:
    """A balancer's or Prometheus' question was 400 wherever ALLOWED_HOSTS names what viewers call the site. Figures
    need the token then, except by an address from the same machine."""
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", figures), ("/metrics/region", figures)):
        answer = await lobby.client.get(f"{lobby.site.urls[0]}{path}", headers={"Host": host})
        assert answer.status_code == status, path


def test_probe_of_the_older_kind_names_nothing(site: Site) -> None:
    """HAProxy's `option httpchk` as it comes."""
    for path, status in (("/healthz", 200), ("/", 400)):
        assert raw.parse(raw.talk(site.urls[0], f"GET {path} HTTP/1.0\r\n\r\n".encode())).status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Daphne-Root-Path": "/evil"},
        {"X-Forwarded-For": "not an ip <script>"},
        {"X-Forwarded-For": "1.1.1.1," * 199 + "1.1.1.1"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "https"},
        {"X_Forwarded_For": "1.1.1.1"},
    ],
)
async def test_proxy_headers_from_outside_count_for_nothing(lobby: Room, headers: dict[str, str]) -> None:
    """Row 30."""
    answer = await lobby.client.get(f"{lobby.site.urls[0]}/", headers=headers)
    assert answer.status_code == 200
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /" + "a" * 17_000 + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "a" * 17_000 + "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n" + "X: y\r\n" * 501 + "\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "POST /api/v1/guests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /api/v1/guests HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: a\nb\0\r\n\r\n",
        "GET /\u00e4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "nonsense\r\n\r\n",
    ],
)
def test_request_that_is_none(site: Site, request_text: str) -> None:
    """Rows 28, 29, 31: refused with a 4xx or the end of the connection; the site lives on."""
    parts = urlsplit(site.urls[0])
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(request_text.encode("latin1"))
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
        except ConnectionResetError:
            pass
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:200]
    assert httpx.get(f"{site.urls[0]}/healthz").status_code == 200


async def test_body_of_a_megabyte(lobby: Room) -> None:
    """Row 33: 413 for what is announced and for what comes in chunks."""
    big = b'{"body":"' + b"x" * 1_000_000 + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 50_000):
            yield big[start : start + 50_000]

    url = f"{lobby.site.urls[0]}/api/v1/videos/{lobby.video_id}/comments"
    headers = JSON | {"Authorization": f"Bearer {lobby.people[-1].token}"}
    refused(await lobby.client.post(url, content=big, headers=headers), 413)
    refused(await lobby.client.post(url, content=chunks(), headers=headers), 413)
    await nothing_stored(lobby)


async def test_too_often_is_said_with_the_time_to_wait(start_site: Callable[..., Site]) -> None:
    """Row 34: one who floods is slowed down, the others are not."""
    async with open_room(start_site(nodes=1)) as here:
        answers = [await here.try_to_comment(f"note {number}") for number in range(25)]
        limited = [answer for answer in answers if answer.status_code == 429]
        assert limited
        assert refused(limited[0], 429)["code"] == "too_often"
        assert int(limited[0].headers["retry-after"]) >= 1
        assert (await here.try_to_comment("calm", person=here.people[0])).status_code == 201


async def test_no_request_of_this_file_left_a_traceback(site: Site) -> None:
    assert "Traceback" not in site.log("node-1") + site.log("node-2")
