"""Videos in the API: lists, one video, who watches it; for broadcasters to announce, change, start, end and delete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router

from accounts.requests import acting_viewer, viewer_auth, viewer_of
from realtime.answers import ANYBODY, SENDING, answer
from realtime.log.threads import DatabaseThreads, backend_threads
from videos import broadcasts, removal, restarts, schemas
from videos.friends import Friends, friends_at
from videos.models import Video
from videos.text import check_playlist, check_source, clean_title
from videos.topics import full_json, one_full_json, visible_video, with_viewers
from videos.watching import viewers_json
from web.answers import ACTING, READING, Limit, check_query
from web.schemas import Id
from web.text import clean_text

router = Router()
removal_threads = DatabaseThreads(1, answer_seconds=30.0, name="removals")
"""To delete what many have written takes longer than others may wait. Asked again, it goes on where it was."""
VideoId = Annotated[Id, Path()]


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


async def _full(video: Video) -> dict[str, Any]:
    [found] = await with_viewers([await backend_threads.run(one_full_json, video)])
    return found


@router.get("/videos", response={200: schemas.VideoPage, **READING}, tags=["videos"], summary="List public videos")
async def list_videos(
    request: HttpRequest,
    status: Literal["upcoming", "live", "ended"] | None = None,
    cursor: Annotated[Id | None, Query()] = None,
    limit: Limit = 20,
) -> HttpResponse:
    """Newest first; `next` is the cursor of the following page."""
    check_query(request, "status", "cursor", "limit")
    chosen = Q(visibility=Video.Visibility.PUBLIC)
    if status is not None:
        chosen &= Q(status=status)
    if cursor is not None:
        chosen &= Q(id__lt=cursor)
    return await _page(chosen, limit)


async def _page(chosen: Q, limit: int) -> HttpResponse:
    """Answer the newest of the chosen videos, and where the next page begins."""

    def read() -> list[dict[str, Any]]:
        return full_json(list(Video.objects.filter(chosen).select_related("owner").order_by("-id")[: limit + 1]))

    found = await backend_threads.run(read)
    items = await with_viewers(found[:limit])
    more = len(found) > limit
    return answer({"items": items, "next": items[-1]["id"] if more else None})


@router.get(
    "/me/videos",
    response={200: schemas.VideoPage, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="List your own videos, private ones too",
)
async def list_my_videos(
    request: HttpRequest, cursor: Annotated[Id | None, Query()] = None, limit: Limit = 20
) -> HttpResponse:
    """Newest first; `next` is the cursor of the following page."""
    check_query(request, "cursor", "limit")
    chosen = Q(owner=acting_viewer(request))
    return await _page(chosen & Q(id__lt=cursor) if cursor is not None else chosen, limit)


@router.get(
    "/videos/{video_id}",
    response={200: schemas.VideoOut, **READING},
    tags=["videos"],
    summary="Get a video",
    openapi_extra=ANYBODY,
)
async def get_video(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    viewer = await viewer_of(request)
    return answer(await _full(await backend_threads.run(visible_video, video_id, viewer)))


@router.post(
    "/videos",
    response={201: schemas.VideoOut, **SENDING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Announce a video (broadcasters)",
)
async def create_video(request: HttpRequest, body: schemas.VideoIn) -> HttpResponse:
    fields = _video_fields(body.model_dump())
    video = await backend_threads.run(broadcasts.create_video, acting_viewer(request), **fields)
    return answer(await _full(video), 201)


@router.patch(
    "/videos/{video_id}",
    response={200: schemas.VideoOut, **SENDING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Change a video (its broadcaster)",
)
async def update_video(request: HttpRequest, video_id: VideoId, body: schemas.VideoPatch) -> HttpResponse:
    fields = _video_fields(body.model_dump(exclude_unset=True))
    video = await backend_threads.run(broadcasts.update_video, video_id, acting_viewer(request), **fields)
    return answer(await _full(video))


def _video_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return the model's fields of a body. Raises Invalid."""
    fields = dict(given)
    if "starts_at_ms" in fields:
        fields["starts_at"] = _moment(fields.pop("starts_at_ms"))
    for name, clean in (("title", clean_title), ("description", clean_text)):
        if name in fields:
            fields[name] = clean(fields[name])
    check_playlist(fields.get("playlist", ""))
    check_source(fields.get("source", ""))
    return fields


@router.post(
    "/videos/{video_id}/start",
    response={200: schemas.VideoOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Go live (its broadcaster)",
)
async def start_video(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    return answer(await _full(await backend_threads.run(broadcasts.start_video, video_id, acting_viewer(request))))


@router.post(
    "/videos/{video_id}/end",
    response={200: schemas.VideoOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="End the broadcast (its broadcaster)",
)
async def end_video(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    return answer(await _full(await backend_threads.run(broadcasts.end_video, video_id, acting_viewer(request))))


@router.post(
    "/videos/{video_id}/restart",
    response={200: schemas.VideoOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Go on with a broadcast that has ended (its broadcaster)",
)
async def restart_video(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """Within an hour of its end, and while no other broadcast of yours is live. The recording goes on, too."""
    return answer(await _full(await backend_threads.run(restarts.restart_video, video_id, acting_viewer(request))))


@router.delete(
    "/videos/{video_id}",
    response={204: None, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Delete a video for good (its broadcaster)",
)
async def delete_video(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """Its recording, comments, likes and figures go with it. Viewers who are there are sent away."""
    await removal_threads.run(removal.delete_video, video_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.get(
    "/videos/{video_id}/viewers",
    response={200: schemas.ViewersOut, **READING},
    tags=["videos"],
    summary="Get who watches a video",
    openapi_extra=ANYBODY,
)
async def get_viewers(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """How many watch now, at the peak and in all, each viewer counted once; and those of them that you may know.

    `people` is null in a room of more than 50 viewers: there `known` is their number.
    """
    return answer(await viewers_json(video_id, await viewer_of(request)))


@router.get(
    "/videos/{video_id}/friends",
    response={200: schemas.FriendsOut, **READING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Get which of your friends watch a video",
)
async def get_friends(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """A friend is somebody that you have talked with: each of you has written to the other, and neither blocks the
    other. Who hides is not shown. Three of them by name, and how many there are.
    """
    viewer = acting_viewer(request)
    await backend_threads.run(visible_video, video_id, viewer)
    found = await friends_at([video_id], viewer)
    return answer((found or {}).get(video_id, Friends([])).as_json())
