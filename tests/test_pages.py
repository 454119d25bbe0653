"""Pages and pictures over HTTP: headers, escaping, who may see what. A real site answers."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from django.urls import resolve

from tests.kit import HANG_SECONDS
from tests.sites import Site
from web.middleware import CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_OWN_FRAME

MAKE_PEOPLE = """
from accounts.tokens import issue_token
from accounts.models import Viewer
viewer = Viewer.objects.create_user("pages", name="Page maker", is_broadcaster=True)
print("TOKEN", issue_token(viewer))
"""


@pytest.fixture(scope="module")
def web(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.urls[0], timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def token(site: Site) -> str:
    return site.manage("shell", "--command", MAKE_PEOPLE).stdout.rpartition("TOKEN ")[2].strip()


@pytest.fixture
def make_video(web: httpx.Client, token: str) -> Iterator[VideoMaker]:
    yield VideoMaker(web, token)


class VideoMaker:
    def __init__(self, web: httpx.Client, token: str) -> None:
        self._web = web
        self._headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, *, live: bool = True, **fields: object) -> str:
        made = self.post("/videos", {"title": "A video", **fields})
        if live:
            self.post(f"/videos/{made['id']}/start", None)
        return str(made["id"])

    def post(self, path: str, body: dict[str, object] | None) -> dict[str, object]:
        answer = self._web.post(f"/api/v1{path}", json=body, headers=self._headers)
        answer.raise_for_status()
        made: dict[str, object] = answer.json()
        return made


def island(page: str) -> dict[str, object]:
    found = re.search(r'<script id="state" type="application/json">(.*?)</script>', page)
    assert found
    state: dict[str, object] = json.loads(found[1])
    return state


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/nowhere", "/healthz", "/api/v1/videos", "/api/v1/docs"])
def test_every_answer_carries_the_security_headers(web: httpx.Client, path: str) -> None:
    headers = web.get(path).headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_the_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "http" not in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'")


def test_the_watch_page_holds_its_first_state(web: httpx.Client, make_video: VideoMaker) -> None:
    video_id = make_video(title="State of the page")
    make_video.post(f"/videos/{video_id}/comments", {"body": "Hello <b>there</b>"})

    answer = web.get(f"/videos/{video_id}/")

    state = island(answer.text)
    assert state["topic"] == f"video:{video_id}"
    assert (state["viewer"], state["mine"], state["may"]) == (None, None, [])
    assert "<h1" in answer.text and "State of the page" in answer.text
    assert "Hello &lt;b&gt;there&lt;/b&gt;" in answer.text
    assert "csrftoken" in answer.cookies
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_text_cannot_leave_the_json_of_the_page(web: httpx.Client, make_video: VideoMaker) -> None:
    title = "</script><script>alert(1)</script>"
    page = web.get(f"/videos/{make_video(title=title)}/").text
    assert "<script>alert" not in page
    assert title in json.dumps(island(page), ensure_ascii=False)


def test_a_page_without_scripts_says_what_is_missing(web: httpx.Client, make_video: VideoMaker) -> None:
    page = web.get(f"/videos/{make_video()}/").text
    assert re.search(r"<noscript>.*Switch on JavaScript", page)


def test_a_private_video_answers_like_a_missing_one(web: httpx.Client, make_video: VideoMaker) -> None:
    private = make_video(visibility="private")
    missing = str(uuid.uuid4())
    pages = [web.get(f"/videos/{video_id}/") for video_id in (private, missing)]
    assert [page.status_code for page in pages] == [404, 404]
    assert pages[0].content == pages[1].content
    assert pages[0].headers.keys() == pages[1].headers.keys()
    pictures = [web.get(f"/media/{video_id}/live.m3u8") for video_id in (private, missing)]
    assert [picture.status_code for picture in pictures] == [404, 404]
    assert pictures[0].content == pictures[1].content


def test_an_unlisted_video_is_for_whoever_has_the_link_and_not_for_search_engines(
    web: httpx.Client, make_video: VideoMaker
) -> None:
    video_id = make_video(visibility="unlisted")
    page = web.get(f"/videos/{video_id}/")
    assert page.status_code == 200
    assert 'name="robots" content="noindex"' in page.text
    assert video_id not in web.get("/").text


def test_home_lists_what_is_live_and_what_comes(web: httpx.Client, make_video: VideoMaker) -> None:
    live, upcoming = make_video(title="On air now"), make_video(title="On air later", live=False)
    deadline = time.monotonic() + HANG_SECONDS
    while f"/videos/{upcoming}/" not in (page := web.get("/").text):  # it may be of a second ago
        assert time.monotonic() < deadline
    assert f"/videos/{live}/" in page
    assert page.index("On air now") < page.index("On air later")


def test_the_studio_asks_a_stranger_to_sign_in(web: httpx.Client) -> None:
    answer = web.get("/studio/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/accounts/login/?next=/studio/"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_pages_are_only_read(web: httpx.Client, make_video: VideoMaker, method: str) -> None:
    for path in ("/", f"/videos/{make_video()}/", f"/media/{uuid.uuid4()}/live.m3u8"):
        assert web.request(method, path).status_code == 405


# What a page costs


def test_a_comment_on_the_page_is_what_one_reads_and_nothing_else(web: httpx.Client, make_video: VideoMaker) -> None:
    """Each of fifty comments brought its tools, badges and states, hidden: 115 of 150 KB, half of the CPU time.

    The script makes its items from one <template>.
    """
    video_id = make_video()
    for number in range(3):
        make_video.post(f"/videos/{video_id}/comments", {"body": f"Comment {number}"})
    page = web.get(f"/videos/{video_id}/").text
    items = re.findall(r'<li class="comment[^"]*" tabindex="-1" data-id.*?</li>', page, re.DOTALL)
    assert [re.findall(r'class="comment-body" dir="auto">(.*?)<', item) for item in items] == [
        ["Comment 0"], ["Comment 1"], ["Comment 2"]
    ]  # fmt: skip
    assert max(map(len, items)) < 700
    assert "hidden" not in items[0].replace('aria-hidden="true"', "") and "data-do" not in items[0]


@pytest.mark.parametrize(
    "path",
    [
        *("/", f"/videos/{uuid.NAMESPACE_DNS}/", "/studio/", f"/studio/{uuid.NAMESPACE_DNS}/report/"),
        *(f"/studio/{uuid.NAMESPACE_DNS}/minutes.csv", "/operator/", "/operator/figures", "/healthz", "/readyz"),
        *("/messages/", f"/messages/{uuid.NAMESPACE_DNS}/"),
    ],
)
def test_a_page_on_the_event_loop_is_a_coroutine(path: str) -> None:
    """Those pages are past Django's middlewares, each of which took them to a thread and back: 3 ms of CPU a page."""
    from liveplatform.asgi import ON_THE_LOOP

    assert ON_THE_LOOP.fullmatch(path)
    assert inspect.iscoroutinefunction(resolve(path).func)


@pytest.mark.parametrize("path", ["/admin/", "/accounts/login/", "/accounts/logout/", f"/videos/{uuid.NAMESPACE_DNS}"])
def test_what_needs_djangos_session_or_its_redirects_is_not_on_the_event_loop(path: str) -> None:
    from liveplatform.asgi import ON_THE_LOOP

    assert not ON_THE_LOOP.fullmatch(path)


def test_a_page_keeps_the_csrf_token_that_the_browser_has(web: httpx.Client, make_video: VideoMaker) -> None:
    """A new one with each page would make what another tab sends invalid."""
    with httpx.Client(base_url=web.base_url) as browser:
        first = browser.get(f"/videos/{make_video()}/").cookies["csrftoken"]
        again = browser.get("/").cookies.get("csrftoken", first)
    assert again == first


# The picture


@pytest.mark.parametrize(
    ("name", "content_type", "cache"),
    [
        ("live.m3u8", "application/vnd.apple.mpegurl", "public, no-cache"),
        ("1790000000.ts", "video/mp2t", "public, max-age=31536000, immutable"),
        ("s000001.ts", "video/mp2t", "public, no-cache"),
        ("init.mp4", "video/mp4", "public, no-cache"),
        ("1790000000.m4s", "video/iso.segment", "public, max-age=31536000, immutable"),
        ("1790000000000_7.m4s", "video/iso.segment", "public, max-age=31536000, immutable"),
        ("1790000000.aac", "audio/aac", "public, max-age=31536000, immutable"),
        ("captions.vtt", "text/vtt; charset=utf-8", "public, no-cache"),
        ("poster.jpg", "image/jpeg", "public, max-age=5"),
    ],
)
def test_each_part_of_a_picture_says_what_it_is_and_how_long_it_holds(
    site: Site, web: httpx.Client, make_video: VideoMaker, name: str, content_type: str, cache: str
) -> None:
    video_id = make_video()
    folder = site.folder / "media" / video_id
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"picture")

    answer = web.get(f"/media/{video_id}/{name}")

    assert (answer.status_code, answer.content) == (200, b"picture")
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Cache-Control"] == cache
    assert answer.headers["Access-Control-Allow-Origin"] == "*"

    url = answer.url
    head = web.head(url)
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "7")
    some = web.get(url, headers={"Range": "bytes=2-4"})
    assert (some.status_code, some.content, some.headers["Content-Range"]) == (206, b"ctu", "bytes 2-4/7")
    same = web.get(url, headers={"If-None-Match": answer.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_a_part_that_is_not_there_yet_is_not_missing_for_ever(web: httpx.Client, make_video: VideoMaker) -> None:
    """A CDN that was asked too early kept the 404."""
    for name in ("live.m3u8", "1790000000.ts", "poster.jpg", "no-such-kind.exe"):
        answer = web.get(f"/media/{make_video()}/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.headers["Cache-Control"] == "no-store"


LOW_LATENCY = """#EXTM3U
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES
#EXT-X-MEDIA-SEQUENCE:0
#EXTINF:1.0,
1790000000000-0.m4s
"""


def test_a_request_ahead_is_held_back_until_the_segment_is_there(
    site: Site, web: httpx.Client, make_video: VideoMaker
) -> None:
    video_id = make_video()
    folder = site.folder / "media" / video_id
    folder.mkdir(parents=True)
    (folder / "live.m3u8").write_text(LOW_LATENCY)
    playlist = f"/media/{video_id}/live.m3u8"

    with ThreadPoolExecutor(1) as threads:
        ahead = threads.submit(web.get, playlist, params={"_HLS_msn": "1"})
        assert web.get(playlist).text == LOW_LATENCY
        (folder / "new").write_text(LOW_LATENCY + "#EXTINF:1.0,\n1790000000000-1.m4s\n")
        (folder / "new").rename(folder / "live.m3u8")
        answer = ahead.result()
    assert "1790000000000-1.m4s" in answer.text
    assert answer.headers["Cache-Control"] == "public, no-cache"

    assert web.get(playlist, params={"_HLS_msn": "9"}).status_code == 400
    assert web.get(playlist, params={"_HLS_msn": "1x"}).json()["code"] == "bad_request"


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
def test_readers_of_a_segment_who_never_read_cost_no_memory(site: Site, make_video: VideoMaker) -> None:
    """60 readers of 12 MB cost the nodes 23 MB each, most of it for good: the file was read whole for each."""
    video_id = make_video()
    folder = site.folder / "media" / video_id
    folder.mkdir(parents=True)
    (folder / "big.ts").write_bytes(b"\0" * 12_000_000)
    request = f"GET /media/{video_id}/big.ts HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def megabytes() -> float:
        status = Path(f"/proc/{site.nodes[0].pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    with contextlib.ExitStack() as stack:
        before = megabytes()
        for _ in range(20):
            peer = stack.enter_context(socket.socket())
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.connect(("127.0.0.1", urlsplit(site.urls[0]).port))
            peer.sendall(request)
            assert peer.recv(9) == b"HTTP/1.1 ", "the answer has begun"
        assert megabytes() - before < 40


@pytest.mark.parametrize(
    "name",
    [
        "../../secret_key", "..%2f..%2fsecret_key", "%2e%2e/%2e%2e/secret_key", "....//secret_key", ".hidden.ts",
        "live.m3u8%00.jpg", "live.m3u8/", "1.2.ts", "a%5c..%5cb.ts", "live.M3U8", "live.py", "x" * 70 + ".ts",
        "live.ts%0a",
    ],
)  # fmt: skip
def test_no_name_leads_out_of_the_folder(site: Site, web: httpx.Client, make_video: VideoMaker, name: str) -> None:
    video_id = make_video()
    folder = site.folder / "media" / video_id
    folder.mkdir(parents=True)
    for present in ("live.m3u8", "live.py", "live.M3U8", ".hidden.ts"):
        (folder / present).write_bytes(b"not to be served")
    # httpx would tidy the path up before sending it.
    url = httpx.URL(site.urls[0]).copy_with(raw_path=f"/media/{video_id}/{name}".encode())
    answer = web.get(url)
    assert answer.status_code == 404
    assert b"not to be served" not in answer.content


def test_the_picture_of_a_private_video_is_for_its_broadcaster_alone_and_in_no_shared_cache(
    site: Site, make_video: VideoMaker
) -> None:
    video_id = make_video(visibility="private")
    folder = site.folder / "media" / video_id
    folder.mkdir(parents=True)
    (folder / "s1.ts").write_bytes(b"private picture")
    key = site.manage("shell", "--command", SIGN_IN).stdout.rpartition("KEY ")[2].strip()

    with httpx.Client(base_url=site.urls[1], timeout=30) as stranger:
        assert stranger.get(f"/media/{video_id}/s1.ts").status_code == 404
    with httpx.Client(base_url=site.urls[1], timeout=30, cookies={"sessionid": key}) as owner:
        answer = owner.get(f"/media/{video_id}/s1.ts")
    assert answer.content == b"private picture"
    assert answer.headers["Cache-Control"].startswith("private")


SIGN_IN = """
from django.http import HttpRequest
from accounts.guests import sign_in
from accounts.models import Viewer
print("KEY", sign_in(HttpRequest(), Viewer.objects.get(username="pages")))
"""


def test_an_embedded_player_may_be_framed_by_anybody_and_leaves_no_cookie(
    web: httpx.Client, token: str, make_video: VideoMaker
) -> None:
    video_id = make_video(title="In a frame")
    with httpx.Client(base_url=web.base_url) as stranger:
        answer = stranger.get(f"/videos/{video_id}/?as=embed")
        assert answer.status_code == 200
        assert "frame-ancestors *" in answer.headers["Content-Security-Policy"]
        assert "X-Frame-Options" not in answer.headers
        assert not answer.cookies
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert 'data-as="embed"' in answer.text
    assert f'href="/videos/{video_id}/" target="_blank"' in answer.text


def test_a_moderators_dock_is_a_page_that_only_the_studio_frames(web: httpx.Client, make_video: VideoMaker) -> None:
    answer = web.get(f"/videos/{make_video()}/?as=dock")
    assert 'data-as="dock"' in answer.text
    assert "as%3Ddock" in answer.text, "who signs in comes back to the dock"
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY_OWN_FRAME
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_there_is_no_other_way_to_show_a_video(web: httpx.Client, make_video: VideoMaker) -> None:
    video_id = make_video()
    for way in ("", "viewer", "EMBED"):
        assert web.get(f"/videos/{video_id}/?as={way}").status_code == 404
    hidden = make_video(visibility="private")
    assert web.get(f"/videos/{hidden}/?as=embed").status_code == 404
