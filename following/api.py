"""The REST API of channels, below `/api/v1/`: read, describe and follow them, and search the site.

Calls acts, reading and search; errors are answered by web.errors.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router
from pydantic import Field

from accounts.models import Viewer
from accounts.requests import acting_viewer, viewer_auth, viewer_of
from following import acts, schemas
from following.limits import FOLLOWS, SEARCHES
from following.reading import read_channel_for, read_follow, read_followed
from following.search import search
from realtime import act_limits
from realtime.answers import ANYBODY, SENDING, answer, errors
from realtime.log.threads import backend_threads
from videos.topics import full_json, with_viewers
from web.answers import ACTING, READING, Limit, check_query
from web.schemas import TEXT, Id
from web.searching import QUERY_MAX

router = Router()
ChannelId = Annotated[Id, Path()]
SearchText = Annotated[str, Field(max_length=QUERY_MAX, json_schema_extra={"pattern": TEXT})]
OFFSET_MAX = acts.FOLLOWS_MAX


@router.get(
    "/channels/{channel_id}",
    response={200: schemas.ChannelPage, **READING},
    tags=["channels"],
    summary="Get a channel",
    openapi_extra=ANYBODY,
)
async def get_channel(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    """The id of a channel is that of its broadcaster."""
    viewer = await viewer_of(request)

    def read() -> dict[str, Any]:
        return {**read_channel_for(viewer, str(channel_id)).as_json(), "following": read_follow(channel_id, viewer)}

    return answer(await backend_threads.run(read))


@router.patch(
    "/channels/{channel_id}",
    response={200: schemas.ChannelOut, **SENDING},
    tags=["channels"],
    auth=viewer_auth,
    summary="Describe a channel (its broadcaster)",
)
async def update_channel(request: HttpRequest, channel_id: ChannelId, body: schemas.ChannelPatch) -> HttpResponse:
    """Another channel may have the handle: 409 `handle_taken`. What is too long or not allowed is 422."""
    given = body.model_dump(exclude_unset=True)
    described = await backend_threads.run(acts.describe, channel_id, acting_viewer(request), **given)
    return answer(described.as_json())


@router.put(
    "/channels/{channel_id}/follow",
    response={200: schemas.FollowOut, **SENDING},
    tags=["channels"],
    auth=viewer_auth,
    summary="Follow a channel",
)
async def follow_channel(request: HttpRequest, channel_id: ChannelId, body: schemas.FollowIn) -> HttpResponse:
    """Again it only changes `alerts`. Nobody follows their own channel: 409 `own_channel`."""
    viewer = acting_viewer(request)
    act_limits.take(FOLLOWS, viewer)
    await backend_threads.run(acts.follow, channel_id, viewer, alerts=body.alerts)
    return answer({"alerts": body.alerts})


@router.delete(
    "/channels/{channel_id}/follow",
    response={204: None, **ACTING},
    tags=["channels"],
    auth=viewer_auth,
    summary="Follow a channel no longer",
)
async def unfollow_channel(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    viewer = acting_viewer(request)
    act_limits.take(FOLLOWS, viewer)
    await backend_threads.run(acts.unfollow, channel_id, viewer)
    return HttpResponse(status=204)


@router.get(
    "/me/following",
    response={200: schemas.FollowedPage, **ACTING},
    tags=["channels"],
    auth=viewer_auth,
    summary="List the channels that you follow",
)
async def list_following(
    request: HttpRequest, offset: Annotated[int, Query(ge=0, le=OFFSET_MAX)] = 0, limit: Limit = 30
) -> HttpResponse:
    """Those that are live come first, with their video."""
    check_query(request, "offset", "limit")
    viewer: Viewer = acting_viewer(request)
    found = await backend_threads.run(read_followed, viewer.id, limit=limit + 1, offset=offset)
    return answer({"items": found[:limit], "next": offset + limit if len(found) > limit else None})


@router.get(
    "/search",
    response={200: schemas.SearchOut, **READING, **errors(429)},
    tags=["channels"],
    summary="Find channels and videos by words",
)
async def search_all(request: HttpRequest, q: SearchText = "") -> HttpResponse:
    """A word may be the beginning of one. Case and accents make no difference; only what is public is found."""
    check_query(request, "q")
    act_limits.take(SEARCHES, act_limits.network(request))

    def read() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        found = search(q)
        return [channel.as_json() for channel in found.channels], full_json(found.videos)

    channels, videos = await backend_threads.run(read)
    return answer({"channels": channels, "videos": await with_viewers(videos)})
