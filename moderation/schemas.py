"""What the API of moderation takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from accounts.schemas import Person
from moderation.acts import SECONDS_MIN
from moderation.models import NOTE_MAX, REASON_MAX
from moderation.rights import SECONDS_MAX
from realtime.answers import In
from web.schemas import SEEN_TEXT, TEXT, text_field

Kind = Literal["time_out", "ban", "shadow"]
RoleName = Literal["moderator", "helper"]
ComplaintReason = Literal["spam", "hate", "sexual", "danger", "other"]
Reason = Annotated[str, text_field(TEXT, 0, REASON_MAX)]


class RoleIn(In):
    role: RoleName


class RoleOut(Schema):
    viewer: Person
    role: RoleName


class RoleList(Schema):
    items: list[RoleOut]


class RestrictionIn(In):
    # A time-out has seconds and is for one person. A ban and a shadow have no end.
    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "properties": {
                        "kind": {"const": "time_out"},
                        "seconds": {"type": "integer"},
                        "network_hours": {"const": 0},
                    },
                    "required": ["seconds"],
                },
                {"properties": {"kind": {"enum": ["ban", "shadow"]}, "seconds": {"type": "null"}}},
            ]
        }
    )

    kind: Kind
    seconds: Annotated[int, Field(ge=SECONDS_MIN, le=SECONDS_MAX)] | None = Field(None, description="Of a time-out.")
    reason: Reason = Field("", description="The person reads it.")
    network_hours: Annotated[int, Field(ge=0, le=72)] = Field(
        0, description="How long new guests from the person's networks are kept out too. Not with a time-out."
    )


class RestrictionOut(Schema):
    id: UUID
    viewer: Person
    kind: Kind
    reason: str
    at_ms: int
    until_ms: int | None
    by: Person | None
    is_inherited: bool = Field(description="A guest has it by the browser or network of somebody else.")


class RestrictionMade(RestrictionOut):
    act: UUID = Field(description="By which it can be taken back within 30 s.")


class RestrictionPage(Schema):
    items: list[RestrictionOut]
    next: UUID | None


class SharedBan(Schema):
    id: UUID
    viewer: Person
    kind: Literal["ban", "shadow"] = Field(description="What it is in this channel.")
    reason: str
    at_ms: int
    origin: Person = Field(description="The channel that has banned them.")


class SharedBanPage(Schema):
    items: list[SharedBan]
    next: UUID | None


class LetInOut(Schema):
    id: int
    viewer: Person
    origin: Person = Field(description="The channel whose bans do not count for them.")


class LetInPage(Schema):
    items: list[LetInOut]
    next: int | None


class ShareOut(Schema):
    channel: Person = Field(description="The other channel.")
    effect: Literal["ban", "shadow"] | None = Field(description="null: it is offered, and not taken.")
    at_ms: int


class ShareBy(ShareOut):
    bans: int


class Shares(Schema):
    to: list[ShareOut] = Field(description="Those that may take the bans of this channel.")
    by: list[ShareBy] = Field(description="Those whose bans this channel may take.")


class TakeIn(In):
    effect: Literal["ban", "shadow"]


class Undone(Schema):
    at_ms: int
    by: Person | None


class ActOut(Schema):
    """An act of moderation. `about`: the id of the comment, restriction or note."""

    id: UUID
    seq: int
    act: str
    at_ms: int
    by: Person | None
    viewer: Person | None
    about: UUID | None
    video_id: UUID | None
    text: str
    reason: str
    until_ms: int | None
    undone: Undone | None


class ActPage(Schema):
    items: list[ActOut]
    next: int | None


class NoteIn(In):
    body: Annotated[str, text_field(SEEN_TEXT, 1, NOTE_MAX)]


class NoteOut(Schema):
    id: UUID
    author: Person | None
    body: str
    at_ms: int


class PersonOut(Schema):
    """A person's history in the channel: the newest 50 acts and notes."""

    viewer: Person
    role: RoleName | None
    restriction: RestrictionOut | None
    taken: SharedBan | None = Field(description="A ban of another channel, which this one takes.")
    notes: list[NoteOut]
    acts: list[ActOut]


class ComplaintIn(In):
    reason: ComplaintReason
    remark: Reason = Field("", description="For the moderators.")


class ComplaintOut(Schema):
    id: UUID
    by: Person
    reason: ComplaintReason
    remark: str
    at_ms: int


class ReportedOut(Schema):
    """What viewers have reported. `id`: of the comment or person. `text`: how it began at that moment."""

    id: UUID
    kind: Literal["comment", "person", "question"]
    video_id: UUID | None
    question: int | None = Field(description="The number of the question; its `id` is only for what waits here.")
    viewer: Person = Field(description="The person, or the author of the comment or question.")
    text: str
    count: int
    reasons: dict[ComplaintReason, int]
    complaints: list[ComplaintOut] = Field(description="The newest five, the newest first.")


class ReportedList(Schema):
    items: list[ReportedOut]
