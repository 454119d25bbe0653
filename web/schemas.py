"""What the fields of all requests and answers are made of, as OpenAPI shows them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import BeforeValidator, Field, Strict

from realtime.events import MS_MAX
from web.ids import parse_id
from web.text import BODY_MAX, CLIENT_ID


def like(pattern: str, lowest: int, highest: int, **more: Any) -> Any:
    """Return what the description says of a text whose own rules (web.text) decide and name their refusals."""
    return Field(json_schema_extra={"minLength": lowest, "maxLength": highest, "pattern": pattern, **more})


def _id(value: object) -> object:
    return parse_id(value) if isinstance(value, str) else value


Id = Annotated[UUID, Strict(False), BeforeValidator(_id)]
# A letter, a digit, a mark of punctuation or a symbol that is seen; the second part is what looks blank all the same.
SEEN = r"(?![\u115f\u1160\u2800\u3164\uffa0])[\p{L}\p{N}\p{P}\p{S}]"
TEXT = r"^[^\u0000]*$"
SEEN_TEXT = rf"^[^\u0000]*{SEEN}[^\u0000]*$"
Body = Annotated[str, like(SEEN_TEXT, 1, BODY_MAX)]
ClientId = Annotated[str, Field(pattern=CLIENT_ID.pattern)]
Milliseconds = Annotated[int, Field(ge=0, le=MS_MAX)]
UNCHANGED: Any = None
"""Of a field that a change may leave out. It is no null: `exclude_unset` keeps it from being read."""
