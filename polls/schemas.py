"""What the API of boards takes and gives, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from ninja import Schema
from pydantic import Field

from polls.models import (
    ANNOUNCEMENT_MAX,
    ASKED_MAX,
    GOAL_TITLE_MAX,
    OPTION_MAX,
    OPTIONS_MAX,
    OPTIONS_MIN,
    QUESTION_MAX,
)
from realtime.answers import In
from web.schemas import SEEN_TEXT, TEXT, ClientId, Id, text_field

SECONDS_MIN, SECONDS_MAX = 10, 86_400
GOAL_TARGET_MAX = 1_000_000_000
Option = Annotated[str, text_field(SEEN_TEXT, 1, OPTION_MAX)]


class PollIn(In):
    question: Annotated[str, text_field(SEEN_TEXT, 1, QUESTION_MAX)] = Field(examples=["Which song comes next?"])
    options: Annotated[list[Option], Field(min_length=OPTIONS_MIN, max_length=OPTIONS_MAX)] = Field(
        examples=[["The old one", "A new one"]]
    )
    seconds: Annotated[int, Field(ge=SECONDS_MIN, le=SECONDS_MAX)] | None = Field(
        None, description="It is over after that; null: when somebody closes it, or the broadcast ends."
    )
    is_for_accounts: bool = Field(False, description="Guests may not vote.")


class VoteIn(In):
    option: Annotated[int, Field(ge=1, lt=2**63)] = Field(description="The id of one of the poll's options.")


class AnnouncementIn(In):
    text: Annotated[str, text_field(SEEN_TEXT, 1, ANNOUNCEMENT_MAX)] = Field(examples=["A break of ten minutes"])


class GoalIn(In):
    target: Annotated[int, Field(ge=1, le=GOAL_TARGET_MAX)]
    title: Annotated[str, text_field(TEXT, 0, GOAL_TITLE_MAX)] = Field("", examples=["Then I sing"])


class RaidIn(In):
    to: Id = Field(description="A public live video of another channel.")


class AskingIn(In):
    is_open: bool = Field(description="Viewers may ask questions.")


class QuestionIn(In):
    body: Annotated[str, text_field(SEEN_TEXT, 1, ASKED_MAX)] = Field(examples=["How did you learn this?"])
    client_id: ClientId | None = Field(None, description="Your own id of it: sent again, it answers the same question.")


class QuestionStateIn(In):
    state: Literal["open", "answering", "answered"] = Field(
        description="`answering`: all see it beside the picture, until it is `answered`. `open`: back into the list."
    )


class OptionOut(Schema):
    id: int
    text: str


class PollOut(Schema):
    id: UUID
    question: str
    options: list[OptionOut]
    is_for_accounts: bool
    opened_at_ms: int
    ends_at_ms: int | None = Field(description="In the past: it is over. Null: it is open until somebody closes it.")


class Votes(Schema):
    total: int
    kinds: dict[str, int] = Field(description="By the ids of options.")


class MyVote(Votes):
    mine: int = Field(description="The option that you have voted for.")


class PollResult(PollOut):
    votes: Votes
    mine: int | None


class PollList(Schema):
    items: list[PollResult]


class AnnouncementOut(Schema):
    id: UUID
    text: str
    at_ms: int


class GoalOut(Schema):
    kind: Literal["likes", "viewers"]
    target: int
    title: str
    set_at_ms: int
    reached_at_ms: int | None = Field(description="Some seconds late; null: not reached so far.")


class RaidTarget(Schema):
    id: UUID
    title: str
    name: str = Field(description="Its broadcaster's.")


class RaidOut(Schema):
    to: RaidTarget
    leaves_at_ms: int = Field(description="Pages then go there by themselves, but for those who stay.")


class RaidedOut(Schema):
    name: str = Field(description="The broadcaster who has sent their viewers here.")
    viewers: int
    at_ms: int


class Asker(Schema):
    id: UUID
    name: str


class QuestionOut(Schema):
    id: int
    body: str
    author: Asker
    asked_at_ms: int
    answering_at_ms: int | None
    answered_at_ms: int | None


class AnsweredQuestion(QuestionOut):
    votes: int


class AnsweredList(Schema):
    items: list[AnsweredQuestion]


class AskingOut(Schema):
    is_open: bool
    answering: QuestionOut | None = Field(description="What is being answered now.")


class QuestionsSnapshot(Schema):
    questions: list[QuestionOut] = Field(description="Those that wait, the oldest first.")
    votes: Votes = Field(description="By question.")


class QuestionsOut(Schema):
    topic: str
    epoch: str
    seq: int
    snapshot: QuestionsSnapshot
    mine: list[int] = Field(description="Those that you have voted for.")


class MyQuestionVote(Schema):
    votes: int
    mine: bool


class BoardSnapshot(Schema):
    poll: PollOut | None = Field(description="The newest.")
    announcement: AnnouncementOut | None
    goals: list[GoalOut]
    raid: RaidOut | None
    raided: RaidedOut | None = Field(description="The last raid that has come.")
    questions: AskingOut | None = Field(description="Whether viewers may ask questions; null: they never could.")
    votes: Votes = Field(description="Those of the poll.")


class BoardOut(Schema):
    topic: str
    epoch: str
    seq: int
    snapshot: BoardSnapshot
    mine: int | None
