"""Videos for other programs: a feed of what there is, a planned start for calendars, a player for other sites' editors.

Called by the URLs. What is public is in the feed; who has the address of an unlisted video may also put it into a
calendar or another page. Sources: RSS 2.0; RFC 5545 (iCalendar); oEmbed 1.0, https://oembed.com/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import Resolver404, resolve, reverse
from django.utils import timezone
from django.utils.feedgenerator import Rss201rev2Feed
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from accounts.pages import page, viewer_on
from realtime.answers import error
from realtime.log.threads import backend_threads
from videos.models import Video
from videos.reading import read_videos
from videos.representation import video_json
from videos.text import file_name
from videos.thumbnails import picture_urls
from videos.topics import visible_video
from web.refusals import NotFound
from web.script_json import script_json

FEED_MAX = 50
FEED_SECONDS = 60
PLANNED_LENGTH = timedelta(hours=1)
"""Nobody knows how long a broadcast will be, and an event without a length is easily missed."""
REMINDED_BEFORE = timedelta(minutes=10)
WIDTH, HEIGHT = 640, 360
SMALLEST = 200
"""Players narrower than that show nothing."""


@page
async def feed(request: HttpRequest) -> HttpResponse:
    """Send the newest public videos as RSS, whatever their state."""
    videos = await backend_threads.run(_newest)
    about = _("Live video with live likes and comments.")
    return feed_of(request, videos, title="liveplatform", path="/", about=about)


def feed_of(request: HttpRequest, videos: Sequence[Video], *, title: str, path: str, about: str) -> HttpResponse:
    """Return these videos as RSS. `path`: of the page that shows them."""
    made = Rss201rev2Feed(
        title=title,
        link=request.build_absolute_uri(path),
        description=about,
        feed_url=request.build_absolute_uri(),
        ttl=FEED_SECONDS // 60,
    )
    for video in videos:
        address = _address(request, video)
        made.add_item(
            title=video.title,
            link=address,
            description=video.description,
            author_name=video.owner.name,
            pubdate=video.started_at or video.created_at,
            unique_id=address,
            categories=[video.get_status_display()],
        )
    response = HttpResponse(made.writeString("utf-8"), content_type=made.content_type)
    response.headers["Cache-Control"] = f"public, max-age={FEED_SECONDS}"
    return response


def _newest() -> list[Video]:
    return read_videos("WHERE visibility = 'public' ORDER BY video.id DESC LIMIT %s", FEED_MAX)


@page
async def calendar(request: HttpRequest, video_id: UUID) -> HttpResponse:
    """Send the planned start of a video as an event with a reminder; 404 for one that has begun, or has no time."""
    from icalendar import Alarm, Calendar, Event  # 50 ms of a node's start, for a page that few ask for

    video = await _visible(request, video_id)
    if video.status != Video.Status.UPCOMING or video.starts_at is None:
        raise Http404
    event = Event()
    event.add("uid", f"{video.id}@{request.get_host()}")
    event.add("dtstamp", timezone.now())
    event.add("dtstart", video.starts_at)
    event.add("dtend", video.starts_at + PLANNED_LENGTH)
    event.add("summary", video.title)
    event.add("description", f"{video.description}\n\n{_address(request, video)}".strip())
    event.add("url", _address(request, video))
    reminder = Alarm()
    reminder.add("action", "DISPLAY")
    reminder.add("description", video.title)
    reminder.add("trigger", -REMINDED_BEFORE)
    event.add_component(reminder)
    made = Calendar()
    made.add("prodid", "-//liveplatform//EN")
    made.add("version", "2.0")
    made.add_component(event)
    response = HttpResponse(made.to_ical(), content_type="text/calendar; charset=utf-8")
    name = file_name(video.title, video.starts_at, ".ics")
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or ""
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@page
async def oembed(request: HttpRequest) -> HttpResponse:
    """Say how another site shows the video at `url`: as JSON, with a player no larger than it has room for."""
    if request.GET.get("format", "json") != "json":
        return error(501, "not_implemented", "Only JSON is sent.")
    try:
        room = [int(request.GET.get(name, default)) for name, default in (("maxwidth", WIDTH), ("maxheight", HEIGHT))]
    except ValueError:
        return error(400, "invalid", "maxwidth and maxheight are whole numbers.")
    try:
        video = await backend_threads.run(visible_video, _named(request), None)
    except NotFound:
        raise Http404 from None
    width = max(SMALLEST, min(room[0], room[1] * WIDTH // HEIGHT))
    response = JsonResponse(await _player(request, video, width, width * HEIGHT // WIDTH))
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = f"public, max-age={FEED_SECONDS}"
    return response


async def _player(request: HttpRequest, video: Video, width: int, height: int) -> dict[str, Any]:
    """Return the answer of oEmbed."""
    address = _address(request, video)
    answer: dict[str, Any] = {
        "version": "1.0",
        "type": "video",
        "title": video.title,
        "author_name": video.owner.name,
        "provider_name": "liveplatform",
        "provider_url": request.build_absolute_uri("/"),
        "cache_age": FEED_SECONDS,
        "width": width,
        "height": height,
        "html": format_html(
            '<iframe src="{}?as=embed" width="{}" height="{}" title="{}" allow="autoplay; fullscreen" allowfullscreen'
            ' loading="lazy"></iframe>',
            *(address, width, height, video.title),
        ),
    }
    posters = await asyncio.to_thread(picture_urls, [video_json(video)])
    if poster := posters.get(str(video.id)):
        answer |= {
            "thumbnail_url": request.build_absolute_uri(poster),
            "thumbnail_width": width,
            "thumbnail_height": height,
        }
    return answer


def structured_data(video: Mapping[str, Any], *, address: str, poster: str) -> SafeString:
    """Return what a watch page says about its video to search engines. Source: https://schema.org/VideoObject."""
    began_ms = video["started_at_ms"] or video["starts_at_ms"]
    said = {
        "@context": "https://schema.org",
        "@type": "VideoObject",
        "name": video["title"],
        "description": video["description"][:160] or video["title"],
        "thumbnailUrl": poster,
        "uploadDate": _iso(began_ms),
        "embedUrl": f"{address}?as=embed",
        "publication": {
            "@type": "BroadcastEvent",
            "isLiveBroadcast": video["status"] == Video.Status.LIVE,
            "startDate": _iso(began_ms),
            "endDate": _iso(video["ended_at_ms"]),
        },
    }
    return script_json(said)


def _iso(at_ms: int | None) -> str | None:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds") if at_ms is not None else None


def _named(request: HttpRequest) -> UUID:
    """Return the video that the request names by its address. Raises Http404 for an address that is not ours."""
    try:
        parts = urlsplit(request.GET.get("url", ""))
        found = resolve(parts.path)
    except (ValueError, Resolver404):
        raise Http404 from None
    if parts.netloc != request.get_host() or found.url_name != "watch":
        raise Http404
    video_id: UUID = found.kwargs["video_id"]
    return video_id


async def _visible(request: HttpRequest, video_id: UUID) -> Video:
    try:
        return await backend_threads.run(visible_video, video_id, await viewer_on(request))
    except NotFound:
        raise Http404 from None


def _address(request: HttpRequest, video: Video) -> str:
    return request.build_absolute_uri(reverse("watch", args=[video.id]))
