"""Reads channels: one, those that a viewer follows, and what they have. Called by acts, the API and the pages.

As text: to have Django make one of these queries takes some milliseconds, the query itself a tenth of that.
A viewer has a channel if they are a broadcaster, have a public video, or have described it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.lookalikes import name_key
from accounts.models import Viewer
from accounts.representation import person
from videos.models import Video
from videos.reading import read_videos
from videos.rights import may_broadcast
from web.refusals import Conflict, NotFound
from web.statements import rows

FOLLOWED_MAX = 30
_ADDRESS = re.compile(r"/(?:channels|people|rules)/([^/?#\s]+)")

HAS_CHANNEL = (
    "v.is_active AND (v.is_broadcaster OR c.handle IS NOT NULL OR c.about <> ''"
    " OR EXISTS (SELECT FROM videos_video WHERE owner_id = v.id AND visibility = 'public'))"
)
_CHANNELS = (
    "SELECT v.id, v.name, c.handle, coalesce(c.about, ''), coalesce(c.followers, 0)"
    " FROM accounts_viewer v LEFT JOIN following_channel c ON c.owner_id = v.id"
    f" WHERE {HAS_CHANNEL} AND "
)
_FOLLOWED = """
SELECT v.id, v.name, c.handle, live.id, live.title, f.alerts
FROM following_follow f JOIN accounts_viewer v ON v.id = f.channel_id JOIN following_channel c ON c.owner_id = v.id
LEFT JOIN LATERAL (
    SELECT id, title FROM videos_video WHERE owner_id = v.id AND status = 'live' AND visibility = 'public'
    ORDER BY started_at DESC LIMIT 1
  ) live ON true
WHERE f.viewer_id = %s AND v.is_active ORDER BY live.id IS NULL, f.created_at DESC, v.id LIMIT %s OFFSET %s
"""


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What everybody may read about a channel."""

    id: UUID
    name: str
    handle: str | None
    about: str
    followers: int

    @property
    def path(self) -> str:
        return channel_path(self.id, self.handle)

    def as_json(self) -> dict[str, Any]:
        return {
            **person(self),
            "handle": self.handle,
            "about": self.about,
            "followers": self.followers,
            "path": self.path,
        }


def channel_path(id: UUID, handle: str | None) -> str:
    return f"/channels/{handle or id}/"


def read_channels(chosen: str, *values: Any) -> list[ChannelFacts]:
    """Return the channels of the clauses `chosen`. One query."""
    return [ChannelFacts(*row) for row in rows(_CHANNELS + chosen, values)]


def read_channel(channel_id: UUID) -> ChannelFacts:
    """Return the channel. One query. Raises NotFound."""
    return _only(read_channels("v.id = %s", channel_id))


def channel_named(name: str) -> ChannelFacts:
    """Return the channel that an address names, by id or handle. One query. Raises NotFound."""
    try:
        return read_channel(UUID(name))
    except ValueError:
        return _only(read_channels("c.handle = %s", name.lower()))


def channel_written(text: str) -> ChannelFacts:
    """Return the channel that somebody means by its address, handle or id, or by its name where one channel has it.

    Two queries. Raises NotFound, Conflict.
    """
    text = text.strip()
    address = _ADDRESS.search(text)
    with suppress(NotFound):
        return channel_named(address[1] if address else text.removeprefix("@"))
    named = read_channels("v.name_key = %s LIMIT 2", name_key(text)) if text and not address else []
    if len(named) > 1:
        raise Conflict("Several channels have this name. Write the handle, or the address of the channel's page.")
    if not named:
        raise NotFound("No channel has this handle, name or address. Look at the channel's page for its address.")
    return named[0]


def _only(found: Sequence[ChannelFacts]) -> ChannelFacts:
    if not found:
        raise NotFound("There is no such channel.")
    return found[0]


def read_channel_for(viewer: Viewer | None, name: str) -> ChannelFacts:
    """Return the channel that an address names. Who may broadcast sees their own before it has anything to show.

    Raises NotFound.
    """
    try:
        return channel_named(name)
    except NotFound:
        if viewer is None or name != str(viewer.id) or not may_broadcast(viewer):
            raise
        return ChannelFacts(viewer.id, viewer.name, None, "", 0)


def read_follow(channel_id: UUID, viewer: Viewer | None) -> dict[str, Any] | None:
    """Return how the viewer follows the channel; None: they do not. One query, none for nobody in particular."""
    if viewer is None:
        return None
    statement = "SELECT alerts FROM following_follow WHERE viewer_id = %s AND channel_id = %s"
    found = rows(statement, [viewer.id, channel_id])
    return {"alerts": found[0][0]} if found else None


def read_followed(viewer_id: UUID, *, limit: int = FOLLOWED_MAX, offset: int = 0) -> list[dict[str, Any]]:
    """Return the channels that a viewer follows: those that are live, then the others, newest follow first.

    One query.
    """
    return [
        {
            "id": str(id),
            "name": name,
            "handle": handle,
            "path": channel_path(id, handle),
            "live": {"id": str(live_id), "title": title} if live_id is not None else None,
            "alerts": alerts,
        }
        for id, name, handle, live_id, title, alerts in rows(_FOLLOWED, [viewer_id, limit, offset])
    ]


def newest_of(channel_id: UUID, limit: int) -> list[Video]:
    """Return the newest public videos of a channel, whatever their state. One query."""
    chosen = "WHERE video.owner_id = %s AND visibility = 'public' ORDER BY video.id DESC LIMIT %s"
    return read_videos(chosen, channel_id, limit)
