"""Who watches a video: the numbers, and those of the viewers that the asker may know.

Hop: beside the path; called by the API and the studio. The numbers now come from the shared table, what lasts (peak,
how many there were in all) from the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.circles import acquaintances, strangers
from accounts.models import Viewer
from accounts.permissions import holders, holds
from accounts.representation import with_picture
from moderation.models import Role
from moderation.roles import moderates
from realtime.events import TopicName
from realtime.log.threads import backend_threads
from realtime.models import Audience, Topic
from realtime.node.process import key_of
from realtime.table.redis import shared_table
from realtime.table.scripts import TableUnavailable
from realtime.table.subscriptions import Watched
from videos.models import Video
from videos.representation import role_of
from videos.rights import MODERATE
from videos.screened import AT_VIDEO
from videos.topics import visible_video
from web.refusals import NotFound

PEOPLE_MAX_VIEWERS = 50  # in a bigger room only their number is shown
MODERATORS_MAX = 200
_KNOWN = (
    "SELECT 1 FROM unnest(%s::uuid[]) AS asked (id) JOIN videos_video v ON v.id = %s"
    f" WHERE {AT_VIDEO.format(viewer='asked.id', video='v.id', owner='v.owner_id')} LIMIT 1"
)
ROLES = ("broadcaster", "moderator", None)


def uniques(topics: Sequence[str]) -> dict[str, int]:
    """Return how many viewers each topic has had, each counted once. One query."""
    return {row.topic_id: row.unique for row in Audience.objects.filter(topic_id__in=topics)}


@dataclass(frozen=True, slots=True)
class _Room:
    """What the database knows of a video and of who asks for its viewers."""

    video: Video
    peak: int
    unique: int
    known: frozenset[UUID]
    unknown: frozenset[UUID]

    @classmethod
    def read(cls, video_id: UUID, viewer: Viewer | None) -> _Room:
        """Raises NotFound, also for a video that this viewer may not see."""
        video = visible_video(video_id, viewer)
        peak = Topic.objects.values_list("viewers_peak", flat=True).filter(name=video.topic).first()
        if peak is None:  # deleted meanwhile, by SQL perhaps
            raise NotFound("There is no such video.")
        known, unknown = (
            frozenset(id for circle in circles for id in circle(viewer.id)) if viewer is not None else frozenset[UUID]()
            for circles in (acquaintances, strangers)
        )
        if viewer is not None:
            unknown |= {viewer.id}
        return cls(video, peak, uniques([video.topic]).get(video.topic, 0), known, unknown)

    def candidates(self) -> set[UUID]:
        """Return all that the asker may know, wherever they are."""
        moderating = holders(MODERATE).values_list("id", flat=True)
        own = Role.objects.filter(channel=self.video.owner_id).values_list("viewer_id", flat=True)
        return {self.video.owner_id, *self.known, *moderating[:MODERATORS_MAX], *own[:MODERATORS_MAX]}

    def people(self, ids: Collection[UUID]) -> list[dict[str, Any]]:
        """Return those of the viewers that the asker may know: broadcaster and moderators first, then by name."""
        others = Viewer.objects.filter(id__in=set(ids) - self.unknown, is_active=True, is_hidden=False).annotate(
            moderates=holds(MODERATE) | moderates(owner=self.video.owner_id, viewer="pk")
        )
        owner_id = self.video.owner_id
        found = [
            {**with_picture(other), "role": role_of(other.id, is_moderator=other.moderates, owner_id=owner_id)}
            for other in others
        ]
        shown = [each for each in found if each["role"] is not None or UUID(each["id"]) in self.known]
        return sorted(shown, key=lambda each: (ROLES.index(each["role"]), each["name"], each["id"]))


async def viewers_json(video_id: UUID, viewer: Viewer | None) -> dict[str, Any]:
    """Return `{"count", "peak", "unique", "people", "known"}` of a video that the viewer may see.

    `people` are those that the viewer may know; None in a big room, where `known` is their number all the same (with
    more than 32,768 viewers at least so many). Without the shared table: nobody that we know of.
    Raises NotFound, StoreUnavailable.
    """
    topic = TopicName(f"video:{video_id}")
    room = await backend_threads.run(_Room.read, video_id, viewer)
    watched, ids = Watched(0, 0), set[UUID]()
    with contextlib.suppress(TableUnavailable):
        table = shared_table()
        watched = (await table.watched([topic]))[topic]
        ids = {UUID(name) for name in await table.named(topic)}
        if watched.count > PEOPLE_MAX_VIEWERS:  # nodes have not sent all names
            keys: dict[int, UUID] = {key_of(f"viewer {id}"): id for id in await backend_threads.run(room.candidates)}
            ids |= {keys[key] for key in await table.present(topic, list(keys))}
    people = await backend_threads.run(room.people, ids)
    peak = max(watched.peak, room.peak)
    return {
        "count": watched.count,
        "peak": peak,
        # New viewers are written every 2 s, and a big number is an estimate: neither makes it less than the peak.
        "unique": max(peak, room.unique),
        "people": people if watched.count <= PEOPLE_MAX_VIEWERS else None,
        "known": len(people),
    }


async def is_one_at(video_id: UUID, viewer_ids: Sequence[UUID]) -> bool:
    """Return whether one of these viewers is known at a video (`screened.AT_VIDEO`) or watches it now.

    With more than 32,768 viewers some who only watch are not found. Raises StoreUnavailable.
    """

    def is_known() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(_KNOWN, [list(viewer_ids), video_id])
            return cursor.fetchone() is not None

    if await backend_threads.run(is_known):
        return True
    with contextlib.suppress(TableUnavailable):
        keys = [key_of(f"viewer {id}") for id in viewer_ids]
        return bool(await shared_table().present(TopicName(f"video:{video_id}"), keys))
    return False
