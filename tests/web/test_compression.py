"""What travels compressed, for whom, and what never does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.http import HttpResponse

from liveplatform import assets
from liveplatform.compression import COMPRESSED_MIN_BYTES, compress_answer, compress_page
from tests.sites import Site

LONG = b'["' + b"what is long enough " * 200 + b'"]'
API = "/api/v1/openapi.json"
PATHS = ("/", API, f"/static/{assets.version()}/css/site.css")


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.urls[0], trust_env=False) as made:
        yield made


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("encodings", "coding"),
    [
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0, GZIP;q=0.1, deflate", "gzip"),
        ("identity;q=0, gzip", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=abc, deflate", None),
        ("identity;q=0", None),
        ("*", None),
        ("*;q=0", None),
        ("", None),
        (",;,;q=;=1, zip, gzipp", None),
        ("x" * 4_000, None),
    ],
)
def test_each_gets_a_form_that_it_takes(client: httpx.Client, path: str, encodings: str, coding: str | None) -> None:
    """A list of encodings that is nonsense, or leaves none, gets what is there as it is."""
    headers = {"Accept-Encoding": encodings}
    if coding == "br" and not path.startswith("/static/"):
        coding = "gzip"  # what is made for each is made fast
    answer, headed = client.get(path, headers=headers), client.head(path, headers=headers)
    assert (answer.status_code, answer.headers.get("Content-Encoding")) == (200, coding)
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert len(answer.content) > COMPRESSED_MIN_BYTES
    assert (headed.status_code, headed.content, headed.headers.get("Content-Encoding")) == (200, b"", coding)
    if path != "/":  # which may be another page by now
        assert answer.text == client.get(path, headers={"Accept-Encoding": "identity"}).text
        assert headed.headers["Content-Length"] == answer.headers["Content-Length"]


@pytest.mark.parametrize("path", PATHS[:2])
def test_pages_and_answers_of_the_api_are_sent_whole(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Range": "bytes=0-9", "Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert len(answer.content) > COMPRESSED_MIN_BYTES


def test_an_event_stream_is_never_compressed(client: httpx.Client) -> None:
    """Each frame is there when it comes. And many viewers get the same bytes."""
    viewer = client.post("/api/v1/guests", json={"name": "Streaming"}).json()["viewer"]["id"]
    with client.stream("GET", f"/events?topic=user:{viewer}", headers={"Accept-Encoding": "gzip"}) as stream:
        assert stream.status_code == 200
        assert "Content-Encoding" not in stream.headers


def answer_to(compress: Any, method: str = "GET", *, kind: str = "application/json", **headers: bytes) -> HttpResponse:
    """Return what becomes of a long answer to somebody who takes gzip."""
    named = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    response = HttpResponse(LONG, content_type=kind)
    compress(response, {"method": method, "headers": [(b"accept-encoding", b"gzip, br"), *named]})
    return response


@pytest.mark.parametrize(
    ("asked", "is_small"),
    [
        ({}, True),
        ({"cookie": b"sessionid=x"}, True),
        ({"cookie": b"sessionid=x", "sec_fetch_site": b"same-origin"}, True),
        ({"authorization": b"Bearer x", "sec_fetch_site": b"cross-site"}, True),
        ({"sec_fetch_site": b"cross-site"}, True),
        ({"cookie": b"sessionid=x", "sec_fetch_site": b"cross-site"}, False),
        ({"method": "POST"}, False),
        ({"method": "PUT"}, False),
        ({"kind": "video/mp2t"}, False),
        ({"kind": "application/vnd.apple.mpegurl"}, False),
    ],
)
def test_no_other_site_learns_from_the_length_of_an_answer(asked: dict[str, Any], is_small: bool) -> None:
    response = answer_to(compress_answer, **asked)
    assert (response.get("Content-Encoding") == "gzip") == is_small
    assert (len(response.content) < len(LONG)) == is_small


def test_what_is_somebodys_own_has_another_length_each_time() -> None:
    def lengths(compress: Any, **headers: Any) -> set[int]:
        return {len(answer_to(compress, **headers).content) for _ in range(50)}

    assert len(lengths(compress_answer)) == 1
    for own in (
        lengths(compress_answer, cookie=b"sessionid=x"),
        lengths(compress_answer, authorization=b"Bearer x"),
        lengths(compress_page),
    ):
        assert len(own) > 5
