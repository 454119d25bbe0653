"""Captions of recordings in the API: sent and deleted by the video's broadcaster. Players read files (videos.views)."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from accounts.requests import acting_viewer, viewer_auth
from realtime.answers import SENDING, answer
from realtime.log.threads import backend_threads
from videos import captions, schemas
from web.answers import ACTING
from web.schemas import Id

router = Router()
VideoId = Annotated[Id, Path()]
# A language tag (BCP 47), as far as captions need one.
Language = Annotated[str, Path(max_length=20, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}$")]


@router.put(
    "/videos/{video_id}/captions/{language}",
    response={200: schemas.CaptionsOut, **SENDING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Send captions for a recording (its broadcaster)",
)
async def put_captions(
    request: HttpRequest, video_id: VideoId, language: Language, body: schemas.CaptionsIn
) -> HttpResponse:
    """Times are those of the recording, and move when it is trimmed.

    Captions in this language are replaced, unless these go on after them.

    Players find them at `/videos/{video_id}/captions/{language}.vtt`.
    """
    viewer = acting_viewer(request)
    cues = await backend_threads.run(captions.set_captions, video_id, viewer, language, body.text, goes_on=body.goes_on)
    return answer({"cues": cues})


@router.delete(
    "/videos/{video_id}/captions/{language}",
    response={204: None, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Delete captions (its broadcaster)",
)
async def delete_captions(request: HttpRequest, video_id: VideoId, language: Language) -> HttpResponse:
    await backend_threads.run(captions.delete_captions, video_id, acting_viewer(request), language)
    return HttpResponse(status=204)
