"""Credentials at the door of the API and the pages: bearer tokens, session cookies and their CSRF tokens.

The API runs without Django's session, auth and CSRF middleware (each costs a request about 100 us); this module does
their work where it is needed. On unsafe methods a session counts only together with its CSRF token. The accounts app
knows which viewer a token or session belongs to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja.security import APIKeyCookie, HttpBearer

from realtime.edge.csrf import set_csrf

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Unauthorized(Exception):
    """No valid credentials. The text says what to do."""


def bearer(header: str) -> str:
    """Return the token of an Authorization header. Raises Unauthorized."""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthorized("Authorization looks like: Bearer <token>.")
    return token.strip()


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
    """For the API's description. The check itself is `who`, the same for both."""

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
