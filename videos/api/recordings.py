"""Recordings in the API: how much there is, trim it, delete it. For the video's broadcaster."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from accounts.requests import acting_viewer, viewer_auth
from realtime.answers import SENDING, answer
from realtime.log.threads import backend_threads
from videos import recordings, schemas
from web.answers import ACTING
from web.schemas import Id

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
    found = await backend_threads.run(recordings.recording_of, video_id, acting_viewer(request))
    return answer(asdict(found))


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

    return answer(asdict(await backend_threads.run(trim)))
