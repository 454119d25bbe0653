"""What the API of channels takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from ninja import Schema
from pydantic import Field

from accounts.schemas import Person
from following.push import ENDPOINT_MAX
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


class ReminderOut(Schema):
    reminds: bool


class PushKeys(In):
    p256dh: Annotated[str, Field(max_length=100)] = Field(
        examples=["BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"]
    )
    auth: Annotated[str, Field(max_length=100)] = Field(examples=["BTBZMqHH6r4Tts7J_aSIgg"])


class PushIn(In):
    """What a browser says of its subscription (`PushSubscription.toJSON()`)."""

    endpoint: Annotated[str, Field(max_length=ENDPOINT_MAX)] = Field(
        examples=["https://updates.push.services.mozilla.com/wpush/v2/gAAAA"]
    )
    keys: PushKeys


class PushOut(Schema):
    key: str = Field(description="The `applicationServerKey` of the site.")
    devices: int = Field(description="How many browsers show you messages.")
    mail: bool = Field(description="Without any you get messages by mail.")
