"""Likes and reactions in the API. Hop: the first one of a like."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from accounts.requests import acting_claim, acting_viewer, claim_auth, viewer_auth
from realtime import act_limits
from realtime.answers import SENDING, answer
from videos import likes, schemas
from videos.commands import react
from videos.limits import LIKES
from web.answers import ACTING
from web.schemas import Id

router = Router()
VideoId = Annotated[Id, Path()]


@router.put(
    "/videos/{video_id}/like",
    response={200: schemas.MyLike, **SENDING},
    tags=["likes"],
    auth=claim_auth,
    summary="Like a video",
)
async def put_like(request: HttpRequest, video_id: VideoId, body: schemas.LikeIn) -> HttpResponse:
    """One like per viewer and video: repeating changes nothing, another kind replaces it."""
    who = acting_claim(request)
    act_limits.take(LIKES, who)
    return answer(await likes.like(video_id, who, body.kind))


@router.delete(
    "/videos/{video_id}/like",
    response={200: schemas.MyLike, **ACTING},
    tags=["likes"],
    auth=claim_auth,
    summary="Take a like back",
)
async def delete_like(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    who = acting_claim(request)
    act_limits.take(LIKES, who)
    return answer(await likes.unlike(video_id, who))


@router.post(
    "/videos/{video_id}/reactions",
    response={202: None, **SENDING},
    tags=["likes"],
    auth=viewer_auth,
    summary="Send a burst of taps",
)
async def create_reaction(request: HttpRequest, video_id: VideoId, body: schemas.ReactionIn) -> HttpResponse:
    await react(acting_viewer(request), video_id, body.kind, body.count)
    return HttpResponse(status=202)
