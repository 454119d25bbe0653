"""What the API of viewers takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from ninja import Path, Schema
from pydantic import ConfigDict, Field

from accounts.models import NAME_MAX
from realtime.answers import In
from web.languages import CODES
from web.schemas import SEEN_TEXT, Id, text_field


class GuestIn(In):
    name: Annotated[str, text_field(SEEN_TEXT, 1, NAME_MAX)] = Field(
        description="Letters, digits, marks and symbols, nothing invisible; no word mixes alphabets.", examples=["Ada"]
    )
    video: Id | None = Field(None, description="Where they come in: the name is not that of somebody there.")


class Person(Schema):
    id: UUID
    name: str


class PersonWithPicture(Person):
    picture: int | None = Field(
        None,
        description="Not there for most. Else their picture is at `/api/v1/viewers/{id}/portrait?t={picture}`.",
    )


class GuestOut(Schema):
    viewer: Person
    token: str


class TypingIn(In):
    is_typing: bool


class AccountOut(Schema):
    viewer: Person
    username: str
    email: str | None = Field(description="The confirmed one; before there is one, the one that waits for it.")
    is_email_confirmed: bool
    has_password: bool
    joined_at_ms: int


class AccountPatch(In):
    name: Annotated[str, text_field(SEEN_TEXT, 1, NAME_MAX)] = Field(description="As for a guest.", examples=["Ada"])


class PortraitOut(Schema):
    path: str


class LanguageIn(In):
    language: Annotated[str, Field(pattern=f"^({'|'.join(sorted(CODES))})?$")] = Field(
        description="The code of a language of this site; nothing: that of each browser.", examples=["de"]
    )


class ErasureIn(In):
    username: Annotated[str, text_field(SEEN_TEXT, 1, 150)]
    password: Annotated[str, Field(max_length=4096)] = ""


class Copied(Schema):
    """A row, as the app that keeps it has it."""

    model_config = ConfigDict(extra="allow")


class CopyOut(Schema):
    account: Copied
    videos: list[Copied]
    comments: list[Copied]
    likes: list[Copied]
    votes: list[Copied]
    messages: list[Copied]
    blocks: list[Copied]
    channel: list[Copied]
    follows: list[Copied]


class BrowserOut(Schema):
    id: int
    name: str = Field(description="Its program and system in words.", examples=["Firefox, Linux"])
    address: str
    began_at_ms: int


class BrowsersOut(Schema):
    items: list[BrowserOut]


BrowserId = Annotated[int, Path(ge=1, lt=2**63)]
