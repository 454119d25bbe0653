"""A site that speaks HTTPS itself: what comes plainly is sent on, and all else is as it always is."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from host.demo_guests import client_of
from tests.certificates import certificate
from tests.rooms import Room, open_room
from tests.sites import Site
from tests.watching import HANG_SECONDS


@dataclass(frozen=True, slots=True)
class Secure:
    """A node's addresses: the secure one, and the plain one; what to trust."""

    url: str
    plain_url: str
    trust: ssl.SSLContext
    chain: Path


@pytest.fixture(scope="module")
def node(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    """One more node of the shared site, which has a certificate."""
    key, chain = certificate(tmp_path_factory.mktemp("https"))
    url = site.start_secure_node(chain, key)
    try:
        site.wait_until_ready()
        yield Secure(url, site.urls[-1], ssl.create_default_context(cafile=chain), chain)
    finally:
        site.urls.pop()
        site.nodes.pop().stop()


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        yield made


@pytest.fixture
async def client(node: Secure) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(verify=node.trust, timeout=HANG_SECONDS, trust_env=False) as made:
        yield made


async def test_plain_requests_are_sent_on_and_what_carries_something_is_refused(
    node: Secure, client: httpx.AsyncClient
) -> None:
    moved = await client.get(f"{node.plain_url}/search/?q=a%20b")
    assert (moved.status_code, moved.headers["location"]) == (308, f"{node.url}/search/?q=a%20b")
    for refused in (
        await client.post(f"{node.plain_url}/api/v1/guests", json={"name": "Plain"}),
        await client.get(f"{node.plain_url}/api/v1/me", headers={"authorization": "Bearer secret"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "https_only")
    with pytest.raises(InvalidStatus) as answer:
        await connect(f"{node.plain_url.replace('http', 'ws')}/ws", proxy=None)
    assert answer.value.response.status_code == 403
    for path in ("/healthz", "/readyz"):
        assert (await client.get(node.plain_url + path)).status_code == 200, "balancers ask as they like"


async def test_pages_and_cookies_are_for_https_alone(node: Secure, client: httpx.AsyncClient) -> None:
    page = await client.get(f"{node.url}/")
    assert page.status_code == 200
    assert "strict-transport-security" not in page.headers, "browsers would ask the plain port by HTTPS"
    cookies = page.headers.get_list("set-cookie")
    assert cookies
    assert all("; Secure" in cookie for cookie in cookies)


async def test_a_guest_acts_and_sees_it_on_both_kinds_of_streams(
    node: Secure, client: httpx.AsyncClient, room: Room
) -> None:
    guest = await client.post(f"{node.url}/api/v1/guests", json={"name": "Secure"}, headers={"origin": node.url})
    assert guest.status_code == 201
    token = {"authorization": f"Bearer {guest.json()['token']}"}
    protocol = Subprotocol("live.v1.json")
    stream_url = f"{node.url}/events?topic={room.topic}"
    socket_url = f"{node.url.replace('https', 'wss')}/ws?topic={room.topic}"
    async with (
        asyncio.timeout(HANG_SECONDS),
        client.stream("GET", stream_url) as stream,
        connect(socket_url, ssl=node.trust, subprotocols=[protocol], proxy=None) as watching,
    ):
        lines = stream.aiter_lines()
        assert json.loads(await watching.recv())["event"] == "hello"
        async for line in lines:
            if line == "event: hello":
                break
        url = f"{node.url}/api/v1/videos/{room.video_id}/comments"
        written = await client.post(url, json={"body": "by HTTPS"}, headers=token)
        assert written.status_code == 201
        async for line in lines:
            if line.startswith("data: ") and "by HTTPS" in line:
                break
        while "by HTTPS" not in str(await watching.recv()):
            pass


async def test_guests_of_the_demo_come_by_https(node: Secure) -> None:
    """They came by HTTP alone. A site with a certificate refused them, and its demo was silent."""
    async with client_of(node.url, allowed_hosts=["localhost"]) as guest:
        assert (await guest.post("/guests", json={"name": "Demo"})).status_code == 201


async def test_a_file_comes_whole(node: Secure, client: httpx.AsyncClient) -> None:
    page = (await client.get(f"{node.url}/")).text
    address = page.partition('rel="stylesheet" href="')[2].partition('"')[0]
    path = Path("static", *address.split("/")[3:])
    for _ in range(2):  # by the application, then by the edge alone
        file = await client.get(node.url + address, headers={"accept-encoding": "identity"})
        assert (file.status_code, file.content) == (200, path.read_bytes())


SAME_HEADERS = ("content-type", "content-encoding", "cache-control", "content-range", "vary", "allow", "location")


async def test_http2_gives_what_http_1_1_gives(node: Secure, room: Room, client: httpx.AsyncClient) -> None:
    static = re.search(r'(?:src|href)="(/static/[^"]+\.css)"', (await client.get(node.url)).text)
    assert static
    asked: list[tuple[str, str, dict[str, str]]] = [
        ("GET", f"/videos/{room.video_id}/", {}),
        ("HEAD", f"/videos/{room.video_id}/", {}),
        ("GET", static[1], {"accept-encoding": "gzip"}),
        ("GET", static[1], {"accept-encoding": "identity", "range": "bytes=10-29"}),
        ("GET", static[1], {"range": "bytes=10000000-"}),
        ("GET", f"/api/v1/videos/{room.video_id}", {}),
        ("PUT", f"/api/v1/videos/{room.video_id}/like", {"content-type": "application/json"}),
        ("OPTIONS", "/search/", {}),
        ("GET", "/ws", {}),
        ("GET", "/nowhere/", {}),
        ("GET", f"/events?topic={room.topic}&seconds=0", {}),
    ]
    async with httpx.AsyncClient(http2=True, verify=node.trust, timeout=HANG_SECONDS, trust_env=False) as other:
        for method, path, headers in asked:
            one, two = [await each.request(method, node.url + path, headers=headers) for each in (client, other)]
            assert (one.http_version, two.http_version) == ("HTTP/1.1", "HTTP/2")
            assert one.status_code == two.status_code, path
            assert [one.headers.get(name) for name in SAME_HEADERS] == [two.headers.get(name) for name in SAME_HEADERS]
            assert bool(one.content) == bool(two.content)
        etag = (await other.get(node.url + static[1])).headers["etag"]
        assert (await other.get(node.url + static[1], headers={"if-none-match": etag})).status_code == 304


async def test_a_browser_takes_http2_for_the_page_and_a_websocket_for_its_events(
    node: Secure, room: Room, browser: Browser
) -> None:
    async with await browser.new_context(ignore_https_errors=True) as context:
        page = await context.new_page()
        await page.add_init_script("delete globalThis.SharedWorker")  # the page's own hub: its WebSocket is to be seen
        async with page.expect_websocket(lambda socket: "/ws?" in socket.url) as opened:
            await page.goto(f"{node.url}/videos/{room.video_id}/")
        socket = await opened.value
        await socket.wait_for_event("framereceived")
        assert not socket.is_closed()
        protocols = "performance.getEntriesByType('{}').map(({{ nextHopProtocol }}) => nextHopProtocol)"
        assert await page.evaluate(protocols.format("navigation")) == ["h2"]
        assert "http/1.1" not in await page.evaluate(protocols.format("resource"))


def test_a_load_test_by_https(site: Site, node: Secure, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = site.manage("loadtest", "--url", node.plain_url, check=False)
    assert (plain.returncode, plain.stderr.splitlines()[-1]) == (
        2,
        f"loadtest: the site at {node.plain_url} speaks HTTPS: name an address that begins with https://",
    )
    doubted = site.manage("loadtest", "--url", node.url, check=False)
    assert doubted.returncode == 2
    assert "the certificate is not trusted" in doubted.stderr
    monkeypatch.setitem(site.env, "SSL_CERT_FILE", str(node.chain.with_name("none.pem")))
    unread = site.manage("loadtest", "--url", node.url, check=False)
    assert unread.returncode == 2
    assert unread.stderr.strip().endswith("none.pem: No such file or directory")
    monkeypatch.setitem(site.env, "SSL_CERT_FILE", str(node.chain))
    done = site.manage(
        "loadtest", "--url", node.url, "--viewers", "20", "--likes", "20", "--comments", "5", "--seconds", "1",
        "--transport", "mix", "--json", "-",
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["connected"], found["lost"], found["passed"]) == (20, 0, True)
