"""Every address answers every method: as documented, by its rule, or with what is allowed there instead."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests import raw
from tests.sites import Site


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site.urls[0], timeout=30) as made:
        yield made


@pytest.fixture(scope="module")
def allowed(client: httpx.Client) -> dict[str, set[str]]:
    """Path -> what may be done there, by the document, and by what holds everywhere."""
    paths: dict[str, Any] = client.get("/api/v1/openapi.json").json()["paths"]
    found = {re.sub(r"{\w+}", str(uuid4()), path): {name.upper() for name in paths[path]} for path in paths}
    found |= {"/api/v1/openapi.json": {"GET"}, "/api/v1/docs": {"GET"}}
    for methods in found.values():
        methods.add("OPTIONS")
        if "GET" in methods:
            methods.add("HEAD")
    return found


def test_options_says_what_is_allowed(client: httpx.Client, allowed: dict[str, set[str]]) -> None:
    """It was 405 everywhere."""
    for path, methods in allowed.items():
        answer = client.options(path)
        assert (answer.status_code, answer.content) == (204, b""), path
        assert set(answer.headers["Allow"].split(", ")) == methods, path


@pytest.mark.parametrize("method", ["TRACE", "BREW", "POST", "PUT", "PATCH", "DELETE"])
def test_other_methods_are_refused_with_what_is_allowed(
    client: httpx.Client, allowed: dict[str, set[str]], method: str
) -> None:
    """`POST`, `DELETE` and `TRACE` of openapi.json were answered with 200 and the document."""
    for path, methods in allowed.items():
        if method not in methods:
            answer = client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), path
            assert set(answer.headers["Allow"].split(", ")) == methods, path


def test_head_is_a_get_without_its_body(client: httpx.Client, allowed: dict[str, set[str]]) -> None:
    """It was 405; HTTP asks every server for GET and HEAD (RFC 9110, 9.1)."""
    for path in (path for path, methods in allowed.items() if "GET" in methods):
        got, headed = client.get(path), client.head(path)
        assert (headed.status_code, headed.content) == (got.status_code, b""), path
        mine = {"date": "", "set-cookie": ""}  # a page gives a new visitor their cookies, once
        assert {**headed.headers, **mine} == {**got.headers, **mine}, path


def test_a_missing_path_is_missing_for_every_method(client: httpx.Client) -> None:
    for method in ("GET", "OPTIONS", "BREW", "DELETE"):
        answer = client.request(method, "/api/v1/nothing")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert client.head("/api/v1/nothing").status_code == 404


# Beyond the API

READ = {"GET", "HEAD", "OPTIONS"}
PAGES = {
    **dict.fromkeys(("/", "/studio/", "/operator/", f"/videos/{uuid4()}/", "/healthz", "/readyz", "/metrics"), READ),
    **dict.fromkeys(("/ws", "/robots.txt", "/static/css/site.css"), READ),
    **dict.fromkeys(("/accounts/login/", "/admin/", "/admin/login/", "/admin/videos/video/"), READ | {"POST"}),
    "/events": {"GET", "OPTIONS"},
    "/accounts/logout/": {"POST", "OPTIONS"},
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "TRACE", "BREW", "post", "POST", "PUT", "PATCH", "DELETE"])
def test_methods_that_do_not_go_are_refused_everywhere(client: httpx.Client, method: str) -> None:
    """A page answered 403 "reload the page and try again", as for a form without its token; `/ws` 426 to a DELETE."""
    for path, methods in PAGES.items():
        if method not in methods:
            answer = raw.request(str(client.base_url), method, path)
            assert answer.status == 405, path
            assert method == "HEAD" or answer.error == (405, "method_not_allowed"), path
            assert set(answer.headers["allow"].split(", ")) == methods, path
            assert answer.headers["cache-control"] == "no-store", path


def test_options_says_what_is_allowed_everywhere(client: httpx.Client) -> None:
    """It was 405, on `/accounts/login/` 200 with a PUT that never was."""
    for path, methods in PAGES.items():
        answer = client.options(path)
        assert (answer.status_code, answer.content) == (204, b""), path
        assert set(answer.headers["Allow"].split(", ")) == methods, path


def test_options_of_the_server_as_a_whole(client: httpx.Client) -> None:
    """It was 404 (RFC 9110, 9.3.7)."""
    answer = raw.request(str(client.base_url), "OPTIONS", "*")
    assert (answer.status, answer.body) == (204, b"")
    assert "POST" in answer.headers["allow"].split(", ")
    assert raw.request(str(client.base_url), "GET", "*").status == 404


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/videos?limit=1", "/static/css/site.css", ""])
def test_an_address_may_be_written_as_for_a_proxy(client: httpx.Client, path: str) -> None:
    """It was 404; HTTP asks every server for it (RFC 9112, 3.2.2), and then Host is what the address says."""
    url = str(client.base_url).rstrip("/")
    assert raw.request(url, "GET", url.replace("http", "HTTP", 1) + path).status == 200
    assert raw.request(url, "GET", "http://elsewhere.example/").error == (400, "unknown_host")


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "DELETE", "get"])
@pytest.mark.parametrize("path", ["/nothing", "/static/nothing.css", "/videos/nothing/"])
def test_a_missing_page_is_missing_for_every_method(client: httpx.Client, method: str, path: str) -> None:
    assert raw.request(str(client.base_url), method, path).status == 404


@pytest.mark.parametrize("path", ["/static/css/site.css", "/favicon.ico", "/api/v1/openapi.json"])
def test_what_has_not_changed_is_304_behind_a_proxy_that_compresses_too(client: httpx.Client, path: str) -> None:
    """nginx makes the ETag of what it compresses a weak one: all was sent again with each page, styles and scripts."""
    first = client.get(path)
    for etag in (first.headers["ETag"], f"W/{first.headers['ETag']}"):
        again = client.get(path, headers={"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert client.get(path, headers={"If-None-Match": 'W/"another"'}).status_code == 200


# What browsers, phones and search engines ask for at the root


def test_the_root_has_icon_and_rules_for_robots(client: httpx.Client) -> None:
    """All three were 404."""
    icon = client.get("/favicon.ico").content
    assert struct.unpack("<3H", icon[:6]) == (0, 1, 1)
    assert icon[22:30] == b"\x89PNG\r\n\x1a\n"
    robots = client.get("/robots.txt")
    assert robots.headers["content-type"].startswith("text/plain")
    assert "Disallow: /api/\n" in robots.text
    assert "Disallow: /videos" not in robots.text
    assert client.head("/robots.txt").status_code == 200


def test_the_manifest_names_icons_of_the_size_that_they_have(client: httpx.Client) -> None:
    manifest = client.get("/manifest.json").json()
    assert {"name", "short_name", "start_url", "display", "icons"} <= set(manifest)
    for icon in manifest["icons"]:
        answer = client.get(icon["src"])
        assert answer.status_code == 200
        assert answer.headers["content-type"] == icon["type"]
        if icon["type"] == "image/png":
            assert "{}x{}".format(*struct.unpack(">2I", answer.content[16:24])) == icon["sizes"]
    assert '<link rel="manifest" href="/manifest.json">' in client.get("/").text
