"""Who has a name: nobody else may take it, nor one that looks like it (accounts.lookalikes).

The names of accounts are kept from everybody. Those of people at a video are kept from guests who come in there. Called
where guests are made, and by all doors at which an account gets a name. What a guest writes is looked at again when it
is stored (videos.screened): an account may have taken the name meanwhile.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from accounts.lookalikes import name_key
from accounts.models import NAME_MAX, Viewer
from realtime.log.threads import backend_threads
from web.refusals import Conflict

NAMESAKES_MAX = 50
"""Of the guests who have one name only the newest are looked at, so a name that thousands have costs no more."""
FRESH = timedelta(minutes=1)
SLICE = 1_000
_NUMBER = re.compile(r" \d+$")

Present = Callable[[UUID, Sequence[UUID]], Awaitable[bool]]
"""Called with the id of a video and the ids of viewers: whether one of them is there."""
presents: list[Present] = []
"""Apps add theirs at start."""


def claim(name: str, *, owner_id: UUID | None = None) -> None:
    """Keep a name for an account. Raises Conflict. Call it in the transaction that writes the row.

    Of two who claim a name at once the second waits, and then finds the row of the first. Two queries.
    """
    key = name_key(name)
    _lock(key)
    if any(viewer.id != owner_id and not viewer.is_guest for viewer in _namesakes(key)):
        raise _taken(name)


def claim_as_guest(name: str, *, came_to: UUID | None = None) -> None:
    """Check that no account has the name. Raises Conflict. Two queries, in the transaction that writes the row.

    `came_to`: the video where they come in. Who has just come in there is not seen yet (`presents`), but has the name.
    """
    key = name_key(name)
    _lock(key)
    fresh_ms = (timezone.now() - FRESH).timestamp() * 1000
    for viewer in _namesakes(key):
        is_new = viewer.id.int >> 80 >= fresh_ms  # an id begins with the time in ms
        if not viewer.is_guest or (is_new and came_to is not None and viewer.came_to == came_to):
            raise _taken(name)


async def check_at(video_id: UUID, name: str, namesakes: Sequence[UUID]) -> None:
    """Check that none of the namesakes is at the video. Raises Conflict, StoreUnavailable."""
    for is_present in presents:
        if namesakes and await is_present(video_id, namesakes):
            raise await backend_threads.run(_taken, name)


def namesakes(name: str) -> list[UUID]:
    """Return who has the name or one that looks like it, accounts first, then the newest guests. One query."""
    return [viewer.id for viewer in _namesakes(name_key(name))]


def numbered(name: str, viewer_id: UUID) -> str:
    """Return the name with a number that is the viewer's own: for those who keep a name that others have too."""
    number = f" {1000 + viewer_id.int % 9000}"
    return name[: NAME_MAX - len(number)].rstrip() + number


def settle(viewer: Viewer) -> None:
    """Have somebody who becomes an account keep their name, or if another account has it, that with a number.

    Without a name they get their username, which the form has claimed.
    """
    try:
        if viewer.name:
            claim(viewer.name, owner_id=viewer.id)
    except Conflict:
        viewer.name = numbered(viewer.name, viewer.id)


def fill() -> int:
    """Give their keys to viewers that older code has written, in short transactions. Returns how many."""
    filled = 0
    while slice := _fill_slice():
        filled += slice
    return filled


@transaction.atomic
def _fill_slice() -> int:
    """Lock the rows in the order of their ids, as a batch of comments does that renames guests."""
    without = Viewer.objects.select_for_update(no_key=True).filter(name_key="").exclude(name="").order_by("id")
    viewers = list(without.only("name")[:SLICE])
    for viewer in viewers:
        viewer.name_key = name_key(viewer.name)
    return Viewer.objects.bulk_update(viewers, ["name_key"]) if viewers else 0


def _lock(key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"name {key}"])


def _namesakes(key: str) -> Iterable[Viewer]:
    found = Viewer.objects.filter(name_key=key).order_by("is_guest", "-id")
    return found.only("is_guest", "came_to")[:NAMESAKES_MAX]


def _taken(name: str) -> Conflict:
    return Conflict(
        "Somebody has this name, or one that looks like it. This one is free: {free}",
        code="name_taken",
        free=_free(name),
    )


def _free(name: str) -> str:
    """Return the name with a number that nobody has. One query."""
    stem = _NUMBER.sub("", name)[: NAME_MAX - 5].rstrip()
    numbers = [*range(2, 10), *(1000 + secrets.randbelow(9000) for _ in range(5))]
    keys = {f"{stem} {number}": name_key(f"{stem} {number}") for number in numbers}
    had = set(Viewer.objects.filter(name_key__in=keys.values()).values_list("name_key", flat=True))
    return next((free for free, key in keys.items() if key not in had), next(reversed(keys)))
