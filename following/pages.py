"""The pages of channels: home with those that one follows, a channel's own page, search.

Called by the URLs. A page needs no script to be read. Everything here is async: these pages stay on the event loop.
"""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts import portraits
from accounts.models import Viewer
from accounts.pages import page, render_page, viewer_on
from following.limits import SEARCHES
from following.reading import ChannelFacts, channel_named, newest_of, read_follow, read_followed, videos_of
from following.search import search as find
from following.text import QUERY_MAX
from realtime import act_limits
from realtime.limits import Limited
from realtime.log.threads import backend_threads
from videos.models import Video
from videos.syndication import FEED_MAX, feed_of
from videos.thumbnails import add_posters
from videos.topics import CARDS, full_json, list_cards, with_viewers
from web.refusals import NotFound

CARDS_MAX = 24


@page
async def home(request: HttpRequest) -> HttpResponse:
    """Show the channels that one follows, and what is live, what comes and what was, newest first."""
    viewer = await viewer_on(request)
    found = await list_cards(CARDS_MAX)
    followed = await backend_threads.run(read_followed, viewer.id) if viewer is not None else []
    await add_posters([card for cards in found.values() for card in cards])
    ids = {channel["id"] for channel in followed}
    live = sorted(found["live"], key=lambda card: card["broadcaster"]["id"] not in ids)
    context = {"followed": followed, "live": live, "upcoming": found["upcoming"], "recent": found["ended"]}
    return render_page(request, "videos/home.html", viewer, context)


@page
async def channel(request: HttpRequest, name: str) -> HttpResponse:
    """Show a broadcaster: who they are, what is live, what comes and what was. 404 for somebody who is none."""
    viewer = await viewer_on(request)
    try:
        state = await backend_threads.run(_read, name, viewer)
    except NotFound:
        raise Http404 from None
    if state["channel"].path != request.path:
        return redirect(state["channel"].path)
    videos = await with_viewers(state.pop("videos"))
    await add_posters(videos)
    by_status = {status: [video for video in videos if video["status"] == status] for status in CARDS}
    shown = {"live": by_status["live"], "upcoming": by_status["upcoming"], "recent": by_status["ended"]}
    return render_page(request, "following/channel.html", viewer, {**state, **shown})


def _read(name: str, viewer: Viewer | None) -> dict[str, Any]:
    """Return what the page of a channel shows. Raises NotFound."""
    found = channel_named(name)
    videos = [video for status, by in CARDS.items() for video in videos_of(found.id, status, by, CARDS_MAX)]
    return {
        "channel": found,
        "follow": read_follow(found.id, viewer),
        "portrait": portraits.path_of(found.id),
        "is_own": viewer is not None and viewer.id == found.id,
        "videos": full_json(videos),
    }


@page
async def feed(request: HttpRequest, name: str) -> HttpResponse:
    """Send the newest public videos of a channel as RSS, whatever their state."""

    def read() -> tuple[ChannelFacts, list[Video]]:
        found = channel_named(name)
        return found, newest_of(found.id, FEED_MAX)

    try:
        found, videos = await backend_threads.run(read)
    except NotFound:
        raise Http404 from None
    return feed_of(request, videos, title=found.name, path=found.path, about=found.about or found.name)


@page
async def search(request: HttpRequest) -> HttpResponse:
    """Show the channels and videos that fit the words of `q`."""
    viewer = await viewer_on(request)
    asked = " ".join(request.GET.get("q", "").split())[:QUERY_MAX]
    context: dict[str, Any] = {"asked": asked, "channels": [], "videos": []}
    if asked:
        try:
            act_limits.take(SEARCHES, act_limits.network(request))
        except Limited as limited:
            return _too_often(request, viewer, asked, limited)
        context |= await _found(asked)
    return render_page(request, "following/search.html", viewer, context)


async def _found(asked: str) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        found = find(asked)
        return {"channels": found.channels, "videos": full_json(found.videos)}

    context = await backend_threads.run(read)
    await with_viewers(context["videos"])
    await add_posters(context["videos"])
    return context


def _too_often(request: HttpRequest, viewer: Viewer | None, asked: str, limited: Limited) -> HttpResponse:
    context = {"asked": asked, "channels": [], "videos": [], "wait_seconds": limited.retry_seconds}
    response = render_page(request, "following/search.html", viewer, context)
    response.status_code = 429
    response.headers["Retry-After"] = str(limited.retry_seconds)
    return response
