"""Static files: small, kept by browsers for good, and sent again without asking the application."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from liveplatform import assets
from tests.rooms import counted
from tests.sites import METRICS_TOKEN, Site

FOR_GOOD = "public, max-age=31536000, immutable"


@pytest.fixture
def address() -> str:
    return f"/static/{assets.version()}/css/site.css"


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.urls[0], trust_env=False) as made:
        yield made


def test_pages_name_files_by_their_version_and_browsers_keep_them(client: httpx.Client, address: str) -> None:
    """Each was asked for again with each page: 70 questions for a video that one has seen before."""
    named = re.findall(r'(?:src|href)="(/static/[^"]+)"', client.get("/").text)
    assert address in named
    assert {name.split("/")[2] for name in named} == {assets.version()}
    for name in named:
        answer = client.get(name)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, FOR_GOOD), name


def test_another_version_gets_what_is_there_and_is_not_kept(client: httpx.Client, address: str) -> None:
    """While a deploy runs, a page of one node asks another one for its files."""
    ours = client.get(address)
    for version in ("v-000000000000", "v-"):
        answer = client.get(f"/static/{version}/css/site.css")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "max-age=0, public")
        assert answer.text == ours.text
    assert client.get("/static/css/site.css").headers["Cache-Control"] == "max-age=0, public"
    for missing in (f"/static/{assets.version()}/nothing.css", f"/static/{assets.version()}/", "/static/v-/../x"):
        assert client.get(missing).status_code == 404
    assert client.post(address).status_code == 405


def test_each_gets_the_form_that_it_takes_also_when_it_is_sent_again(client: httpx.Client, address: str) -> None:
    for _ in range(2):
        small = client.get(address, headers={"Accept-Encoding": "gzip"})
        plain = client.get(address, headers={"Accept-Encoding": "identity"})
        assert (small.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
        assert int(small.headers["Content-Length"]) < int(plain.headers["Content-Length"]) / 2
        assert small.text == plain.text
        assert small.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    part = client.get(address, headers={"Range": "bytes=0-9", "Accept-Encoding": "identity"})
    assert (part.status_code, part.content, part.headers["Cache-Control"]) == (206, plain.content[:10], FOR_GOOD)
    assert client.get(address, headers={"If-None-Match": small.headers["ETag"]}).status_code == 304


def test_files_that_are_sent_again_are_counted(client: httpx.Client, address: str) -> None:
    def sent() -> float:
        page = client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
        return counted(page, "live_http_requests_total", kind="static", status="200")

    client.get(address)
    before = sent()
    for _ in range(3):
        client.get(address)
    assert sent() - before == 3
