"""What the views of the API have in common: which errors they describe, how they read a query."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from pydantic import Field

from realtime.answers import errors
from web.refusals import Invalid

PAGE_MAX = 100

Limit = Annotated[int, Field(ge=1, le=PAGE_MAX)]


READING = errors(400, 401, 404, 422, 503)
ACTING = errors(400, 401, 403, 404, 409, 422, 429, 503)


def check_query(request: HttpRequest, *names: str) -> None:
    """Raises Invalid for an unknown filter, or one that is given twice. An answer without that filter would mislead."""
    for name, values in request.GET.lists():
        if name not in names or len(values) > 1:
            known = f"Only {', '.join(names)} can be asked for here, each once."
            raise Invalid(known if names else "Nothing can be asked for here by a query.", code="unknown_filter")
