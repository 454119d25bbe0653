"""How the platform's calls answer: JSON, and for each exception one error, `{"code", "detail"}` with its status.

Called by the platform's own calls (realtime.api); the API of a site builds on it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import orjson
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpResponse
from django.utils.translation import gettext
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation
from pydantic import ConfigDict

from realtime.edge.handshake import Refusal
from realtime.limits import Limited
from realtime.log.store import StoreUnavailable
from realtime.node.questions import NodeSilent

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2
"""Seconds after which to come back after a 503."""


class In(Schema):
    """A request's body: unknown fields and wrong types are errors, not guesses."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Error(Schema):
    code: str
    detail: str


def errors(*statuses: int) -> dict[Any, Any]:
    return dict.fromkeys(statuses, Error)


# django-ninja makes a model for each answer of each operation: 1,198 where 70 differ, half of what the API adds to the
# start of a node.
_new_response_model: Any = Operation._create_response_model
Operation._create_response_model = staticmethod(cache(partial(_new_response_model, None)))  # type: ignore[method-assign]


SENDING = errors(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)
"""The errors of a call with a body."""
ANYBODY: dict[str, Any] = {"security": [{}, {"Bearer": []}, {"Session": []}]}
"""For a call that needs no identity, but shows more to some viewers."""


def answer(data: Any, status: int = 200) -> HttpResponse:
    response = HttpResponse(orjson.dumps(data), content_type="application/json", status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def error(status: int, code: str, detail: str, *, retry_seconds: int = 0) -> HttpResponse:
    response = answer({"code": code, "detail": gettext(detail) if detail else detail}, status)
    if retry_seconds:
        response.headers["Retry-After"] = str(retry_seconds)
    return response


def unavailable(_: Exception) -> HttpResponse:
    return error(503, "unavailable", "The database is away, try again in a moment.", retry_seconds=RETRY_SECONDS)


def _first_problem(problem: ValidationError) -> HttpResponse:
    first = problem.errors[0] if problem.errors else {"loc": (), "msg": "The input is not valid."}
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    if tuple(first["loc"][:2]) == ("body", "body"):  # a field may be called "body" too
        where = [str(part) for part in first["loc"][2:]]
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


Answers = Mapping[type[Exception], Callable[[Any], HttpResponse]]
ANSWERS: Answers = {
    Refusal: lambda refusal: error(refusal.status, refusal.code, refusal.detail, retry_seconds=refusal.retry_seconds),
    ValidationError: _first_problem,
    Http404: lambda _: error(404, "not_found", "There is no such thing."),
    HttpError: lambda problem: error(
        problem.status_code, "malformed" if problem.status_code == 400 else "error", str(problem)
    ),
    SuspiciousOperation: lambda _: error(400, "bad_request", "The request is not valid."),
    Limited: lambda limited: error(
        429, "too_often", f"Wait {limited.retry_seconds} s and try again.", retry_seconds=limited.retry_seconds
    ),
    StoreUnavailable: unavailable,
    NodeSilent: lambda _: error(503, "unavailable", "The stream's node did not answer.", retry_seconds=RETRY_SECONDS),
    Exception: _unexpected,
}


def answer_errors(api: NinjaAPI, answers: Answers = ANSWERS) -> None:
    """Make the API answer the exceptions of its views."""

    def add(kind: type[Exception], make: Callable[[Any], HttpResponse]) -> None:
        api.add_exception_handler(kind, lambda request, exception: make(exception))

    for kind, make in answers.items():
        add(kind, make)
