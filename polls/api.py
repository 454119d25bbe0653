"""Boards in the API: what is beside the picture, polls and votes, announcements, goals, raids."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from accounts.requests import acting_claim, acting_viewer, claim_auth, viewer_auth, viewer_of
from polls import announcements, goals, polls, raids, schemas, votes
from polls.limits import BOARD_ACTS, VOTES
from polls.topics import board_state
from realtime import act_limits
from realtime.answers import ANYBODY, SENDING, answer
from realtime.log.threads import backend_threads
from web.answers import ACTING, READING, check_query
from web.schemas import Id

router = Router()
VideoId = Annotated[Id, Path()]
PollId = Annotated[Id, Path()]
GoalKind = Annotated[Literal["likes", "viewers"], Path()]


@router.get(
    "/videos/{video_id}/board",
    response={200: schemas.BoardOut, **READING},
    tags=["board"],
    summary="Get what is beside the picture",
    openapi_extra=ANYBODY,
)
async def get_board(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """404 as long as nothing ever was (`has_board` of the video). Its topic brings what changes."""
    check_query(request)
    return answer(await backend_threads.run(board_state, video_id, await viewer_of(request)))


@router.get(
    "/videos/{video_id}/polls",
    response={200: schemas.PollList, **READING},
    tags=["board"],
    summary="List polls with their votes",
    openapi_extra=ANYBODY,
)
async def list_polls(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """The newest first, 100 at most."""
    check_query(request)
    return answer({"items": await backend_threads.run(polls.list_polls, video_id, await viewer_of(request))})


@router.post(
    "/videos/{video_id}/polls",
    response={201: schemas.PollOut, **SENDING},
    tags=["board"],
    auth=viewer_auth,
    summary="Open a poll (broadcaster, moderators)",
)
async def create_poll(request: HttpRequest, video_id: VideoId, body: schemas.PollIn) -> HttpResponse:
    """One is open at a time, while the video has not ended."""
    actor = acting_viewer(request)
    act_limits.take(BOARD_ACTS, actor)
    made = await backend_threads.run(
        polls.open_poll,
        video_id,
        actor,
        body.question,
        body.options,
        seconds=body.seconds,
        is_for_accounts=body.is_for_accounts,
    )
    return answer(made, 201)


@router.post(
    "/videos/{video_id}/polls/{poll_id}/close",
    response={200: schemas.PollOut, **ACTING},
    tags=["board"],
    auth=viewer_auth,
    summary="Close a poll (broadcaster, moderators)",
)
async def close_poll(request: HttpRequest, video_id: VideoId, poll_id: PollId) -> HttpResponse:
    """Closing one that is over changes nothing."""
    return answer(await backend_threads.run(polls.close_poll, video_id, poll_id, acting_viewer(request)))


@router.delete(
    "/videos/{video_id}/polls/{poll_id}",
    response={204: None, **ACTING},
    tags=["board"],
    auth=viewer_auth,
    summary="Take a poll away, with its result (broadcaster, moderators)",
)
async def delete_poll(request: HttpRequest, video_id: VideoId, poll_id: PollId) -> HttpResponse:
    await backend_threads.run(polls.withdraw_poll, video_id, poll_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.put(
    "/videos/{video_id}/polls/{poll_id}/vote",
    response={200: schemas.MyVote, **SENDING},
    tags=["board"],
    auth=claim_auth,
    summary="Vote",
)
async def put_vote(request: HttpRequest, video_id: VideoId, poll_id: PollId, body: schemas.VoteIn) -> HttpResponse:
    """One vote per viewer and poll, for good: the same again changes nothing, another is refused (`voted`)."""
    who = acting_claim(request)
    act_limits.take(VOTES, who)
    return answer(await votes.vote(video_id, poll_id, body.option, who))


@router.put(
    "/videos/{video_id}/announcement",
    response={200: schemas.AnnouncementOut, **SENDING},
    tags=["board"],
    auth=viewer_auth,
    summary="Announce something (broadcaster, moderators)",
)
async def put_announcement(request: HttpRequest, video_id: VideoId, body: schemas.AnnouncementIn) -> HttpResponse:
    """It is in place of the one before."""
    actor = acting_viewer(request)
    act_limits.take(BOARD_ACTS, actor)
    return answer(await backend_threads.run(announcements.announce, video_id, actor, body.text))


@router.delete(
    "/videos/{video_id}/announcement",
    response={204: None, **ACTING},
    tags=["board"],
    auth=viewer_auth,
    summary="Take the announcement away (broadcaster, moderators)",
)
async def delete_announcement(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    await backend_threads.run(announcements.take_away, video_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.put(
    "/videos/{video_id}/goals/{kind}",
    response={200: schemas.GoalOut, **SENDING},
    tags=["board"],
    auth=viewer_auth,
    summary="Set a goal (broadcaster, moderators)",
)
async def put_goal(request: HttpRequest, video_id: VideoId, kind: GoalKind, body: schemas.GoalIn) -> HttpResponse:
    """A number of likes, or of viewers. One of each kind."""
    actor = acting_viewer(request)
    act_limits.take(BOARD_ACTS, actor)
    return answer(await backend_threads.run(goals.set_goal, video_id, actor, kind, body.target, body.title))


@router.delete(
    "/videos/{video_id}/goals/{kind}",
    response={204: None, **ACTING},
    tags=["board"],
    auth=viewer_auth,
    summary="Take a goal away (broadcaster, moderators)",
)
async def delete_goal(request: HttpRequest, video_id: VideoId, kind: GoalKind) -> HttpResponse:
    await backend_threads.run(goals.take_goal_away, video_id, acting_viewer(request), kind)
    return HttpResponse(status=204)


@router.put(
    "/videos/{video_id}/raid",
    response={200: schemas.RaidOut, **SENDING},
    tags=["board"],
    auth=viewer_auth,
    summary="Take all who watch to another broadcast (broadcaster, moderators)",
)
async def put_raid(request: HttpRequest, video_id: VideoId, body: schemas.RaidIn) -> HttpResponse:
    """In 15 s; until then it can be called off. The other broadcast is public, live and another channel's."""
    actor = acting_viewer(request)
    act_limits.take(BOARD_ACTS, actor)
    viewers = await raids.viewers_of(video_id)
    return answer(await backend_threads.run(raids.raid, video_id, actor, body.to, viewers=viewers))


@router.delete(
    "/videos/{video_id}/raid",
    response={204: None, **ACTING},
    tags=["board"],
    auth=viewer_auth,
    summary="Call a raid off (broadcaster, moderators)",
)
async def delete_raid(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    await backend_threads.run(raids.call_off, video_id, acting_viewer(request))
    return HttpResponse(status=204)
