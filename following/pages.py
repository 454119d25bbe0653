"""The pages of channels: home with those that one follows, a channel's own page, search.

Called by the URLs. A page needs no script to be read. Everything here is async: these pages stay on the event loop.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy

from accounts import portraits
from accounts.models import Viewer
from accounts.pages import page, render_page, shared, viewer_on
from following.limits import SEARCHES
from following.reading import ChannelFacts, channel_named, newest_of, read_channel_for, read_follow, read_followed
from following.search import search as find
from realtime import act_limits
from realtime.limits import Limited
from realtime.log.threads import backend_threads
from videos.cards import ORDERS, Cards, Place, complete, describe, place_of, read_cards
from videos.friends import Friends, friends_at
from videos.front import CARDS_MAX, front_for
from videos.models import Video
from videos.syndication import FEED_MAX, feed_of
from videos.thumbnails import add_posters
from videos.topics import full_json, with_viewers
from web.refusals import NotFound
from web.searching import QUERY_MAX

TITLES = {
    "live": gettext_lazy("Live now"),
    "upcoming": gettext_lazy("Upcoming"),
    "ended": gettext_lazy("Past broadcasts"),
}


@page
async def home(request: HttpRequest) -> HttpResponse:
    """Show the channels that one follows, and what is live, what comes and what was, newest first."""
    viewer = await viewer_on(request)
    found = await front_for(viewer)
    followed = await backend_threads.run(read_followed, viewer.id) if viewer is not None else []
    live = found.lists["live"]
    friends = await _friends_at(live.items, viewer)
    ids = {channel["id"] for channel in followed}
    cards = [{**card, "friends": (friends or {}).get(UUID(card["id"]))} for card in live.items]
    context = {
        **found.lists,
        "live": replace(live, items=sorted(cards, key=lambda card: card["broadcaster"]["id"] not in ids)),
        "followed": followed,
        "has_friends": friends is not None,
        "for_all": found.lists,
        "drawn": found.drawn,
    }
    return shared(render_page(request, "videos/home.html", viewer, context), viewer, found.read_at)


async def _friends_at(cards: Sequence[dict[str, Any]], viewer: Viewer | None) -> Mapping[UUID, Friends] | None:
    """Return which friends of the viewer watch what the cards show; None: they have no friends."""
    return await friends_at([UUID(card["id"]) for card in cards], viewer) if viewer is not None and cards else None


@page
async def channel(request: HttpRequest, name: str) -> HttpResponse:
    """Show a broadcaster: who they are, what is live, what comes and what was. 404 for somebody who is none."""
    viewer = await viewer_on(request)
    began_at = time.monotonic()
    try:
        state = await backend_threads.run(_read, name, viewer)
    except NotFound:
        raise Http404 from None
    if state["channel"].path != request.path:
        return redirect(state["channel"].path)
    await complete(state[status] for status in ORDERS)
    return shared(render_page(request, "following/channel.html", viewer, state), viewer, began_at)


def _read(name: str, viewer: Viewer | None) -> dict[str, Any]:
    """Return what the page of a channel shows. Raises NotFound."""
    found = read_channel_for(viewer, name)
    lists = {status: read_cards(status, CARDS_MAX, channel_id=found.id) for status in ORDERS}
    describe(lists.values())
    return {
        "channel": found,
        "follow": read_follow(found.id, viewer),
        "portrait": portraits.path_of(found.id),
        "is_own": viewer is not None and viewer.id == found.id,
        **lists,
    }


@page
async def listed(request: HttpRequest, status: str, name: str = "") -> HttpResponse:
    """Show public videos of a status, of one channel or of all, a page at a time. `?after=`: where the page begins."""
    viewer = await viewer_on(request)
    began_at = time.monotonic()
    try:
        after = place_of(request.GET["after"]) if "after" in request.GET else None
        found, cards = await backend_threads.run(_read_list, status, name, after)
    except (ValueError, NotFound):
        raise Http404 from None
    if found is not None and request.path != f"{found.path}{status}/":
        return redirect(f"{found.path}{status}/")
    await complete([cards])
    context = {"title": TITLES[status], "channel": found, "cards": cards, "is_later_page": after is not None}
    return shared(render_page(request, "following/list.html", viewer, context), viewer, began_at)


def _read_list(status: str, name: str, after: Place | None) -> tuple[ChannelFacts | None, Cards]:
    """Return the channel, if one is named, and the page of its list. Raises NotFound."""
    found = channel_named(name) if name else None
    cards = read_cards(status, CARDS_MAX, after=after, channel_id=found.id if found else None)
    describe([cards])
    return found, cards


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
