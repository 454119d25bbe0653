"""Decides what pages of other origins may do. One rule holds for REST, event streams, WebSockets and media.

Called with the scope of a request, by the consumers (realtime.edge.consumers) and by what answers REST, pages and
media. Any page may read what needs no cookie: what is public, and what a bearer token or a ticket opens. A page has
those from its own viewer only. A browser adds cookies by itself, so they count only for this site's own pages and for
the origins that the site lists (`LIVE_ORIGINS`). docs/protocol.md explains it to the authors of such pages.
Source: the Fetch standard, section 3.2 (CORS protocol).
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from realtime.asgi import Scope

Headers = list[tuple[bytes, bytes]]

EXPOSED = (b"access-control-expose-headers", b"Retry-After, ETag, Content-Range")
PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Last-Event-ID, Range, X-CSRFToken"),
    (b"access-control-max-age", b"7200"),
]


class Page(Enum):
    """What sends a request."""

    OWN = 1  # a page of this site, or a program: no browser leaves Origin out where it matters
    LISTED = 2
    FOREIGN = 3


def header(scope: Scope, name: bytes) -> bytes | None:
    """Return the first header of that name."""
    return next((value for each, value in scope["headers"] if each == name), None)


def page(scope: Scope, listed: Collection[str]) -> Page:
    """Return what kind of page asks, by the Origin that its browser sends."""
    origin = header(scope, b"origin")
    if origin is None:
        return Page.OWN
    text = origin.decode("latin1")
    if text in listed:
        return Page.LISTED
    scheme = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "ws"), scope.get("scheme", "http"))
    own = f"{scheme}://{(header(scope, b'host') or b'').decode('latin1')}"
    return Page.OWN if text == own else Page.FOREIGN


def allowance(scope: Scope, listed: Collection[str], *, is_public: bool = False) -> Headers:
    """Return the headers of an answer that let the asking page read it.

    `is_public`: the answer is the same for everybody and caches may keep it, so it never depends on cookies.
    """
    vary: Headers = [(b"vary", b"Origin")] if listed else []
    kind = page(scope, listed)
    if kind is Page.LISTED:
        origin = (b"access-control-allow-origin", header(scope, b"origin") or b"")
        return [origin, (b"access-control-allow-credentials", b"true"), EXPOSED, *vary]
    if is_public or (kind is Page.FOREIGN and header(scope, b"cookie") is None):
        return [(b"access-control-allow-origin", b"*"), EXPOSED, *vary]
    return vary


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks what a page of another origin may send. It never adds cookies to this."""
    return scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method") is not None
