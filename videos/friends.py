"""Which friends of a viewer watch a video now. Called by the API, the home page and the watch page by its API.

A friend is somebody that the viewer has talked with (accounts.circles), who does not hide. Where they are is known from
the shared table, by which viewers are counted. It is never stored.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F
from django.utils.translation import ngettext

from accounts.circles import friends
from accounts.models import Viewer
from accounts.representation import with_picture
from realtime.events import TopicName
from realtime.log.threads import backend_threads
from realtime.node.process import key_of
from realtime.table.redis import shared_table
from realtime.table.scripts import TableUnavailable
from videos.words import WATCH
from web.text import isolated

FRIENDS_MAX = 200
"""Of one viewer, of those who were here last."""
SHOWN_MAX = 3


@dataclass(frozen=True, slots=True)
class Friends:
    """Those who watch one video, by name."""

    people: Sequence[dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        return {"people": list(self.people[:SHOWN_MAX]), "count": len(self.people)}

    def __str__(self) -> str:
        """Return it in words, as static/js/watch/friends.js does."""
        name, *others = (isolated(each["name"]) for each in self.people)
        if not others:
            return str(WATCH["friends_one"]).format(name=name)
        if len(others) == 1:
            return str(WATCH["friends_two"]).format(name=name, other=others[0])
        more = ngettext(
            "{name} and {n} other friend are watching", "{name} and {n} other friends are watching", len(others)
        )
        return more.format(name=name, n=len(others))


async def friends_at(video_ids: Sequence[UUID], viewer: Viewer) -> Mapping[UUID, Friends] | None:
    """Return for each video, where there are any, the friends of the viewer who watch it; None: they have no friends.

    Three queries, one for who has no friends. With more than 32,768 viewers some are not found, and without the shared
    table nobody is. Raises StoreUnavailable.
    """
    people = await backend_threads.run(_friends_of, viewer.id)
    keys: dict[int, dict[str, Any]] = {key_of(f"viewer {each['id']}"): each for each in people}
    if not keys:
        return None
    found: dict[UUID, Friends] = {}
    with contextlib.suppress(TableUnavailable):
        table = shared_table()
        asked = (table.present(TopicName(f"video:{id}"), list(keys)) for id in video_ids)
        for id, there in zip(video_ids, await asyncio.gather(*asked), strict=True):
            if there:
                found[id] = Friends(sorted((keys[key] for key in there), key=lambda each: (each["name"], each["id"])))
    return found


def _friends_of(viewer_id: UUID) -> list[dict[str, Any]]:
    ids = {id for circle in friends for id in circle(viewer_id)}
    if not ids:
        return []
    shown = Viewer.objects.filter(id__in=ids, is_active=True, is_hidden=False).order_by(
        F("last_active_at").desc(nulls_last=True)
    )
    return [with_picture(each) for each in shown.only("id", "name", "picture")[:FRIENDS_MAX]]
