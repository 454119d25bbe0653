"""Pages that are the same for all who have not signed in: rendered once, and sent to everybody who asks for them.

Called by liveplatform.asgi before Django. A view says of its answer how long it stays true (`accounts.pages.shared`):
a list of videos for a second, a watch page until its topic moves on at this node, or for a second. Those who ask while
a page is rendered wait for it, so a crowd at a page that nobody has asked for yet has it rendered once, too. Cookies
are everybody's own.
The rules of sharing are those of web.shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import SimpleCookie
from io import BytesIO
from typing import NamedTuple

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.cookie import parse_cookie
from django.utils.translation import get_language

from accounts.pages import set_cookies
from liveplatform.compression import takes_gzip
from realtime.asgi import Scope
from realtime.edge.csrf import begin_csrf
from web.shared import Shared

THEME_COOKIE, THEMES = "theme", ("dark", "light", "system")
OWN_ANSWER = {b"authorization", b"origin"}
"""Headers of those who get an answer of their own: with a token, or from a page of another origin."""


class Asked(NamedTuple):
    """All that the answer depends on. `scheme` is that of the page's own address."""

    path: str
    host: bytes
    scheme: str
    language: str
    theme: str
    takes_gzip: bool


@dataclass(frozen=True, slots=True)
class SharedPage:
    headers: list[tuple[bytes, bytes]]
    body: bytes
    is_true: Callable[[], bool]

    def is_current(self) -> bool:
        return self.is_true()


def asked_by(scope: Scope) -> Asked | None:
    """Return what a request asks for; None: its answer is for nobody else."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in headers and name in (b"host", b"cookie", b"accept-encoding"):
            return None
        headers[name] = value
    if scope["method"] not in ("GET", "HEAD") or scope["query_string"] or not OWN_ANSWER.isdisjoint(headers):
        return None
    cookies = parse_cookie(headers.get(b"cookie", b"").decode("latin1"))
    theme = cookies.get(THEME_COOKIE, "")
    if settings.SESSION_COOKIE_NAME in cookies:
        return None
    return Asked(
        scope["path"],
        headers.get(b"host", b""),
        scope.get("scheme", "http"),
        get_language() or settings.LANGUAGE_CODE,
        theme if theme in THEMES else "",
        takes_gzip(headers.get(b"accept-encoding", b"").decode("latin1")),
    )


def cookies_for(scope: Scope) -> SimpleCookie:
    """Return the cookies that a page sets for the person who asks."""
    request, response = ASGIRequest(scope, BytesIO()), HttpResponse()
    begin_csrf(request)
    set_cookies(request, response)
    return response.cookies


SharedPages = Shared[Asked, SharedPage]
"""The shared pages of a node."""
