"""What the views of the API have in common: how they answer, which errors they describe, how they read a query."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from django.http import HttpRequest, HttpResponse
from pydantic import Field

from web.refusals import Invalid
from web.schemas import Error

PAGE_MAX = 100

Limit = Annotated[int, Field(ge=1, le=PAGE_MAX)]


def _errors(*statuses: int) -> dict[Any, Any]:
    return dict.fromkeys(statuses, Error)


READING = _errors(400, 401, 404, 422, 503)
ACTING = _errors(400, 401, 403, 404, 409, 422, 429, 503)
SENDING = _errors(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)


def answer(data: Any, status: int = 200) -> HttpResponse:
    response = HttpResponse(orjson.dumps(data), content_type="application/json", status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def check_query(request: HttpRequest, *names: str) -> None:
    """Raises Invalid for a filter that there is not, or that is given twice: an answer to less would mislead."""
    for name, values in request.GET.lists():
        if name not in names or len(values) > 1:
            raise Invalid(f"Only {', '.join(names)} can be asked for here, each once.", code="unknown_filter")
