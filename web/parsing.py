"""The one strict reader of request bodies.

django-ninja reads JSON with any content type, and accepts NUL, lone surrogates, NaN and doubled keys. Each of these
later becomes a database error, or JSON that nobody can read. This parser refuses them at once.
"""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from web.refusals import Invalid
from web.text import has_bad_characters


class Malformed(Exception):
    """A body that is not JSON. 400."""


class UnsupportedMediaType(Exception):
    """A body without the content type of JSON in UTF-8. 415: any page can send such a request without a preflight."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Malformed("A key stands twice.")
    return found


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON.")


def _finite(text: str) -> float | int:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Malformed("A number is too large.")
    return int(value) if value.is_integer() else value  # 5.0 is an integer, says JSON Schema


class StrictParser(Parser):
    """The API's parser. Raises UnsupportedMediaType, Malformed, Invalid."""

    def parse_body(self, request: HttpRequest) -> Any:
        content_type, _, parameters = request.headers.get("Content-Type", "").partition(";")
        charset = parameters.replace(" ", "").replace('"', "").lower()
        if content_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
            raise UnsupportedMediaType("Send application/json in UTF-8.")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            raise UnsupportedMediaType("Send the body as it is, not compressed.")
        try:
            value = json.loads(
                request.body.decode("utf-8"),
                object_pairs_hook=_pairs,
                parse_constant=_no_constant,
                parse_float=_finite,
            )
        except (ValueError, RecursionError) as error:
            raise Malformed("The body is not JSON.") from error
        if not isinstance(value, dict):
            raise Malformed("The body is not a JSON object.")
        if has_bad_characters(value):
            raise Invalid("The text holds characters that are none.")
        return value
