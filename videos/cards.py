"""Public videos of a status, a page at a time: what the home page, channels and the lists behind them show as cards.

Called by the pages of following. Each list has the order of an index (videos.models), so that a page costs the same
however many videos there are. A page begins after the last card of the one before, whatever has come or gone meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from realtime.log.threads import backend_threads
from videos.models import NO_TIME, Video
from videos.reading import read_videos
from videos.thumbnails import add_posters
from videos.topics import full_json, with_viewers

_CURSOR = re.compile(r"(\d{1,18})-([0-9a-f]{32})")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Order(NamedTuple):
    """By which moment a list is in order, as a column and as SQL, and whether its newest is first."""

    column: str
    moment: str
    newest_first: bool


ORDERS: dict[str, Order] = {
    Video.Status.LIVE: Order("started_at", "video.started_at", True),
    Video.Status.UPCOMING: Order("starts_at", f"coalesce(video.starts_at, '{NO_TIME.isoformat()}')", False),
    Video.Status.ENDED: Order("ended_at", "video.ended_at", True),
}


class Place(NamedTuple):
    """Where a page begins: after this video."""

    moment: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{(self.moment - _BEGINNING) // _MICROSECOND}-{self.id.hex}"


def place_of(text: str) -> Place:
    """Return the place that an address names. Raises ValueError."""
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise ValueError("not a place in a list")
    try:
        return Place(_BEGINNING + int(found[1]) * _MICROSECOND, UUID(found[2]))
    except OverflowError:
        raise ValueError("not a time") from None


@dataclass(slots=True)
class Cards:
    """A page of a list. `next`: the place where the one after it begins, "" for the last.

    `items`: the videos as REST has them, each with its `poster`, "" for none.
    """

    videos: list[Video]
    next: str
    items: list[dict[str, Any]] = field(default_factory=list)


def read_cards(status: str, limit: int, *, after: Place | None = None, channel_id: UUID | None = None) -> Cards:
    """Return public videos of a status, of one channel or of all, without `items`. One query."""
    by = ORDERS[status]
    chosen, values = f"WHERE status = '{status}' AND visibility = 'public'", list[Any]()
    if channel_id is not None:
        chosen, values = f"{chosen} AND video.owner_id = %s", [channel_id]
    if after is not None:
        chosen = f"{chosen} AND ({by.moment}, video.id) {'<' if by.newest_first else '>'} (%s, %s)"
        values += after
    direction = "DESC" if by.newest_first else "ASC"
    ordered = f"{chosen} ORDER BY {by.moment} {direction}, video.id {direction} LIMIT %s"
    found = read_videos(ordered, *values, limit + 1)
    shown = found[:limit]
    return Cards(shown, _place(shown[-1], by) if len(found) > limit else "")


def _place(video: Video, by: Order) -> str:
    return str(Place(getattr(video, by.column) or NO_TIME, video.id))


def describe(lists: Collection[Cards]) -> None:
    """Fill in the items, but for who is watching now. Two queries for all lists."""
    every = {item["id"]: item for item in full_json([video for cards in lists for video in cards.videos])}
    for cards in lists:
        cards.items = [every[id] for video in cards.videos if (id := str(video.id)) in every]


async def complete(lists: Iterable[Cards]) -> None:
    """Fill in who is watching now, and the pictures."""
    every = [card for cards in lists for card in cards.items]
    await with_viewers(every)
    await add_posters(every)


async def list_cards(limit: int) -> dict[str, Cards]:
    """Return the first page of each status. Raises StoreUnavailable."""

    def read() -> dict[str, Cards]:
        found = {status: read_cards(status, limit) for status in ORDERS}
        describe(found.values())
        return found

    lists = await backend_threads.run(read)
    await complete(lists.values())
    return lists
