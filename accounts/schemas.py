"""What the API of viewers takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import Field

from accounts.models import NAME_MAX
from realtime.answers import In
from web.schemas import SEEN_TEXT, text_field


class GuestIn(In):
    name: Annotated[str, text_field(SEEN_TEXT, 1, NAME_MAX)] = Field(
        description="Letters, digits, marks and symbols, nothing invisible; no word mixes alphabets.", examples=["Ada"]
    )


class Person(Schema):
    id: UUID
    name: str


class GuestOut(Schema):
    viewer: Person
    token: str


class TypingIn(In):
    is_typing: bool
