"""What happened at a video, in the API: its curve, windows to play again, and the report for its broadcaster."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router

from accounts.requests import acting_viewer, viewer_auth, viewer_of
from realtime.answers import ANYBODY, answer
from realtime.events import MS_MAX
from realtime.log.threads import backend_threads
from videos import schemas
from videos.replay import replay_json, timeline_json
from videos.reports import report_json
from web.answers import ACTING, READING, check_query
from web.schemas import Id

router = Router()
VideoId = Annotated[Id, Path()]
Ms = Annotated[int | None, Query(ge=0, le=MS_MAX)]


@router.get(
    "/videos/{video_id}/timeline",
    response={200: schemas.TimelineOut, **READING},
    tags=["videos"],
    summary="Get what happened at a video, as a curve",
    openapi_extra=ANYBODY,
)
async def get_timeline(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """The whole time, or the last day, in at most 301 points of `step_ms` each, and its peaks.

    Empty before the video has begun.
    """
    check_query(request)
    return answer(await backend_threads.run(timeline_json, video_id, await viewer_of(request)))


@router.get(
    "/videos/{video_id}/replay",
    response={200: schemas.ReplayOut, **READING},
    tags=["videos"],
    summary="Get what happened at a video, to play it again",
    openapi_extra=ANYBODY,
)
async def get_replay(request: HttpRequest, video_id: VideoId, from_ms: Ms = None, to_ms: Ms = None) -> HttpResponse:
    """A window of time: comments that are not deleted, pins, and each step of 5 s in which something is new.

    It begins at `from_ms`, or with the broadcast, and ends before `to_ms`. The answer's `to_ms` is earlier if the
    window has more than 10 minutes or 1,000 comments. The next window begins there.
    """
    check_query(request, "from_ms", "to_ms")
    return answer(await backend_threads.run(replay_json, video_id, await viewer_of(request), from_ms, to_ms))


@router.get(
    "/videos/{video_id}/report",
    response={200: schemas.ReportOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Get the report on a broadcast (its broadcaster)",
)
async def get_report(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """How many watched and how long, when most happened, and which comments were answered most."""
    check_query(request)
    return answer(await backend_threads.run(report_json, video_id, acting_viewer(request)))
