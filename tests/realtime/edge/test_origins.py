"""Which pages of other origins may do what."""

from __future__ import annotations

from typing import Any

import pytest

from realtime.edge.origins import Page, allowance, page

LISTED = ["https://friend.example"]
OWN = "http://live.example:8000"


def scope(origin: str | None, *, cookie: str = "", scheme: str = "http") -> dict[str, Any]:
    headers = [(b"host", b"live.example:8000")]
    if origin is not None:
        headers.append((b"origin", origin.encode("latin1")))
    if cookie:
        headers.append((b"cookie", cookie.encode()))
    return {"scheme": scheme, "headers": headers}


@pytest.mark.parametrize(
    ("origin", "kind"),
    [
        (None, Page.OWN),
        (OWN, Page.OWN),
        ("https://friend.example", Page.LISTED),
        ("http://friend.example", Page.FOREIGN),
        ("https://friend.example:8443", Page.FOREIGN),
        ("https://friend.example.evil.example", Page.FOREIGN),
        ("https://friend.example/", Page.FOREIGN),
        ("https://friend.example, https://evil.example", Page.FOREIGN),
        ("https://live.example:8000", Page.FOREIGN),
        ("http://live.example", Page.FOREIGN),
        ("null", Page.FOREIGN),
        ("", Page.FOREIGN),
        ("\xe4", Page.FOREIGN),
    ],
)
def test_a_page_is_known_by_its_whole_origin(origin: str | None, kind: Page) -> None:
    assert page(scope(origin), LISTED) is kind
    assert page(scope(origin, scheme="ws"), LISTED) is kind


@pytest.mark.parametrize(
    ("origin", "cookie", "origins", "credentials"),
    [
        (None, "", None, None),
        (OWN, "sessionid=x", None, None),
        ("https://friend.example", "", "https://friend.example", "true"),
        ("https://friend.example", "sessionid=x", "https://friend.example", "true"),
        ("https://evil.example", "", "*", None),
        ("https://evil.example", "sessionid=x", None, None),
    ],
)
def test_cookies_count_for_listed_pages_alone_and_all_else_is_for_everybody(
    origin: str | None, cookie: str, origins: str | None, credentials: str | None
) -> None:
    """A page of another origin could do nothing, and one in CSRF_TRUSTED_ORIGINS could not even open an EventSource."""
    found = {name.decode(): value.decode() for name, value in allowance(scope(origin, cookie=cookie), LISTED)}
    assert found.get("access-control-allow-origin") == origins
    assert found.get("access-control-allow-credentials") == credentials
    assert found["vary"] == "Origin"


@pytest.mark.parametrize("origin", [None, OWN, "https://evil.example"])
@pytest.mark.parametrize("cookie", ["", "sessionid=x"])
def test_what_caches_keep_is_readable_for_everybody_whose_request_it_answered(origin: str | None, cookie: str) -> None:
    """A shared cache gives the answer to this site's own page to pages of all others."""
    assert (b"access-control-allow-origin", b"*") in allowance(scope(origin, cookie=cookie), LISTED, is_public=True)
    assert b"vary" not in dict(allowance(scope(origin, cookie=cookie), [], is_public=True))
