"""The REST API of notices, below `/api/v1/`: what was said to you, and how you want to hear of things.

Calls reading, inbox and choices; errors are answered by web.errors.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts.requests import acting_viewer, viewer_auth
from notices import choices, inbox, reading, schemas
from notices.limits import CHOICES, SEEN
from realtime import act_limits
from realtime.answers import SENDING, answer
from realtime.log.threads import backend_threads
from web.answers import ACTING, Limit, check_query

router = Router()
TAGS = ["notices"]


@router.get(
    "/me/notices",
    response={200: schemas.NoticesOut, **ACTING},
    tags=TAGS,
    auth=viewer_auth,
    summary="List who has answered or named you in comments",
)
async def list_notices(request: HttpRequest, limit: Limit = 50) -> HttpResponse:
    """The newest first. What comes of one video before you look is one line. 100 lines are kept, for 90 days."""
    check_query(request, "limit")
    return answer({"items": await backend_threads.run(reading.lines, acting_viewer(request).id, limit)})


@router.put(
    "/me/notices/seen",
    response={200: schemas.NoticesSeenOut, **SENDING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Say what of it you have seen, on all your devices",
)
async def see_notices(request: HttpRequest, body: schemas.NoticesSeenIn) -> HttpResponse:
    """The same or an earlier time again changes nothing."""
    viewer = acting_viewer(request)
    act_limits.take(SEEN, viewer)
    # A line's time may be a part of a millisecond later than what was read of it.
    until = datetime.fromtimestamp(body.until_ms / 1000, UTC) + timedelta(milliseconds=1)
    return answer(await backend_threads.run(inbox.see, viewer.id, until, video_id=body.video_id))


@router.get(
    "/me/notices/choices",
    response={200: schemas.NoticeChoices, **ACTING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Get how you want to hear of things",
)
async def get_choices(request: HttpRequest) -> HttpResponse:
    return answer(await backend_threads.run(choices.read, acting_viewer(request).id))


@router.patch(
    "/me/notices/choices",
    response={200: schemas.NoticeChoices, **SENDING},
    tags=TAGS,
    auth=viewer_auth,
    summary="Choose how you want to hear of things",
)
async def choose(request: HttpRequest, body: schemas.NoticeChoicesPatch) -> HttpResponse:
    """What is left out stays as it is. Which channels and broadcasts: their bells say that."""
    viewer = acting_viewer(request)
    act_limits.take(CHOICES, viewer)
    chosen = body.model_dump(exclude_unset=True)
    return answer(await backend_threads.run(choices.choose, viewer, chosen))
