"""What every answer of Django passes: security headers, errors in the API's form, and 503 while the database is away.

The settings name them: MIDDLEWARE, API_MIDDLEWARE and PAGES_MIDDLEWARE. Promises: the headers cost no thread hop, and
one loop over a dictionary for each answer. A view that sets one of these headers itself keeps its own value.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import Promise
from django.utils.translation import gettext

from realtime.answers import RETRY_SECONDS
from realtime.log.outages import is_outage
from realtime.log.store import StoreUnavailable
from web import languages

GetResponse = Callable[[HttpRequest], HttpResponseBase]
AsyncGetResponse = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


def _origins_of(url: str) -> list[str]:
    parts = urlsplit(url)
    return [f"{parts.scheme}://{parts.netloc}"] if url else []


CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        # Media Source Extensions play from a `blob:` URL.
        " ".join(("media-src 'self' blob:", *settings.LIVE_PLAYLIST_ORIGINS)),
        " ".join(("connect-src 'self'", *settings.LIVE_PLAYLIST_ORIGINS)),
        "worker-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'self'",
        # The form of "Continue with ..." is answered by a redirect to the provider of OpenID Connect.
        " ".join(("form-action 'self'", *_origins_of(settings.LIVE_OIDC_URL))),
        "frame-ancestors 'none'",
    )
)

CONTENT_SECURITY_POLICY_FRAMED = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")
"""For a page that other sites may show in a frame. It must also be `xframe_options_exempt`, as Django calls it."""

CONTENT_SECURITY_POLICY_OWN_FRAME = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
"""For a page that this site shows in a frame. It needs `X-Frame-Options: SAMEORIGIN`, too."""

CONTENT_SECURITY_POLICY_FRAMING = f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"
"""For a page with a frame in it."""

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        (
            "autoplay=(self)",
            "fullscreen=(self)",
            "picture-in-picture=(self)",
            "camera=()",
            "display-capture=()",
            "geolocation=()",
            "microphone=()",
            "payment=()",
            "usb=()",
        )
    ),
}

PERMISSIONS_WITH_CAMERA = re.sub(
    r"(camera|microphone|display-capture)=\(\)", r"\1=(self)", HEADERS["Permissions-Policy"]
)
"""For a page that records."""

ChangeResponse = Callable[[HttpResponseBase], HttpResponseBase]
Middleware = Callable[[GetResponse | AsyncGetResponse], GetResponse | AsyncGetResponse]


def _changing_answers(change: ChangeResponse) -> Middleware:
    """Return a middleware for both kinds of views. It sends each answer through `change`."""

    @sync_and_async_middleware
    def middleware(get_response: GetResponse | AsyncGetResponse) -> GetResponse | AsyncGetResponse:
        if iscoroutinefunction(get_response):
            following = cast(AsyncGetResponse, get_response)

            async def answer_async(request: HttpRequest) -> HttpResponseBase:
                return change(await following(request))

            return answer_async

        before = cast(GetResponse, get_response)

        def answer(request: HttpRequest) -> HttpResponseBase:
            return change(before(request))

        return answer

    return middleware


def with_headers(response: HttpResponseBase) -> HttpResponseBase:
    """Add `HEADERS`, and the language of a page."""
    languages.say(response)
    if settings.SECURE_HSTS_SECONDS:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}")
    for name, value in HEADERS.items():
        if name != "X-Frame-Options" or not getattr(response, "xframe_options_exempt", False):
            response.headers.setdefault(name, value)
    return response


ERRORS = {
    400: ("bad_request", "The request is not valid."),
    404: ("not_found", "There is no such thing."),
    405: ("method_not_allowed", "This cannot be done here; see the Allow header."),
    413: ("too_large", "The request is too large."),
    500: ("internal", "This is our mistake; it has been logged."),
}


def _in_our_form(response: HttpResponseBase) -> HttpResponseBase:
    """Give errors of Django or django-ninja the API's form, `{"code", "detail"}`. No cache keeps them."""
    if response.status_code not in ERRORS:
        return response
    made = response
    if response.headers.get("Content-Type") != "application/json":
        code, detail = ERRORS[response.status_code]
        made = JsonResponse({"code": code, "detail": gettext(detail)}, status=response.status_code)
        if "Allow" in response.headers:
            made.headers["Allow"] = _allow(response.headers["Allow"])
    made.headers.setdefault("Cache-Control", "no-store")
    return made


def _allow(methods: str) -> str:
    """Return what else goes where these methods do: liveplatform.asgi answers HEAD and OPTIONS for all of the API."""
    allowed = {*methods.split(", "), "OPTIONS"}
    return ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed))


def unavailable(request: HttpRequest, *, advice: str | Promise = "") -> HttpResponse:
    """Answer with the page that says to come back in a moment, for an outage of the database or with this advice."""
    response = render(request, "503.html", {"advice": advice}, status=503)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    response.headers["Cache-Control"] = "no-store"
    return response


def forbidden(request: HttpRequest, viewer: AbstractBaseUser) -> HttpResponse:
    """Answer with a page: who you are, that this page is not for you, and how to sign in as another person."""
    response = render(request, "403.html", {"who": viewer, "next": request.path}, status=403)
    response.headers["Cache-Control"] = "private, no-store"
    return response


class Outages(MiddlewareMixin):
    """Answers 503 instead of 500 if the database could not serve a view (of the admin, too)."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        away = isinstance(exception, StoreUnavailable) or is_outage(exception)
        return unavailable(request) if away else None


class Sessions(SessionMiddleware):
    """Django's, but if an outage keeps a session from being saved, the answer is 503 and not the visitor's mistake."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if response.status_code == 503:
            return response
        try:
            return super().process_response(request, response)
        except Exception as error:
            if not is_outage(error):
                raise
            return unavailable(request)


def _check_characters(request: HttpRequest) -> None:
    """Raises BadRequest for an address or a form with a NUL, which the database takes for a mistake of ours."""
    if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path:
        raise BadRequest("The address holds a character that is none.")
    if request.method == "POST" and any("\0" in value for value in _form_of(request)):
        raise BadRequest("The form holds a character that is none.")


def _form_of(request: HttpRequest) -> list[str]:
    """Return the values of a form."""
    try:
        return [str(value) for _, values in request.POST.lists() for value in values]
    except UnreadablePostError:  # the client has left
        return []


@sync_and_async_middleware
def checked_characters(get_response: GetResponse | AsyncGetResponse) -> GetResponse | AsyncGetResponse:
    """Answer such a request with the page for a bad one."""
    if iscoroutinefunction(get_response):
        following = cast(AsyncGetResponse, get_response)

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            _check_characters(request)
            return await following(request)

        return answer_async

    before = cast(GetResponse, get_response)

    def answer(request: HttpRequest) -> HttpResponseBase:
        _check_characters(request)
        return before(request)

    return answer


security_headers = _changing_answers(with_headers)
json_errors = _changing_answers(_in_our_form)
