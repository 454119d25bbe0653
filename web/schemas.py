"""The types of the fields of all requests and answers, as OpenAPI shows them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, Field, Strict

from realtime.events import MS_MAX
from web.ids import parse_id
from web.text import BODY_MAX, CLIENT_ID


def text_field(pattern: str, lowest: int, highest: int) -> Any:
    """Describe a text in OpenAPI. It checks nothing: the rules in web.text do, and their refusals say what is wrong."""
    return Field(json_schema_extra={"minLength": lowest, "maxLength": highest, "pattern": pattern})


def _id(value: object) -> object:
    return parse_id(value) if isinstance(value, str) else value


Id = Annotated[UUID, Strict(False), BeforeValidator(_id)]
# A visible letter, digit, mark of punctuation or symbol. The second part names characters that look blank all the same.
SEEN = r"(?![\u115f\u1160\u2800\u3164\uffa0])[\p{L}\p{N}\p{P}\p{S}]"
TEXT = r"^[^\u0000]*$"
SEEN_TEXT = rf"^[^\u0000]*{SEEN}[^\u0000]*$"
Body = Annotated[str, text_field(SEEN_TEXT, 1, BODY_MAX)]
ClientId = Annotated[str, Field(pattern=CLIENT_ID.pattern)]
Milliseconds = Annotated[int, Field(ge=0, le=MS_MAX)]
UNCHANGED: Any = None
"""The default of a field that a change may leave out. Nothing reads it, because `exclude_unset` drops such fields."""
