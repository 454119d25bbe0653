"""What the API takes and gives, as OpenAPI shows it; and the one strict reader of request bodies.

django-ninja reads JSON whatever the content type says and lets NUL, lone surrogates, NaN and doubled keys pass;
each of them ends later as a database error or as JSON that nobody can read. Here they end at the door.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Schema
from ninja.parser import Parser
from pydantic import BeforeValidator, ConfigDict, Field, Strict

from realtime.events import POSITION
from realtime.samples import ENTRIES_MAX
from realtime.tickets import EXPIRES_MAX_SECONDS, EXPIRES_MIN_SECONDS, EXPIRES_SECONDS
from videos.interactions import REACTION_KINDS, REACTION_MAX
from videos.models import COMMENT_MAX, NAME_MAX, TITLE_MAX, LikeKind, Video
from videos.text import CLIENT_ID, Invalid, has_bad_characters, parse_id

MS_MAX = 253_402_300_799_000  # the last moment of the year 9999


class Malformed(Exception):
    """A body that is not JSON. 400."""


class UnsupportedMediaType(Exception):
    """A body that does not say it is JSON in UTF-8. 415: such a request can come from any page without a preflight."""


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Malformed("A key stands twice.")
    return found


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not JSON.")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Malformed("A number is too large.")
    return value


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


class In(Schema):
    """A request's body: unknown fields and wrong types are errors, not guesses."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _id(value: object) -> object:
    return parse_id(value) if isinstance(value, str) else value


Id = Annotated[UUID, Strict(False), BeforeValidator(_id)]
Milliseconds = Annotated[int, Field(ge=0, le=MS_MAX)]


class GuestIn(In):
    name: str = Field(description=f"1 to {NAME_MAX} characters")


class VideoIn(In):
    title: Annotated[str, Field(min_length=1, max_length=TITLE_MAX)]
    description: Annotated[str, Field(max_length=2_000)] = ""
    visibility: Literal["public", "unlisted", "private"] = "public"
    comments_enabled: bool = True
    playlist: Annotated[str, Field(max_length=300)] = Field("", description="HLS playlist on this site, /media/…")
    starts_at_ms: Milliseconds | None = None


class VideoPatch(In):
    title: Annotated[str, Field(min_length=1, max_length=TITLE_MAX)] | None = None
    description: Annotated[str, Field(max_length=2_000)] | None = None
    visibility: Literal["public", "unlisted", "private"] | None = None
    comments_enabled: bool | None = None
    playlist: Annotated[str, Field(max_length=300)] | None = None
    starts_at_ms: Milliseconds | None = None


class LikeIn(In):
    kind: Literal["like", "celebrate", "support", "love", "insightful", "funny"] = "like"


class CommentIn(In):
    body: str = Field(description=f"1 to {COMMENT_MAX} characters")
    reply_to: Id | None = None
    client_id: Annotated[str, Field(pattern=CLIENT_ID.pattern)] | None = Field(
        None, description="Your own id of it: sent again, it answers the same comment."
    )


class ReactionIn(In):
    kind: Literal["heart", "clap", "fire", "laugh", "wow"] = "heart"
    count: Annotated[int, Field(ge=1, le=REACTION_MAX)] = 1


class TicketIn(In):
    topics: Annotated[list[str], Field(min_length=1, max_length=50)]
    expires_in: Annotated[int, Field(ge=EXPIRES_MIN_SECONDS, le=EXPIRES_MAX_SECONDS)] = Field(
        EXPIRES_SECONDS, description="Seconds for which the ticket opens streams, and lets them come back."
    )


class SubscribeIn(In):
    topic: str
    after: Annotated[str, Field(pattern=POSITION.pattern)] | Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        None,
        description="How far the topic was followed: `<topic>@<epoch>.<seq>`. A bare seq is one of an unknown epoch.",
    )


class SubscriptionsIn(In):
    connection: Annotated[str, Field(max_length=200)] = Field(description="What the stream's `hello` said.")
    subscribe: Annotated[list[SubscribeIn], Field(max_length=50, default_factory=list)]
    unsubscribe: Annotated[list[str], Field(max_length=50, default_factory=list)]


Sighting = Annotated[list[Annotated[int, Field(ge=0, le=MS_MAX)]], Field(min_length=2, max_length=2)]


class SawIn(In):
    connection: Annotated[str, Field(max_length=200)] = Field(description="What the stream's `hello` said.")
    frames: Annotated[list[Sighting], Field(max_length=ENTRIES_MAX)] = Field(
        description="Of each frame the `n` of its `hops`, and when it was read, by the server's clock, in epoch ms."
    )


class SawOut(Schema):
    seen: int


class TimeOut(Schema):
    now_ms: int


class Error(Schema):
    code: str
    detail: str


class Subscribed(Schema):
    seq: int | None = None
    error: Error | None = None


class SubscriptionsOut(Schema):
    topics: dict[str, Subscribed]


class Person(Schema):
    id: UUID
    name: str


class Author(Person):
    role: Literal["broadcaster", "moderator"] | None


class GuestOut(Schema):
    viewer: Person
    token: str


class Likes(Schema):
    total: int
    kinds: dict[str, int]


class MyLike(Likes):
    mine: str | None


class Viewers(Schema):
    count: int
    peak: int


class ViewersOut(Viewers):
    unique: int = Field(description="how many viewers there were in all, each counted once")
    people: list[Author] | None
    known: int


class VideoOut(Schema):
    id: UUID
    topic: str
    title: str
    description: str
    status: Literal["upcoming", "live", "ended"]
    visibility: Literal["public", "unlisted", "private"]
    broadcaster: Person
    comments_enabled: bool
    playlist: str
    starts_at_ms: int | None
    started_at_ms: int | None
    ended_at_ms: int | None
    epoch: str
    seq: int
    likes: Likes
    viewers: Viewers


class VideoPage(Schema):
    items: list[VideoOut]
    next: str | None


class CommentOut(Schema):
    id: UUID
    author: Author
    body: str
    reply_to: UUID | None
    client_id: str | None
    seq: int
    at_ms: int
    pinned: bool


class CommentPage(Schema):
    items: list[CommentOut]
    next: int | None


class TicketOut(Schema):
    ticket: str
    expires_in: int


assert set(LikeIn.model_fields["kind"].annotation.__args__) == set(LikeKind.values)  # type: ignore[union-attr]
assert set(ReactionIn.model_fields["kind"].annotation.__args__) == set(REACTION_KINDS)  # type: ignore[union-attr]
assert set(VideoOut.model_fields["status"].annotation.__args__) == set(Video.Status.values)  # type: ignore[union-attr]
