"""Recordings in the API: how much there is, trim it, delete it. For the video's broadcaster."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router
from redis.exceptions import RedisError

from accounts.requests import acting_viewer, viewer_auth
from realtime.answers import SENDING, answer
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from realtime.table.redis import shared_redis
from videos import recordings, schemas
from videos.incoming import downloads_key
from web.answers import ACTING
from web.schemas import Id

WISHES_SECONDS = 3_600
"""A wish that no ingest fulfils meanwhile is forgotten."""

router = Router()
VideoId = Annotated[Id, Path()]


@router.get(
    "/videos/{video_id}/recording",
    response={200: schemas.RecordingOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Get how much of a broadcast is recorded (its broadcaster)",
)
async def get_recording(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """It is ready some seconds after the end of the broadcast."""
    # Asked for first: when the wish has gone, the file is there.
    is_making = await _is_making(video_id)
    found = await backend_threads.run(recordings.recording_of, video_id, acting_viewer(request))
    return answer({**asdict(found), "is_making": is_making})


@router.post(
    "/videos/{video_id}/recording/download",
    response={202: None, **SENDING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Have a recording made one file (its broadcaster)",
)
async def make_download(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """The recording says where it is when it has been made, without encoding it again. Who may watch may load it."""
    await backend_threads.run(recordings.check_download, video_id, acting_viewer(request))
    try:
        await shared_redis().sadd(downloads_key(), str(video_id))
        await shared_redis().expire(downloads_key(), WISHES_SECONDS)
    except (RedisError, OSError) as error:
        raise StoreUnavailable(str(error)) from error
    return HttpResponse(status=202)


@router.delete(
    "/videos/{video_id}/recording",
    response={204: None, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Delete a recording for good (its broadcaster)",
)
async def delete_recording(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """The video stays, with its comments and likes, without a picture."""
    await backend_threads.run(recordings.delete_recording, video_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.post(
    "/videos/{video_id}/recording/trim",
    response={200: schemas.RecordingOut, **SENDING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Trim a recording for good (its broadcaster)",
)
async def trim_recording(request: HttpRequest, video_id: VideoId, body: schemas.TrimIn) -> HttpResponse:
    """Keep what was filmed between two times. Segments stay whole: they last two seconds or a little more."""
    viewer = acting_viewer(request)

    def trim() -> recordings.KeptRecording:
        recordings.trim_recording(video_id, viewer, from_ms=body.from_ms, to_ms=body.to_ms)
        return recordings.recording_of(video_id, viewer)

    found = await backend_threads.run(trim)
    return answer({**asdict(found), "is_making": await _is_making(video_id)})


async def _is_making(video_id: UUID) -> bool:
    try:
        return bool(await shared_redis().sismember(downloads_key(), str(video_id)))
    except (RedisError, OSError):
        return False
