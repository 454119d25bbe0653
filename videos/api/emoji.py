"""The emoji of a channel in the API: list them, give a code its picture, take it away."""

from __future__ import annotations

import asyncio
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from accounts.requests import acting_viewer, viewer_auth
from moderation import rights
from realtime import act_limits
from realtime.answers import ANYBODY, SENDING, answer, errors
from realtime.log.threads import backend_threads
from videos import channel_emoji, schemas
from videos.limits import EMOJI
from web.answers import ACTING, READING
from web.refusals import NotFound
from web.schemas import Id
from web.uploads import SMALL_KINDS, body_of, kind_of

router = Router(tags=["comments"])
ChannelId = Annotated[Id, Path()]
Code = Annotated[
    str,
    Path(pattern=f"^{channel_emoji.CODE}$", min_length=channel_emoji.CODE_MIN, max_length=channel_emoji.CODE_MAX),
]
PICTURE_SECONDS = 86_400  # for which others keep it; a new one has another address


@router.get(
    "/channels/{channel_id}/emoji",
    response={200: schemas.EmojiList, **READING},
    summary="List the emoji of a channel",
    openapi_extra=ANYBODY,
)
async def list_emoji(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    """The text of a comment or question has them as `:code:`. A code without a picture is shown as it is."""
    return answer({"items": await backend_threads.run(channel_emoji.emoji_of, channel_id)})


@router.put(
    "/channels/{channel_id}/emoji/{code}",
    response={200: schemas.EmojiOut, **SENDING},
    auth=viewer_auth,
    summary="Give a channel an emoji (the broadcaster, moderators)",
    openapi_extra=body_of(SMALL_KINDS),
)
async def put_emoji(request: HttpRequest, channel_id: ChannelId, code: Code) -> HttpResponse:
    """A JPEG, PNG, WebP or GIF file of 64 KB at most, as the body. It is made 72 x 72, does not move, and everybody may
    see it. It takes the place of the one that the code had. 409 `too_many_emoji`: there are 50.
    """
    viewer, kind = acting_viewer(request), kind_of(request, SMALL_KINDS)
    await backend_threads.run(rights.require, "emoji", channel_id, viewer)
    act_limits.take(EMOJI, viewer)
    made = await asyncio.to_thread(channel_emoji.as_emoji, kind, request.body)
    kept = await backend_threads.run(channel_emoji.keep, channel_id, viewer, code, made)
    return answer(channel_emoji.emoji_json(kept))


@router.delete(
    "/channels/{channel_id}/emoji/{code}",
    response={204: None, **ACTING},
    auth=viewer_auth,
    summary="Take an emoji of a channel away (the broadcaster, moderators)",
)
async def delete_emoji(request: HttpRequest, channel_id: ChannelId, code: Code) -> HttpResponse:
    """Comments that have its code show the code again."""
    await backend_threads.run(channel_emoji.delete, channel_id, acting_viewer(request), code)
    return HttpResponse(status=204)


@router.get(
    "/emoji/{emoji_id}",
    response={200: None, **errors(404, 422, 503)},
    summary="Get the picture of an emoji",
    openapi_extra={"responses": {200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}}},
)
async def get_emoji(request: HttpRequest, emoji_id: Annotated[Id, Path()]) -> HttpResponse:
    """A PNG of 72 x 72. Another picture has another address."""
    data = await backend_threads.run(channel_emoji.picture_of, emoji_id)
    if data is None:
        raise NotFound("There is no such emoji.")
    response = HttpResponse(data, content_type="image/png")
    response.headers["Cache-Control"] = f"public, max-age={PICTURE_SECONDS}, immutable"
    return response
