"""Viewers' questions in the API: asked, voted for, answered."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from accounts.requests import acting_claim, acting_viewer, claim_auth, viewer_auth, viewer_of
from moderation import audit
from moderation.limits import COMPLAINTS
from moderation.schemas import ComplaintIn
from polls import asking, questions, schemas
from polls.limits import BOARD_ACTS, QUESTION_VOTES
from polls.models import ASKED_MAX
from polls.text import checked_line
from polls.topics import questions_state
from realtime import act_limits
from realtime.answers import ANYBODY, SENDING, answer
from realtime.log.threads import backend_threads
from videos.limits import COMMENTS
from videos.schemas import HeldOut
from web.answers import ACTING, READING, check_query
from web.schemas import Id

router = Router()
VideoId = Annotated[Id, Path()]
QuestionId = Annotated[int, Path(ge=1, lt=2**63)]


@router.get(
    "/videos/{video_id}/questions",
    response={200: schemas.QuestionsOut, **READING},
    tags=["board"],
    summary="Get the questions that wait, with their votes",
    openapi_extra=ANYBODY,
)
async def get_questions(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """404 as long as viewers never could ask. 100 wait at most. The topic brings what changes."""
    check_query(request)
    return answer(await backend_threads.run(questions_state, video_id, await viewer_of(request)))


@router.get(
    "/videos/{video_id}/questions/answered",
    response={200: schemas.AnsweredList, **READING},
    tags=["board"],
    summary="List the answered questions",
    openapi_extra=ANYBODY,
)
async def list_answered(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """The newest first, 200 at most."""
    check_query(request)
    return answer({"items": await backend_threads.run(questions.list_answered, video_id, await viewer_of(request))})


@router.put(
    "/videos/{video_id}/questions",
    response={200: schemas.AskingOut, **SENDING},
    tags=["board"],
    auth=viewer_auth,
    summary="Let viewers ask questions, or no longer (broadcaster, moderators)",
)
async def put_asking(request: HttpRequest, video_id: VideoId, body: schemas.AskingIn) -> HttpResponse:
    """Votes go on until the broadcast ends."""
    actor = acting_viewer(request)
    act_limits.take(BOARD_ACTS, actor)
    return answer(await backend_threads.run(questions.set_open, video_id, actor, body.is_open))


@router.post(
    "/videos/{video_id}/questions",
    response={201: schemas.QuestionOut, 202: HeldOut, **SENDING},
    tags=["board"],
    auth=claim_auth,
    summary="Ask the broadcaster a question",
)
async def ask_question(request: HttpRequest, video_id: VideoId, body: schemas.QuestionIn) -> HttpResponse:
    """It passes the rules for comments, and counts as one for how often one may act. Three of yours wait at most. 202:
    a moderator looks at it first."""
    who = acting_claim(request)
    checked_line(body.body, ASKED_MAX, "question")
    act_limits.take(COMMENTS, who)
    made = await asking.ask(video_id, who, body.body, client_id=body.client_id)
    return answer(made, 202 if "held" in made else 201)


@router.put(
    "/videos/{video_id}/questions/{question_id}/vote",
    response={200: schemas.MyQuestionVote, **ACTING},
    tags=["board"],
    auth=claim_auth,
    summary="Vote for a question",
)
async def put_question_vote(request: HttpRequest, video_id: VideoId, question_id: QuestionId) -> HttpResponse:
    """One vote per viewer and question: again changes nothing."""
    who = acting_claim(request)
    act_limits.take(QUESTION_VOTES, who)
    return answer(await asking.vote(video_id, who, question_id, is_for=True))


@router.delete(
    "/videos/{video_id}/questions/{question_id}/vote",
    response={200: schemas.MyQuestionVote, **ACTING},
    tags=["board"],
    auth=claim_auth,
    summary="Take a vote for a question back",
)
async def delete_question_vote(request: HttpRequest, video_id: VideoId, question_id: QuestionId) -> HttpResponse:
    who = acting_claim(request)
    act_limits.take(QUESTION_VOTES, who)
    return answer(await asking.vote(video_id, who, question_id, is_for=False))


@router.put(
    "/videos/{video_id}/questions/{question_id}/state",
    response={200: schemas.QuestionOut, **SENDING},
    tags=["board"],
    auth=viewer_auth,
    summary="Answer a question (broadcaster, moderators)",
)
async def put_question_state(
    request: HttpRequest, video_id: VideoId, question_id: QuestionId, body: schemas.QuestionStateIn
) -> HttpResponse:
    """One is being answered at a time: the one before is answered then."""
    actor = acting_viewer(request)
    act_limits.take(BOARD_ACTS, actor)
    return answer(await backend_threads.run(questions.set_state, video_id, question_id, actor, body.state))


@router.post(
    "/videos/{video_id}/questions/{question_id}/report",
    response={204: None, **SENDING},
    tags=["board"],
    auth=viewer_auth,
    summary="Report a question to the moderators",
)
async def report_question(
    request: HttpRequest, video_id: VideoId, question_id: QuestionId, body: ComplaintIn
) -> HttpResponse:
    """The second time changes nothing. The author does not learn who has reported it."""
    reporter, remark = acting_viewer(request), audit.clean_reason(body.remark)
    act_limits.take(COMPLAINTS, reporter)
    await backend_threads.run(questions.report, video_id, question_id, reporter, reason=body.reason, remark=remark)
    return HttpResponse(status=204)


@router.post(
    "/videos/{video_id}/questions/{question_id}/restore",
    response={204: None, **ACTING},
    tags=["board"],
    auth=viewer_auth,
    summary="Bring a question back that a moderator has deleted (moderators)",
)
async def restore_question(request: HttpRequest, video_id: VideoId, question_id: QuestionId) -> HttpResponse:
    """Takes the act back that has deleted it, with all that went by it. Codes of 409: `too_late`, `undone`."""
    await backend_threads.run(questions.restore, video_id, question_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.delete(
    "/videos/{video_id}/questions/{question_id}",
    response={204: None, **ACTING},
    tags=["board"],
    auth=viewer_auth,
    summary="Delete a question (your own; broadcaster, moderators, helpers)",
)
async def delete_question(request: HttpRequest, video_id: VideoId, question_id: QuestionId) -> HttpResponse:
    await backend_threads.run(questions.delete, video_id, question_id, acting_viewer(request))
    return HttpResponse(status=204)
