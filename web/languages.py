"""The language of an answer: that of the account, else of the cookie, else what the browser asks for.

Hop: liveplatform.asgi calls `begin` for each request, before any part of the site sees it; the language then belongs to
the request's task (a context variable of Django's), on the event loop and in Django's threads alike. What finds out
whose account it is (accounts.pages, accounts.requests, accounts.languages) calls `prefer`. Costs no query.
Refusals are written in English where they arise, also in threads of many requests, and translated where they are
answered (realtime.answers, `translated`).
"""

from __future__ import annotations

from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.translation import activate, get_language
from django.utils.translation.trans_real import get_supported_language_variant, parse_accept_lang_header

from realtime.asgi import Scope

CODES = frozenset(code for code, _ in settings.LANGUAGES)
YEAR_SECONDS = 365 * 86_400
ACCEPTED_MAX_BYTES = 200
_COOKIE = f"{settings.LANGUAGE_COOKIE_NAME}=".encode()


def begin(scope: Scope) -> None:
    """Make the rest of this task speak the language of the request."""
    chosen = accepted = b""
    for name, value in scope["headers"]:
        if name == b"cookie" and _COOKIE in value:
            chosen = _cookie(value)
        elif name == b"accept-language":
            accepted = value[:ACCEPTED_MAX_BYTES]
    code = chosen.decode("latin1")
    activate(code if code in CODES else accepted_language(accepted.decode("latin1")))


def _cookie(header: bytes) -> bytes:
    for each in header.split(b";"):
        if (each := each.strip()).startswith(_COOKIE):
            return each.removeprefix(_COOKIE)
    return b""


@lru_cache(1024)
def accepted_language(header: str) -> str:
    """Return the first language of an Accept-Language that the site has, else its own."""
    for code, _ in parse_accept_lang_header(header):
        try:
            return get_supported_language_variant(code)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE


def prefer(language: str) -> None:
    """Speak the language that an account has chosen, if it has."""
    if language in CODES:
        activate(language)


def remember(response: HttpResponseBase, language: str) -> None:
    """Keep the choice in a cookie of the browser."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=YEAR_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def say(response: HttpResponseBase) -> None:
    """Say in which language a page is, and what this depends on. One whose address names the language is left alone."""
    if not response.has_header("Content-Language") and response.get("Content-Type", "").startswith("text/html"):
        response.headers["Content-Language"] = get_language() or settings.LANGUAGE_CODE
        patch_vary_headers(response, ("Accept-Language", "Cookie"))


def named_in(request: HttpRequest) -> str:
    """Make a part of a page speak the language in its address (`?in=de`), which is its cache key; return it.

    Without one it is the site's own language: the address decides, whoever asks.
    """
    code = request.GET.get("in", "")
    language = code if code in CODES else settings.LANGUAGE_CODE
    activate(language)
    return language
