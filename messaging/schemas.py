"""What the API of direct messages takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from accounts.schemas import Person
from messaging.models import MEMBERS_MAX
from realtime.answers import In
from web.schemas import SEEN_TEXT, Body, ClientId, Id, text_field
from web.text import TITLE_MAX


class ConversationIn(In):
    members: Annotated[list[Id], Field(min_length=1, max_length=MEMBERS_MAX - 1)] = Field(
        description=f"The others: with you, 2 to {MEMBERS_MAX}.", examples=[["01a20c4b-3598-7508-8132-5e721642feef"]]
    )
    title: Annotated[str, text_field(rf"^({SEEN_TEXT[1:-1]})?$", 0, TITLE_MAX)] = ""


class ConversationPatch(In):
    title: Annotated[str, text_field(rf"^({SEEN_TEXT[1:-1]})?$", 0, TITLE_MAX)] = Field(description="Empty: none.")


class MemberIn(In):
    viewer_id: Id


class MessageIn(In):
    body: Body = Field(examples=["See you at nine."])
    client_id: ClientId | None = Field(None, description="Your own id of it: sent again, it answers the same message.")


class MessagePatch(In):
    body: Body = Field(examples=["See you at ten."])


class SeenIn(In):
    seq: Annotated[int, Field(ge=0, lt=2**63)] = Field(description="Of the newest message that was seen.")


class PresenceIn(In):
    is_hidden: bool


class Me(Schema):
    viewer: Person
    is_hidden: bool


class PresenceOut(Schema):
    viewer: Person
    status: Literal["online", "offline"]
    last_active_ms: int | None


class MessageOut(Schema):
    id: UUID
    conversation_id: UUID
    author: Person
    body: str
    client_id: str | None
    seq: int
    at_ms: int
    edited_at_ms: int | None = Field(description="null: it never was.")


class MessageVersionOut(Schema):
    body: str
    at_ms: int = Field(description="Since when it said so.")


class MessageVersions(Schema):
    items: list[MessageVersionOut] = Field(description="The oldest first. What it says now is not among them.")


class MessagePage(Schema):
    items: list[MessageOut]
    next: int | None = Field(description="The `before` of the following page.")


class ConversationSummary(Schema):
    id: UUID
    topic: str
    title: str
    is_group: bool
    members: list[Person]
    creator_id: UUID | None = Field(description="Who may take others out of a group, while they are in it themselves.")
    created_at_ms: int
    last: MessageOut | None
    unread: int
    seen_seq: int


class ConversationPage(Schema):
    items: list[ConversationSummary]
    next: str | None = Field(description="The `before` of the following page.")


class SeenOut(Schema):
    seen_seq: int
    unread: int


class People(Schema):
    items: list[Person]
