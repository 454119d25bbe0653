"""Credentials at the door of the API and the pages: bearer tokens, session cookies and their CSRF tokens.

The API runs without Django's session, auth and CSRF middleware (each costs a request about 100 us); what they do is
done here where it is needed: a session counts only together with its CSRF token on unsafe methods. Whose token or
session it is, is known by accounts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from ninja.security import APIKeyCookie, HttpBearer

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Unauthorized(Exception):
    """No valid credentials. The text says what to do."""


class CsrfFailed(Exception):
    """A session without its CSRF token, or from a foreign page."""


def bearer(header: str) -> str:
    """Return the token of an Authorization header. Raises Unauthorized."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Authorization looks like: Bearer <token>.")
    return token.strip()


def _no_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


_csrf = CsrfViewMiddleware(_no_view)


def check_csrf(request: HttpRequest) -> None:
    """Check the CSRF token and the origin of a request that a session vouches for. Raises CsrfFailed.

    A page of a listed origin cannot read the token's cookie; the Origin that its browser says is proof enough.
    """
    if request.headers.get("Origin") in settings.LIVE_ORIGINS:
        return
    _csrf.process_request(request)
    if _csrf.process_view(request, _no_view, (), {}) is not None:
        raise CsrfFailed("Send the csrftoken cookie's value as X-CSRFToken, from a page of this site.")


def begin_csrf(request: HttpRequest) -> None:
    """Make the page's CSRF token that of the cookie, or a new one; `set_csrf` puts it on the response."""
    _csrf.process_request(request)
    get_token(request)


def set_csrf(request: HttpRequest, response: HttpResponse) -> None:
    """Put the cookie on the response that scripts send back as X-CSRFToken."""
    _csrf.process_response(request, response)


def set_session(request: HttpRequest, response: HttpResponse, key: str) -> None:
    """Put the session's cookie and its CSRF cookie on the response."""
    response.set_cookie(
        settings.SESSION_COOKIE_NAME,
        key,
        max_age=settings.SESSION_COOKIE_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    set_csrf(request, response)


# As the API's description has them

Who = Callable[[HttpRequest], Awaitable[Any]]


class Bearer(HttpBearer):
    """For the docs: the check itself is `who`, the same for both ways."""

    def __init__(self, who: Who) -> None:
        super().__init__()
        self._who = who

    async def authenticate(self, request: HttpRequest, token: str) -> Any:
        return await self._who(request)


class Session(APIKeyCookie):
    param_name = "sessionid"

    def __init__(self, who: Who) -> None:
        super().__init__(csrf=False)  # `who` checks it
        self._who = who

    async def authenticate(self, request: HttpRequest, key: str | None) -> Any:
        return await self._who(request)


def by_token_or_session(who: Who) -> list[Bearer | Session]:
    return [Bearer(who), Session(who)]
