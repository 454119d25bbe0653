"""Security headers on every answer that Django gives: pages, the API, media, the admin.

Called first in MIDDLEWARE and alone in API_MIDDLEWARE. Promises: no thread hop, one dict loop per answer; a view
that sets one of these headers itself keeps its own value.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import cast

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

Answer = Callable[[HttpRequest], HttpResponseBase]
AsyncAnswer = Callable[[HttpRequest], Awaitable[HttpResponseBase]]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        # Media Source Extensions play from a blob: URL.
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

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


def _add(response: HttpResponseBase) -> HttpResponseBase:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


@sync_and_async_middleware
def security_headers(get_response: Answer | AsyncAnswer) -> Answer | AsyncAnswer:
    """Add `HEADERS` to each answer."""
    if iscoroutinefunction(get_response):
        following = cast(AsyncAnswer, get_response)

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return _add(await following(request))

        return answer_async

    before = cast(Answer, get_response)

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _add(before(request))

    return answer


ERRORS = {
    400: ("bad_request", "The request is not valid."),
    404: ("not_found", "There is no such thing."),
    405: ("method_not_allowed", "This cannot be done here; see the Allow header."),
    413: ("too_large", "The request is too large."),
    500: ("internal", "This is our mistake; it has been logged."),
}


@sync_and_async_middleware
def json_errors(get_response: Answer | AsyncAnswer) -> Answer | AsyncAnswer:
    """Give errors that Django or django-ninja answers by itself the API's form, `{"code", "detail"}`, kept nowhere."""

    def converted(response: HttpResponseBase) -> HttpResponseBase:
        if response.status_code not in ERRORS:
            return response
        made = response
        if response.headers.get("Content-Type") != "application/json":
            code, detail = ERRORS[response.status_code]
            made = JsonResponse({"code": code, "detail": detail}, status=response.status_code)
            if "Allow" in response.headers:
                made.headers["Allow"] = response.headers["Allow"]
        made.headers.setdefault("Cache-Control", "no-store")
        return made

    if iscoroutinefunction(get_response):
        following = cast(AsyncAnswer, get_response)

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return converted(await following(request))

        return answer_async

    before = cast(Answer, get_response)

    def answer(request: HttpRequest) -> HttpResponseBase:
        return converted(before(request))

    return answer
