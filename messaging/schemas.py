"""What the API of direct messages takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from messaging.models import MEMBERS_MAX
from videos.models import COMMENT_MAX, TITLE_MAX
from videos.schemas import Id, In, Person
from videos.text import CLIENT_ID


class ConversationIn(In):
    members: list[Id] = Field(description=f"Viewers, with or without yourself: 2 to {MEMBERS_MAX} of you.")
    title: str = Field("", description=f"{TITLE_MAX} characters at most")


class MemberIn(In):
    viewer_id: Id


class MessageIn(In):
    body: str = Field(description=f"1 to {COMMENT_MAX} characters")
    client_id: Annotated[str, Field(pattern=CLIENT_ID.pattern)] | None = Field(
        None, description="Your own id of it: sent again, it answers the same message."
    )


class SeenIn(In):
    seq: Annotated[int, Field(ge=0, lt=2**63)] = Field(description="Of the newest message that was seen.")


class TypingIn(In):
    is_typing: bool


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


class MessagePage(Schema):
    items: list[MessageOut]
    next: int | None


class ConversationSummary(Schema):
    id: UUID
    topic: str
    title: str
    is_group: bool
    members: list[Person]
    created_at_ms: int
    last: MessageOut | None
    unread: int
    seen_seq: int


class ConversationPage(Schema):
    items: list[ConversationSummary]
    next: str | None


class SeenOut(Schema):
    seen_seq: int
    unread: int


class People(Schema):
    items: list[Person]
