"""Finds channels and videos by words (web.searching). Called by the API and the page. Only what is public is found."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from following.reading import ChannelFacts, read_channels
from videos.models import Video
from videos.reading import read_videos
from web.searching import search_query, searched
from web.statements import rows

CHANNELS_MAX, VIDEOS_MAX = 12, 24
CANDIDATES_MAX = 500
"""So many are put in order by how well they fit: the newest ones."""

VIDEO_WORDS = searched("title || ' ' || description")
NAME_WORDS = searched("name")
CHANNEL_WORDS = searched("coalesce(handle, '') || ' ' || about")
MAKES_VIDEOS = "(is_broadcaster OR is_staff OR is_superuser)"
"""Those whose names are in the index."""

_VIDEOS = (
    "WHERE video.id IN (SELECT id FROM videos_video WHERE visibility = 'public'"
    f" AND {VIDEO_WORDS} @@ to_tsquery('simple', %s) ORDER BY id DESC LIMIT {CANDIDATES_MAX})"
    " ORDER BY status = 'live' DESC,"
    f" ts_rank({searched('title')}, to_tsquery('simple', %s)) DESC, video.id DESC LIMIT %s"
)
_CHANNEL_IDS = (
    f"SELECT id FROM accounts_viewer WHERE {MAKES_VIDEOS} AND {NAME_WORDS} @@ to_tsquery('simple', %s)"
    f" UNION SELECT owner_id FROM following_channel WHERE {CHANNEL_WORDS} @@ to_tsquery('simple', %s)"
    f" LIMIT {CANDIDATES_MAX}"
)
_CHANNELS = "v.id = ANY(%s) ORDER BY coalesce(c.followers, 0) DESC, v.id LIMIT %s"


@dataclass(frozen=True, slots=True)
class SearchResult:
    channels: list[ChannelFacts]
    videos: list[Video]


def search(text: str) -> SearchResult:
    """Return what fits the words best: channels with the most followers, videos that are live, then by title.

    Three queries; nothing for a text without a word.
    """
    query = search_query(text)
    if not query:
        return SearchResult([], [])
    channels = read_channels(_CHANNELS, _channel_ids(query), CHANNELS_MAX)
    return SearchResult(channels, read_videos(_VIDEOS, query, query, VIDEOS_MAX))


def _channel_ids(query: str) -> list[UUID]:
    return [id for (id,) in rows(_CHANNEL_IDS, [query, query])]
