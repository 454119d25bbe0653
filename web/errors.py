"""The errors of the API: each exception has one answer, `{"code", "detail"}` with the status that says whose mistake.

Called by the API for whatever its views raise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from realtime.limits import Limited
from realtime.log.store import StoreUnavailable
from realtime.node.questions import NodeSilent
from web import limits
from web.answers import answer
from web.door import CsrfFailed, Unauthorized
from web.middleware import RETRY_SECONDS
from web.parsing import Malformed, UnsupportedMediaType
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused, SignedOut

logger = logging.getLogger(__name__)


def error(status: int, code: str, detail: str, *, retry_seconds: int = 0) -> HttpResponse:
    response = answer({"code": code, "detail": detail}, status)
    if retry_seconds:
        response.headers["Retry-After"] = str(retry_seconds)
    return response


STATUSES: dict[type[Refused], int] = {
    SignedOut: 401,
    NotFound: 404,
    Forbidden: 403,
    Conflict: 409,
    Invalid: 422,
    Refused: 400,
}


def _http_error(problem: HttpError) -> HttpResponse:
    """Answer django-ninja's own error; where it only wraps what our parser said, answer that."""
    for kind in type(problem.__cause__).__mro__:
        if kind in ANSWERS and kind is not Exception:
            return ANSWERS[kind](problem.__cause__)
    return error(problem.status_code, "error", str(problem))


def _first_problem(problem: ValidationError) -> HttpResponse:
    first = problem.errors[0] if problem.errors else {"loc": (), "msg": "The input is not valid."}
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    if first["loc"][:1] == ("path",):
        return error(404, "not_found", "There is no such thing.")
    if tuple(first["loc"]) == ("body", "body"):
        return error(400, "malformed", "The body is empty.")
    message = str(first["msg"]).removeprefix("Value error, ")
    detail = f"{'.'.join(where)}: {message}" if where else message
    return error(422, "invalid", detail[:300])


def _unexpected(exception: Exception) -> HttpResponse:
    logger.error("API: unexpected error", exc_info=exception)
    return error(500, "internal", "This is our mistake; it has been logged.")


def _unavailable(_: StoreUnavailable) -> HttpResponse:
    limits.give_back()
    return error(503, "unavailable", "The database is away, try again in a moment.", retry_seconds=RETRY_SECONDS)


ANSWERS: Mapping[type[Exception], Callable[[Any], HttpResponse]] = {
    Refused: lambda refusal: error(STATUSES[type(refusal)], refusal.code, refusal.detail),
    Unauthorized: lambda problem: error(401, "unauthenticated", str(problem)),
    CsrfFailed: lambda problem: error(403, "csrf", str(problem)),
    Malformed: lambda problem: error(400, "malformed", str(problem)),
    UnsupportedMediaType: lambda problem: error(415, "unsupported_media_type", str(problem)),
    ValidationError: _first_problem,
    Http404: lambda _: error(404, "not_found", "There is no such thing."),
    HttpError: _http_error,
    SuspiciousOperation: lambda _: error(400, "bad_request", "The request is not valid."),
    Limited: lambda limited: error(
        429, "too_often", f"Wait {limited.retry_seconds} s and try again.", retry_seconds=limited.retry_seconds
    ),
    StoreUnavailable: _unavailable,
    NodeSilent: lambda _: error(503, "unavailable", "The stream's node did not answer.", retry_seconds=RETRY_SECONDS),
    Exception: _unexpected,
}


def answer_errors(api: NinjaAPI) -> None:
    """Have the API answer whatever its views raise by `ANSWERS`."""

    def add(kind: type[Exception], make: Callable[[Any], HttpResponse]) -> None:
        api.add_exception_handler(kind, lambda request, exception: make(exception))

    for kind, make in ANSWERS.items():
        add(kind, make)
