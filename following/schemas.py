"""What the API of channels takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import Field

from accounts.schemas import Person
from following.text import ABOUT_MAX, HANDLE
from realtime.answers import In
from videos.schemas import VideoOut
from web.schemas import TEXT, UNCHANGED


class ChannelPatch(In):
    handle: Annotated[
        str,
        Field(
            max_length=31,
            description="Its name in addresses: small letters, digits and dashes, 3 to 30; or empty.",
            json_schema_extra={"pattern": f"^({HANDLE.pattern})?$"},
        ),
    ] = UNCHANGED
    about: Annotated[str, Field(max_length=ABOUT_MAX, json_schema_extra={"pattern": TEXT})] = UNCHANGED


class FollowIn(In):
    alerts: bool = Field(False, description="You want to hear when it goes live.")


class FollowOut(Schema):
    alerts: bool


class LiveVideo(Schema):
    id: UUID
    title: str


class ChannelName(Person):
    handle: str | None
    path: str = Field(description="Of its page on this site.")


class ChannelOut(ChannelName):
    about: str
    followers: int


class ChannelPage(ChannelOut):
    following: FollowOut | None = Field(description="How you follow it; null: you do not.")


class FollowedChannel(ChannelName):
    live: LiveVideo | None
    alerts: bool


class FollowedPage(Schema):
    items: list[FollowedChannel]
    next: int | None = Field(description="The `offset` of the following page.")


class SearchOut(Schema):
    channels: list[ChannelOut]
    videos: list[VideoOut]
