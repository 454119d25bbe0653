"""How a broadcaster sends a picture: the stream key, and how what comes is doing."""

from __future__ import annotations

from typing import Annotated

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Path, Router
from redis.exceptions import RedisError

from accounts.requests import acting_viewer, viewer_auth
from realtime.answers import answer
from realtime.log.threads import backend_threads
from realtime.table.redis import shared_redis
from videos import keys, schemas
from videos.access import require
from videos.incoming import health_key
from videos.rights import CHANGE
from videos.topics import visible_video
from web.answers import ACTING
from web.schemas import Id

router = Router()


@router.get(
    "/me/stream-key",
    response={200: schemas.StreamKeyOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Get your stream key (broadcasters)",
)
async def get_stream_key(request: HttpRequest) -> HttpResponse:
    """Enter server and key into your encoder, once. The picture goes to your video that is live, or comes next."""
    return _key_answer(request, await backend_threads.run(keys.key_of, acting_viewer(request)))


@router.post(
    "/me/stream-key",
    response={201: schemas.StreamKeyOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Replace your stream key (broadcasters)",
)
async def replace_stream_key(request: HttpRequest) -> HttpResponse:
    """Get another key. An encoder that sends with the old one is cut within seconds."""
    return _key_answer(request, await backend_threads.run(keys.replace_key, acting_viewer(request)), 201)


@router.get(
    "/videos/{video_id}/picture",
    response={200: schemas.PictureHealth, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Get how the picture is doing (its broadcaster)",
)
async def get_picture(request: HttpRequest, video_id: Annotated[Id, Path()]) -> HttpResponse:
    """What the encoder sends, and the last trouble in words. Without a picture `state` is empty."""

    def check() -> str:
        video = visible_video(video_id, acting_viewer(request))
        require(CHANGE, video, acting_viewer(request))
        return video.picture

    state = await backend_threads.run(check)
    try:
        found = await shared_redis().get(health_key(video_id))
    except (RedisError, OSError):
        found = None
    return answer(orjson.loads(found) if found else {"state": state, "trouble": "", "encoder": None})


def _key_answer(request: HttpRequest, key: str, status: int = 200) -> HttpResponse:
    return answer({"key": key, "servers": servers(request)}, status)


def servers(request: HttpRequest) -> dict[str, str]:
    """Return where an encoder sends its picture, by protocol: on the name by which the asker knows this site."""
    if settings.LIVE_RTMP_URL:
        return {"rtmp": settings.LIVE_RTMP_URL}
    host = request.get_host().rpartition(":")[0] or request.get_host()
    port = "" if settings.LIVE_RTMP_PORT == 1935 else f":{settings.LIVE_RTMP_PORT}"
    return {"rtmp": f"rtmp://{host}{port}/live"} if settings.LIVE_RTMP_PORT else {}
