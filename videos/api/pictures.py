"""How a broadcaster sends a picture: the stream key, and how what comes is doing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from ninja import Path as PathParameter
from ninja import Router
from redis.exceptions import RedisError

from accounts.models import Viewer
from accounts.requests import acting_viewer, viewer_auth
from realtime.answers import answer
from realtime.log.threads import backend_threads
from realtime.table.redis import shared_redis
from videos import keys, schemas
from videos.incoming import health_key, refusal_key
from videos.rights import CHANGE
from videos.topics import visible_for
from web.answers import ACTING
from web.pictures import free_bytes
from web.schemas import Id

USUAL_BITS_PER_SECOND = 6_000_000

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
    viewer = acting_viewer(request)
    return await _key_answer(request, viewer, await backend_threads.run(keys.key_of, viewer))


@router.post(
    "/me/stream-key",
    response={201: schemas.StreamKeyOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Replace your stream key (broadcasters)",
)
async def replace_stream_key(request: HttpRequest) -> HttpResponse:
    """Get another key. An encoder that sends with the old one is cut within seconds."""
    viewer = acting_viewer(request)
    return await _key_answer(request, viewer, await backend_threads.run(keys.replace_key, viewer), 201)


@router.get(
    "/videos/{video_id}/picture",
    response={200: schemas.PictureHealth, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Get how the picture is doing (its broadcaster)",
)
async def get_picture(request: HttpRequest, video_id: Annotated[Id, PathParameter()]) -> HttpResponse:
    """What the encoder sends, and the last trouble in words. Without a picture `state` is empty."""

    video = await backend_threads.run(visible_for, CHANGE, video_id, acting_viewer(request))
    try:
        found = await shared_redis().get(health_key(video_id))
    except (RedisError, OSError):
        found = None
    health: dict[str, Any] = orjson.loads(found) if found else {"state": video.picture, "trouble": "", "encoder": None}
    return answer({**health, "source": video.source, "disk": await asyncio.to_thread(_disk, health["encoder"])})


def _disk(encoder: dict[str, Any] | None) -> dict[str, int | None]:
    """Return how much room there is, and what an hour takes at the rate of the encoder that sends."""
    try:
        free = max(0, free_bytes(Path(settings.MEDIA_ROOT)) - settings.LIVE_RESERVE_MB * 1024 * 1024)
    except OSError:
        free = None
    bits_per_second = (encoder or {}).get("bits_per_second") or USUAL_BITS_PER_SECOND
    return {"free_bytes": free, "hour_bytes": bits_per_second * 3600 // 8}


async def _key_answer(request: HttpRequest, viewer: Viewer, key: str, status: int = 200) -> HttpResponse:
    try:
        refusal = await shared_redis().get(refusal_key(viewer.id))
    except (RedisError, OSError):
        refusal = None
    trouble = refusal.decode() if isinstance(refusal, bytes) else refusal or ""
    return answer({"key": key, "servers": servers(request, key), "trouble": trouble}, status)


def servers(request: HttpRequest, key: str) -> dict[str, str]:
    """Return where an encoder sends its picture, by protocol: on the name by which the asker knows this site.

    For SRT the address holds all that an encoder needs, the key too.
    """
    host, _ = split_domain_port(request.get_host())
    rtmp, srt = settings.LIVE_RTMP_URL, settings.LIVE_SRT_URL
    if settings.LIVE_RTMP_PORT:
        port = "" if settings.LIVE_RTMP_PORT == 1935 else f":{settings.LIVE_RTMP_PORT}"
        rtmp = rtmp or f"rtmp://{host}{port}/live"
        srt = srt or (f"srt://{host}:{settings.LIVE_SRT_PORT}" if settings.LIVE_SRT_PORT else "")
    secrets = f"?streamid={keys.stream_id_of(key)}&passphrase={key}"
    return {**({"rtmp": rtmp} if rtmp else {}), **({"srt": srt + secrets} if srt else {})}
