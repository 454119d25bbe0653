"""More of the list of bad inputs, for what a polite client does not send: addresses, methods, cookies, raw requests."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest

from tests import raw
from tests.rooms import AnySite, Room, open_room
from tests.sites import Site
from tests.watching import SseWatcher, watching

JSON = ("Content-Type", "application/json")


@pytest.fixture
async def here(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        made.client.cookies.clear()
        yield made


def bearer(here: Room, number: int = -1) -> tuple[str, str]:
    return "Authorization", f"Bearer {here.people[number].token}"


def count(site: AnySite, table: str, where: str = "true", *args: object) -> int:
    with psycopg.connect(site.database_url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}".encode(), args).fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize(
    "form", ["{{{}}}", "urn:uuid:{}", "({})", "{}%20", "%20{}", "{}/", "{}%00", "{}.json", "{}%0a"]
)
def test_id_is_written_in_one_way_only(site: Site, form: str) -> None:
    """Row 6: also that of a video that there is."""

    async def make() -> str:
        async with open_room(site) as room:
            return room.video_id

    video_id = asyncio.run(make())
    written = form.format(video_id).replace("{", "%7B").replace("}", "%7D")
    assert raw.request(site.urls[0], "GET", f"/api/v1/videos/{written}").error == (404, "not_found")
    bare = video_id.replace("-", "")
    assert raw.request(site.urls[0], "GET", f"/api/v1/videos/{bare}").error == (404, "not_found")
    assert raw.request(site.urls[0], "GET", f"/api/v1/videos/{video_id.upper()}").status == 200


@pytest.mark.parametrize(
    "query",
    [
        "order_by=password",
        "status=live&status=ended",
        "limit=1&limit=2",
        "owner=1",
        "status__in=live",
        "visibility=private",
        "title='%20OR%201=1;--",
        "%00=1",
        "=",
        "&".join(f"a{number}" for number in range(1_100)),
    ],
)
def test_filters_that_there_are_not(site: Site, query: str) -> None:
    """Row 18: an unknown filter, left out in silence, would show more than was asked for."""
    status, code = raw.request(site.urls[0], "GET", f"/api/v1/videos?{query}").error
    assert (status, code) in ((422, "unknown_filter"), (400, "bad_request"))


async def test_likes_of_one_viewer_at_all_nodes_at_once_are_one(here: Room) -> None:
    """Row 19."""
    answers = await asyncio.gather(*(here.try_to_like(node=number % 2) for number in range(60)))
    assert {(answer.status_code, answer.json()["total"]) for answer in answers} == {(200, 1)}
    assert count(here.site, "videos_like", "video_id = %s", here.video_id) == 1
    assert count(here.site, "videos_likecount", "video_id = %s AND count > 0", here.video_id) == 1


async def test_private_video_is_missing_whatever_is_asked_of_it(here: Room) -> None:
    """Row 21: to the byte, with and without credentials, for pages, the picture and every call."""
    secret = await here.new_video("Secret plans")
    comment = await here.call("POST", f"/videos/{secret}/comments", {"body": "x"}, person=here.people[0])
    await here.call("PATCH", f"/videos/{secret}", {"visibility": "private"}, person=here.people[0])
    guest = {"Authorization": f"Bearer {here.people[-1].token}"}
    for method, path, body in (
        ("GET", "/api/v1/videos/{}", None),
        ("PATCH", "/api/v1/videos/{}", {"title": "x"}),
        ("POST", "/api/v1/videos/{}/start", None),
        ("POST", "/api/v1/videos/{}/end", None),
        ("PUT", "/api/v1/videos/{}/like", {"kind": "like"}),
        ("DELETE", "/api/v1/videos/{}/like", None),
        ("POST", "/api/v1/videos/{}/reactions", {"kind": "heart"}),
        ("GET", "/api/v1/videos/{}/comments", None),
        ("POST", "/api/v1/videos/{}/comments", {"body": "x"}),
        ("DELETE", f"/api/v1/videos/{{}}/comments/{comment.json()['id']}", None),
        ("PUT", f"/api/v1/videos/{{}}/comments/{comment.json()['id']}/pin", None),
        ("GET", "/videos/{}/", None),
        ("GET", "/media/{}/live.m3u8", None),
    ):
        for headers in (guest, {}):
            answers = [
                await here.client.request(method, f"{here.site.urls[0]}{path.format(id)}", json=body, headers=headers)
                for id in (secret, uuid4())
            ]
            kept = [(answer.status_code, sorted(answer.headers.items()), answer.content) for answer in answers]
            for id, answer in zip((secret, "-"), kept, strict=True):
                assert id.encode() not in answer[2] or id == "-"
            assert kept[0][0] in (401, 404), (method, path)
            assert (kept[0][0], kept[0][2]) == (kept[1][0], kept[1][2]), (method, path)
            names = [[name for name, _ in headers] for _, headers, _ in kept]
            assert names[0] == names[1], (method, path)


async def test_nodes_name_no_machine_to_strangers(here: Room) -> None:
    """`hello` and `/readyz` gave everybody the host's name."""
    node = httpx.get(f"{here.site.urls[0]}/readyz").json()["id"]
    assert re.fullmatch(r"live\.node\.local\.[0-9a-f]{12}", node)
    async with watching(SseWatcher(here.site.urls[0], here.topic)) as (stranger,):
        assert [hello.data["node"] for hello in stranger.named("hello")] == [node]


async def test_guest_who_logs_out_is_gone_everywhere(here: Room) -> None:
    """A guest's token was good for 90 days, and nothing could end it: there is no password to change."""
    path = f"/api/v1/videos/{here.video_id}/comments"
    for leave in ("/accounts/logout/", "/api/v1/guests/me"):
        async with httpx.AsyncClient(base_url=here.site.urls[0]) as browser:
            guest = (await browser.post("/api/v1/guests", json={"name": "Browser"})).json()
            elsewhere = {
                "Authorization": f"Bearer {guest['token']}",
                "Cookie": f"sessionid={browser.cookies['sessionid']}",
            }
            guard = {"X-CSRFToken": browser.cookies["csrftoken"]}
            async with watching(SseWatcher(here.site.urls[0], f"user:{guest['viewer']['id']}", headers=elsewhere)) as (
                stream,
            ):
                method = "POST" if leave.startswith("/accounts") else "DELETE"
                assert (await browser.request(method, leave, headers=guard)).status_code in (204, 302)
                await stream.is_closed()
            for credential in ("Authorization", "Cookie"):
                kept = {credential: elsewhere[credential], **guard}
                async with httpx.AsyncClient(base_url=here.site.urls[0]) as other:
                    assert (await other.post(path, json={"body": "x"}, headers=kept)).status_code == 401, credential
    assert here.comments_kept() == []


async def test_account_that_was_closed_acts_no_more(here: Room) -> None:
    """Row 23: neither with its token nor with its session."""
    async with httpx.AsyncClient(base_url=here.site.urls[0]) as browser:
        viewer = (await browser.post("/api/v1/guests", json={"name": "Browser"})).json()
        with psycopg.connect(here.site.database_url) as connection:
            connection.execute("UPDATE accounts_viewer SET is_active = false WHERE id = %s", [viewer["viewer"]["id"]])
        path = f"/api/v1/videos/{here.video_id}"
        guard = {"X-CSRFToken": browser.cookies["csrftoken"]}
        for headers in (guard, {"Authorization": f"Bearer {viewer['token']}"}):
            for method, call, body in (
                ("PUT", "/like", {"kind": "like"}),
                ("DELETE", "/like", None),
                ("POST", "/comments", {"body": "x"}),
                ("POST", "/reactions", {"kind": "heart"}),
                ("POST", "/end", None),
            ):
                answer = await browser.request(method, path + call, json=body, headers=headers)
                assert answer.status_code == 401, (call, headers)
    assert here.comments_kept() == []
    assert count(here.site, "videos_like", "video_id = %s", here.video_id) == 0


@pytest.mark.parametrize("method", ["put", "Put", "post", "pOST"])
async def test_method_in_small_letters_does_nothing(here: Room, method: str) -> None:
    """Row 26: methods are told apart by case."""
    guests = count(here.site, "accounts_viewer")
    like, url = f"/api/v1/videos/{here.video_id}/like", here.site.urls[0]
    for target, body in ((like, b'{"kind":"like"}'), ("/api/v1/guests", b'{"name":"x"}')):
        answer = await asyncio.to_thread(raw.request, url, method, target, headers=[JSON, bearer(here)], body=body)
        assert answer.error == (405, "method_not_allowed")
    assert count(here.site, "videos_like", "video_id = %s", here.video_id) == 0
    assert count(here.site, "accounts_viewer") == guests


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/", "/studio/"])
@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "POST", "DELETE", "BREW"])
def test_pages_are_only_read(site: Site, path: str, method: str) -> None:
    """Row 26."""
    assert raw.request(site.urls[0], method, path).status == (204 if method == "OPTIONS" else 405)


@pytest.mark.parametrize(
    "address", ["/?q=%00", "/admin/login/?next=%00", "/accounts/login/?next=%00", "/videos/%00/", "/%00", "/static/%00"]
)
def test_nul_in_an_address_of_a_page(site: Site, address: str) -> None:
    """Row 9."""
    assert raw.request(site.urls[0], "GET", address).status in (400, 404)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../manage.py",
        "/static/%2e%2e/manage.py",
        "/static/..%5cmanage.py",
        "/static//etc/passwd",
        "/media/../secret_key",
        "/media/%2e%2e/%2e%2e/live.m3u8",
        "//etc/passwd",
        "http://evil.example/",
        "*",
    ],
)
def test_paths_lead_nowhere_else(site: Site, path: str) -> None:
    answer = raw.request(site.urls[0], "GET", path)
    assert answer.status in (400, 404)
    assert b"SECRET" not in answer.body
    assert b"root:" not in answer.body


def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    """Row 32."""
    host = urlsplit(site.urls[0]).netloc
    paths = ["/healthz", "/api/v1/nothing", "/readyz", "/api/v1/videos?limit=0"] * 25
    requests = "".join(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n" for path in paths[:-1])
    last = f"GET {paths[-1]} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    received = raw.talk(site.urls[0], (requests + last).encode())
    statuses = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404, 200, 422] * 25


@pytest.mark.parametrize(
    "text",
    [
        "GUEST\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nSECOND",
        "GUEST\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nSECOND",
        "GUEST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nSECOND",
        "GUEST\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\nSECOND",
        "GUEST\r\nContent-Length: 0\r\nContent-Length: 6\r\n\r\nSECOND",
        "GUEST\r\nContent-Length: -1\r\n\r\nSECOND",
        "GUEST\r\nContent-Length: 0x0\r\n\r\nSECOND",
        "GET /healthz HTTP/1.1\r\nHOST\r\nX: a\r\n folded\r\n\r\nSECOND",
        "GET /healthz HTTP/1.1\r\nHOST\r\nX: a\0b\r\n\r\nSECOND",
        "GET /healthz HTTP/1.1\r\nHOST\r\nX : a\r\n\r\nSECOND",
        "GET /healthz HTTP/1.1\r\nHOST\r\nX: a\x0bTransfer-Encoding: chunked\r\n\r\nSECOND",
        "GET /healthz HTTP/9.9\r\nHOST\r\n\r\nSECOND",
        "GET  /healthz HTTP/1.1\r\nHOST\r\n\r\nSECOND",
        "GUEST\r\nTransfer-Encoding: chunked\r\n\r\nZ\r\nabc\r\n0\r\n\r\nSECOND",
        "GUEST\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\nSECOND",
        "GUEST\r\nContent-Length: 100\r\n\r\n{}",
    ],
)
def test_request_that_hides_another_does_neither(site: Site, text: str) -> None:
    """Rows 31 and 33: what a proxy before us could have read otherwise is refused, and the connection closed."""
    host = urlsplit(site.urls[0]).netloc
    guests = count(site, "accounts_viewer")
    body = '{"name":"Smuggled"}'
    second = (
        f"POST /api/v1/guests HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    )
    first = text.replace("GUEST", "POST /api/v1/guests HTTP/1.1\r\nHOST").replace("HOST", f"Host: {host}")
    sent = first.replace("SECOND", second).encode("latin1")
    received = raw.talk(site.urls[0], sent, shut="SECOND" not in text)
    # A request that was folded or odd, and harmless, may be answered; then so is the one after it.
    statuses = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    if 200 not in statuses:
        assert count(site, "accounts_viewer") == guests, received
    assert not any(status >= 500 for status in statuses), received


@pytest.mark.parametrize(
    "cookie",
    [
        "sessionid=",
        "sessionid=\u00e4\u00f6",
        'sessionid="quoted; \\"',
        "sessionid=" + "a" * 4_096,
        "sessionid=x; sessionid=y",
        "sessionid=a b c",
        "=; ;;; =x",
        "sessionid",
        "csrftoken=x; sessionid=../../etc/passwd",
        "sessionid='; DROP TABLE django_session; --",
        "theme=<script>; django_language=../x",
    ],
)
async def test_cookies_that_are_none_make_nobody_of_one(here: Room, cookie: str) -> None:
    """Row 38."""
    headers: list[tuple[str, str | bytes]] = [("Cookie", cookie.encode("latin1")), JSON]
    url, path = here.site.urls[0], f"/api/v1/videos/{here.video_id}"
    for target in ("/", f"/videos/{here.video_id}/", path, "/studio/", "/admin/", "/accounts/login/"):
        answer = await asyncio.to_thread(raw.request, url, "GET", target, headers=headers)
        assert answer.status in (200, 302), target
        assert b"<script>;" not in answer.body
    answer = await asyncio.to_thread(
        raw.request, url, "POST", f"{path}/comments", headers=headers, body=b'{"body":"x"}'
    )
    assert answer.error == (401, "unauthenticated")
    assert here.comments_kept() == []


def test_no_request_of_this_file_left_a_traceback(site: Site) -> None:
    assert "Traceback" not in site.log("node-1") + site.log("node-2")
