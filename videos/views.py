"""The pages and the picture: watch, studio, and the segments of live broadcasts under /media/.

Called by the URLs; calls topics for the state a page shows. Everything here is async and touches the disk only in a
thread: a page shares its process with the streams of many viewers. A page needs no script to be read; the scripts
take over from the state that the page holds. A private video answers exactly like a missing one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Coroutine
from functools import partial
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseNotFound,
)
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import content_disposition_header

from accounts.models import NAME_MAX, Viewer
from accounts.pages import page, render_page, shared, viewer_on
from realtime.answers import error, unavailable
from realtime.edge.handshake import APART
from realtime.edge.repeats import RENEW_SECONDS
from realtime.events import Position, TopicName
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from realtime.node.process import process
from videos import words
from videos.captions import captions_of
from videos.elsewhere import elsewhere
from videos.incoming import DOWNLOAD
from videos.media import LargeFile, answer, answer_large, answer_playlist, never_changes
from videos.models import LikeKind, Video
from videos.playlists import BadDirective, ReadPlaylist
from videos.reading import read_video
from videos.reloads import Hold, Picture, PlaylistReader, WaitEnded, while_there
from videos.rights import may_broadcast
from videos.shown import island, shown_to
from videos.sources import PASS, has_pass
from videos.syndication import structured_data
from videos.text import file_name
from videos.thumbnails import add_posters
from videos.topics import full_json, visible_video, with_viewers
from videos.watching import uniques
from web import languages
from web.errors import media_away
from web.files import FilePart
from web.middleware import (
    CONTENT_SECURITY_POLICY_FRAMED,
    CONTENT_SECURITY_POLICY_FRAMING,
    CONTENT_SECURITY_POLICY_OWN_FRAME,
    PERMISSIONS_WITH_CAMERA,
    forbidden,
)
from web.moments import to_ms
from web.pictures import MediaAway, folder_of
from web.refusals import NotFound
from web.text import BODY_MAX, BODY_MAX_BYTES

STUDIO_VIDEOS_MAX = 100
BLANK: dict[str, Any] = {
    "status": Video.Status.UPCOMING,
    "visibility": "public",
    "likes": {"total": 0},
    "viewers": {"count": 0, "peak": 0},
}
"""What stands in the item of a video before the script has written into it."""

OPEN_SECONDS = 5.0
RIGHT_SECONDS = 2
OPEN_MAX = 1_000

Row = dict[str, Any]
T = TypeVar("T")


playlists = PlaylistReader(clock=time.monotonic, is_leaving=lambda: process.is_draining)
"""The playlists of the videos that this node serves."""

_open_until: dict[UUID, float] = {}
"""Videos whose picture anybody may see -> until when (monotonic seconds) that is taken for granted."""
_renewing: set[UUID] = set()
"""Those about which somebody asks the database."""


def read_comments(state: Row, part: str) -> list[Row]:
    """Return the comments that the viewer reads: not of those that they block, unless they may delete comments.

    static/js/parts/rights.js follows the same rule.
    """
    found = state["snapshot"][part]
    if "delete" in state["may"]:
        return list(found)
    return [comment for comment in found if comment["author"]["id"] not in state["blocked"]]


def comment_rows(state: Row) -> list[Row]:
    """Return the comments of a page's state with what a template needs beside them."""
    pinned, comments = (read_comments(state, part) for part in ("pinned", "comments"))
    by_id = {comment["id"]: comment for comment in (*pinned, *comments)}
    answers = Counter(comment["reply_to"] for comment in comments)
    mine = state["viewer"]["id"] if state["viewer"] else None
    return [
        {
            "comment": comment,
            "parent": by_id.get(comment["reply_to"]),
            "answers": answers[comment["id"]],
            "mine": comment["author"]["id"] == mine,
        }
        for comment in comments
    ]


def like_rows(likes: Row) -> list[Row]:
    """Return the six kinds in their fixed order, each with its count."""
    return [
        {"kind": kind.value, "label": words.WATCH[f"like.{kind.value}"], "count": likes["kinds"].get(kind.value, 0)}
        for kind in LikeKind
    ]


@page
async def watch(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """Show a video with its likes and comments; 404 for a video that is missing or somebody else's private one.

    `?as=embed`: the player and the numbers alone, for a frame on any site. `?as=dock`: the comments alone, for a
    moderator's dock in a broadcasting program. Neither counts as a viewer.
    """
    apart = request.GET.get("as", "")
    if "as" in request.GET and apart not in APART:
        raise Http404
    # In a frame of another site there are no cookies: there is nobody in particular, and nothing to remember.
    viewer = None if apart == "embed" else await viewer_on(request)
    try:
        shown, state = await shown_to(viewer, video_id)
    except NotFound:
        raise Http404 from None
    video, likes = state["snapshot"]["video"], state["snapshot"]["likes"]
    address = request.build_absolute_uri(request.path)
    is_picture_first = apart != "dock" and _plays(video)
    # Search engines read whole pages alone, and a live picture waits for each byte.
    is_described = not apart and not is_picture_first and video["visibility"] == Video.Visibility.PUBLIC
    kinds = like_rows(likes)
    for_all = {
        "video": video,
        "likes": likes,
        "viewers": state["snapshot"]["viewers"],
        "kinds": kinds,
        "top_kinds": [row for row in sorted(kinds, key=_by_count) if row["count"]][:3],
        "poster": shown.poster,
        "path": request.path,
        "name_max": NAME_MAX,
        "comment_max": BODY_MAX,
        "comment_max_bytes": BODY_MAX_BYTES,
        "apart": apart,
    }
    context = {
        **for_all,
        "for_all": for_all,
        "drawn": {} if apart else shown.drawn,
        "state": state,
        "island": island(shown, state),
        "mine": state["mine"],
        "pinned": read_comments(state, "pinned")[-1:],
        "rows": comment_rows(state),
        "address": address,
        "structured": structured_data(
            video, address=address, poster=request.build_absolute_uri(shown.poster) if shown.poster else ""
        )
        if is_described
        else "",
        "is_open": _takes_comments(video),
        "is_picture_first": is_picture_first,
    }
    if apart != "embed":
        response = render_page(request, "videos/watch.html", viewer, context)
        if apart == "dock":  # the studio shows it in a frame
            response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_OWN_FRAME
            response.headers["X-Frame-Options"] = "SAMEORIGIN"
        position = Position(state["epoch"], state["seq"])
        return shared(response, viewer, shown.read_at, partial(_is_current, state["topic"], position))
    response = render(request, "videos/watch.html", {"now_ms": to_ms(timezone.now()), **context})
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_FRAMED
    response.xframe_options_exempt = True
    return response


def _is_current(topic: TopicName, position: Position) -> bool:
    """Whether a page says what is durable as this node knows it. Likes and viewers may move: its stream brings them."""
    feed = process.node().feeds.get(topic)
    return feed is not None and feed.is_ready and feed.position == position


async def watch_later(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """Send what a watch page holds beside what one sees first. Of the video it knows the address, which may be none."""
    language = languages.named_in(request)
    context = {
        "path": reverse("watch", args=[video_id]),
        "name_max": NAME_MAX,
        "comment_max": BODY_MAX,
        "comment_max_bytes": BODY_MAX_BYTES,
    }
    response = render(request, "videos/_watch_later.html", context)
    response.headers["Cache-Control"] = "public, max-age=60"
    response.headers["Content-Language"] = language
    return response


@page
async def captions(request: HttpRequest, video_id: str, language: str) -> HttpResponse:
    """Send the captions of a recording as WebVTT; 404 where there are none, or no such video for this viewer."""
    viewer = await viewer_on(request)
    try:
        text = await backend_threads.run(captions_of, UUID(video_id), viewer, language)
    except NotFound:
        raise Http404 from None
    response = HttpResponse(text, content_type="text/vtt; charset=utf-8")
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def _takes_comments(video: Row) -> bool:
    """Return whether viewers may comment. static/js/watch/state.js follows the same rule."""
    has_time = video["status"] != Video.Status.ENDED or video["comments_after_end"]
    return bool(video["comments_enabled"] and has_time)


def _plays(video: Row) -> bool:
    """Return whether a live picture plays. static/js/watch/scene.js follows the same rule."""
    is_there = video["picture"]["state"] in ("", Video.Picture.LIVE)
    return bool(video["status"] == Video.Status.LIVE and video["playlist"] and is_there)


def _by_count(row: Row) -> int:
    return -int(row["count"])


def _videos_of(viewer: Viewer) -> list[Row]:
    own = Video.objects.filter(owner=viewer).select_related("owner").order_by("-id")
    return full_json(list(own[:STUDIO_VIDEOS_MAX]))


@page
async def studio(request: HttpRequest) -> HttpResponse:
    """Show a broadcaster their own videos. Everything done there goes through the REST API."""
    viewer = await viewer_on(request)
    if viewer is None:
        return redirect(f"{settings.LOGIN_URL}?next={request.path}")
    if viewer.is_guest and not may_broadcast(viewer):
        return forbidden(request, viewer)
    videos = await with_viewers(await backend_threads.run(_videos_of, viewer))
    unique = await backend_threads.run(uniques, [video["topic"] for video in videos])
    for video in videos:
        video["unique"] = max(unique.get(video["topic"], 0), video["viewers"]["peak"])
    await add_posters(videos)
    context = {
        "videos": videos,
        "blank": {**BLANK, "broadcaster": {"name": viewer.name}},
        "statuses": dict(Video.Status.choices),
        "visibilities": dict(Video.Visibility.choices),
        "takes_pages": settings.LIVE_RTMP_PORT > 0 and settings.LIVE_PAGE_PORT > 0,
        "playlist_origins": settings.LIVE_PLAYLIST_ORIGINS,
        "pull_origins": settings.LIVE_PULL_ORIGINS,
    }
    response = render_page(request, "videos/studio.html", viewer, context)
    response["Permissions-Policy"] = PERMISSIONS_WITH_CAMERA
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY_FRAMING
    return response


async def _may_see_picture(request: HttpRequest, video_id: UUID) -> str:
    """Return "public" when anybody may see the video's picture, "private" when this viewer may.

    Raises NotFound, StoreUnavailable. What anybody may see is remembered for OPEN_SECONDS: a broadcast with
    1,000 viewers asks here 2,000 times a second. One of them looks again before that, the others need not wait for it.
    """
    now = time.monotonic()
    left = _open_until.get(video_id, 0.0) - now
    if left > RENEW_SECONDS or (left > 0 and video_id in _renewing):
        return "public"
    _renewing.add(video_id)
    try:
        return await _look_up(request, video_id, now)
    except StoreUnavailable:
        if left > 0:
            return "public"
        raise
    finally:
        _renewing.discard(video_id)


async def _look_up(request: HttpRequest, video_id: UUID, now: float) -> str:
    try:
        await backend_threads.run(visible_video, video_id, None)
    except NotFound:
        _open_until.pop(video_id, None)
        await backend_threads.run(visible_video, video_id, await viewer_on(request))
        return "private"
    if len(_open_until) >= OPEN_MAX:
        _open_until.clear()
    _open_until[video_id] = now + OPEN_SECONDS
    return "public"


async def _audience(request: HttpRequest, video_id: str) -> str:
    """Return who may keep the answer, for somebody who may have it. Another node has asked its viewer for the right."""
    if has_pass(request.headers.get(PASS), video_id):
        return "private"
    return await _may_see_picture(request, UUID(video_id))


async def _find(request: HttpRequest, video_id: str, name: str, hold: Hold) -> ReadPlaylist | LargeFile | BinaryIO:
    """Return the file, from this machine or, for a viewer, from elsewhere."""
    try:
        return await Picture(folder_of(video_id), playlists, hold).find(name, request.GET)
    except FileNotFoundError:
        others = elsewhere()
        if others is None or PASS in request.headers:
            raise
    return await hold(others.find(video_id, name, request.GET))


async def media(request: HttpRequest, video_id: str, name: str) -> HttpResponse:
    """Send a playlist, a segment, captions or the poster of a video that the viewer may see.

    A playlist that is asked for what comes next, and a part that it has announced, are held back until they are there.
    What is not here may be elsewhere. The URL pattern admits plain names only. Runs past the pages' middleware: players
    ask twice a second.
    """
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    audience = ""

    async def hold(waiting: Coroutine[Any, Any, T]) -> T:
        nonlocal audience
        came = await while_there(request, waiting)
        audience = await _audience(request, video_id)  # it may have been taken meanwhile
        return came

    try:
        audience = await _audience(request, video_id)
        disposition = await backend_threads.run(_disposition, UUID(video_id)) if name == DOWNLOAD else ""
        found = await _find(request, video_id, name, hold)
    except BadDirective as mistake:
        return error(400, "bad_request", str(mistake))
    except WaitEnded as ended:
        return _come_again(ended)
    except MediaAway as away:
        return media_away(away)
    except StoreUnavailable as away:
        return unavailable(away)
    except (NotFound, OSError):
        # OSError: the segment was deleted meanwhile, or the broadcast has not begun.
        return HttpResponseNotFound()
    if isinstance(found, ReadPlaylist):
        return answer_playlist(request, found, name, audience=audience)
    if isinstance(found, LargeFile):
        made = answer_large(request, found, name, audience=audience)
    else:
        made = answer(request, found, name, audience=audience)
    if disposition:
        made.headers["Content-Disposition"] = disposition
    elif isinstance(made, FilePart) and made.status_code == 200 and audience == "public" and never_changes(name):
        made.holds_until = _open_until.get(UUID(video_id))
    return made


def _disposition(video_id: UUID) -> str:
    """Return under which name a browser keeps the recording. Source: RFC 6266."""
    video = read_video(video_id)
    name = file_name(video.title, video.started_at, ".mp4") if video else DOWNLOAD
    return content_disposition_header(True, name) or ""


async def media_right(request: HttpRequest, video_id: str) -> HttpResponse:
    """Say to a proxy that keeps pictures whether the viewer may see the video's: 204 or 403.

    `Live-Audience` says for whom the answer holds: `public`, for two seconds, or `private`, for this viewer alone.
    """
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    try:
        _open_until.pop(UUID(video_id), None)  # what is remembered here, the proxy would remember once more
        audience = await _audience(request, video_id)
    except StoreUnavailable as away:
        return unavailable(away)
    except NotFound:
        return error(403, "forbidden", "There is no such video, or it is not for you.")
    response = HttpResponse(status=204)
    response.headers["Live-Audience"] = audience
    response.headers["Cache-Control"] = f"public, max-age={RIGHT_SECONDS}" if audience == "public" else "no-store"
    return response


def _come_again(ended: WaitEnded) -> HttpResponse:
    response = error(503, "unavailable", str(ended), retry_seconds=1)
    if process.is_draining:
        response.headers["Connection"] = "close"  # the next request goes to another node
    return response
