"""What the API of notices takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from accounts.schemas import Person
from realtime.answers import In
from web.schemas import UNCHANGED, Id, Milliseconds


class NoticeVideo(Schema):
    id: UUID
    title: str


class NoticeText(Schema):
    id: UUID
    author: Person
    body: str
    at_ms: int


class NoticeOut(Schema):
    id: UUID
    kind: Literal["answer", "mention"]
    video: NoticeVideo
    comment: NoticeText = Field(description="The newest of the line.")
    others: int = Field(description="How many more people are in the line; 99 at most.")
    path: str = Field(description="Of the comment, on this site.")
    at_ms: int
    is_seen: bool


class NoticesOut(Schema):
    items: list[NoticeOut]


class NoticesSeenIn(In):
    until_ms: Milliseconds = Field(description="The `at_ms` of the newest line that was seen.")
    video_id: Id | None = Field(None, description="Only lines of this video.")


class NoticesSeenOut(Schema):
    unread: int
    counts_messages: bool = Field(description="The number of unread messages is shown.")


class BySite(Schema):
    site: bool = Field(description="Counted in the head of all pages.")


class BySiteOrPush(BySite):
    push: bool = Field(description="As a message to your browsers.")


class BySiteOrPushWithText(BySiteOrPush):
    text: bool = Field(description="Messages to browsers show what was written.")


class ByPushOrMail(Schema):
    push: bool = Field(description="As a message to your browsers.")
    mail: bool = Field(description="By mail, where no browser takes it.")


class NoticeChoices(Schema):
    live: ByPushOrMail = Field(description="A channel that you follow with its bell goes live.")
    soon: ByPushOrMail = Field(description="A broadcast that you want to be reminded of starts soon.")
    answer: BySiteOrPush = Field(description="Somebody answers your comment.")
    mention: BySiteOrPush = Field(description="Somebody names you in a comment.")
    message: BySiteOrPushWithText = Field(description="Somebody writes to you.")


class ChosenBySite(In):
    site: bool = UNCHANGED


class ChosenBySiteOrPush(ChosenBySite):
    push: bool = UNCHANGED


class ChosenBySiteOrPushWithText(ChosenBySiteOrPush):
    text: bool = UNCHANGED


class ChosenByPushOrMail(In):
    push: bool = UNCHANGED
    mail: bool = UNCHANGED


class NoticeChoicesPatch(In):
    live: ChosenByPushOrMail = UNCHANGED
    soon: ChosenByPushOrMail = UNCHANGED
    answer: ChosenBySiteOrPush = UNCHANGED
    mention: ChosenBySiteOrPush = UNCHANGED
    message: ChosenBySiteOrPushWithText = UNCHANGED
