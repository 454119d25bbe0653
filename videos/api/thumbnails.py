"""The picture of a video for cards in the API: send one, take it away. For the video's broadcaster."""

from __future__ import annotations

import asyncio
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from accounts.requests import acting_viewer, viewer_auth
from realtime import act_limits
from realtime.answers import SENDING, answer
from realtime.log.threads import backend_threads
from videos import schemas
from videos.limits import THUMBNAILS
from videos.rights import CHANGE
from videos.thumbnails import keep_thumbnail, remove_thumbnail
from videos.topics import visible_for
from web.answers import ACTING
from web.schemas import Id
from web.uploads import BODY, kind_of

router = Router()
VideoId = Annotated[Id, Path()]


@router.put(
    "/videos/{video_id}/thumbnail",
    response={200: schemas.ThumbnailOut, **SENDING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Send the picture of a video for its card (its broadcaster)",
    openapi_extra=BODY,
)
async def put_thumbnail(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """A JPEG, PNG or WebP file of 64 KB at most, as the body. It is made 1280 x 720.

    It is shown before and after the broadcast: while that is live, its newest picture is.
    """
    viewer = acting_viewer(request)
    await backend_threads.run(visible_for, CHANGE, video_id, viewer)
    kind = kind_of(request)
    act_limits.take(THUMBNAILS, viewer)
    return answer({"path": await asyncio.to_thread(keep_thumbnail, video_id, kind, request.body)})


@router.delete(
    "/videos/{video_id}/thumbnail",
    response={204: None, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Take the picture of a video for its card away (its broadcaster)",
)
async def delete_thumbnail(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    await backend_threads.run(visible_for, CHANGE, video_id, acting_viewer(request))
    await asyncio.to_thread(remove_thumbnail, video_id)
    return HttpResponse(status=204)
