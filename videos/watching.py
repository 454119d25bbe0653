"""Who watches a video: the numbers, and those of the viewers whom the asker may know.

Hop: beside the path; called by the API and the studio. The numbers now come from the shared table, what lasts (peak,
how many there were in all) from the database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from realtime.events import TopicName
from realtime.models import Audience, Topic
from realtime.scripts import TableUnavailable
from realtime.shared import shared_table
from realtime.subscriptions import Watched
from realtime.threads import backend_threads
from videos.models import Video, Viewer
from videos.representation import person, role_of
from videos.topics import visible_video

PEOPLE_MAX_VIEWERS = 50  # in a bigger room only their number is told

# Called with who asks and with viewers; returns those of them that it is about. In a database thread.
Rule = Callable[[UUID, Collection[UUID]], Collection[UUID]]

acquaintances: list[Rule] = []
"""Whom one knows: any of the rules is enough. Apps that let viewers meet add theirs in AppConfig.ready()."""
strangers: list[Rule] = []
"""Whom one is not shown, whatever else is true: who has blocked whom."""


def uniques(topics: Sequence[str]) -> dict[str, int]:
    """Return how many viewers each topic has had, each counted once. One query."""
    return {row.topic_id: row.unique for row in Audience.objects.filter(topic_id__in=topics)}


async def viewers_json(video_id: UUID, viewer: Viewer | None) -> dict[str, Any]:
    """Return `{"count", "peak", "unique", "people", "known"}` of a video that the viewer may see.

    `people` are those whom the viewer may know; None in a big room, where `known` is their number all the same (of up
    to 200 of each node's viewers). Without the shared table: nobody that we know of.
    Raises NotFound, StoreUnavailable.
    """
    topic = TopicName(f"video:{video_id}")
    try:
        table = shared_table()
        watched, names = (await table.watched([topic]))[topic], await table.named(topic)
    except TableUnavailable:
        watched, names = Watched(0, 0), set()

    def read() -> dict[str, Any]:
        video = visible_video(video_id, viewer)
        peak = max(watched.peak, Topic.objects.values_list("viewers_peak", flat=True).get(name=topic))
        people = _people(video, viewer, names)
        return {
            "count": watched.count,
            "peak": peak,
            # New viewers are written every 2 s, and a big number is an estimate: neither makes it less than the peak.
            "unique": max(peak, uniques([topic]).get(topic, 0)),
            "people": people if watched.count <= PEOPLE_MAX_VIEWERS else None,
            "known": len(people),
        }

    return await backend_threads.run(read)


def _people(video: Video, viewer: Viewer | None, names: Collection[str]) -> list[dict[str, Any]]:
    """Return those of the viewers whom this one may know: the broadcaster and moderators first, then by name."""
    ids = {UUID(name) for name in names}
    known: set[UUID] = set()
    if viewer is not None:
        ids.discard(viewer.id)
        for rule in acquaintances:
            known.update(rule(viewer.id, ids))
        for rule in strangers:
            ids.difference_update(rule(viewer.id, ids))
    found = []
    for other in Viewer.objects.filter(id__in=ids, is_active=True, is_hidden=False):
        role = role_of(other.id, is_staff=other.is_staff, owner_id=video.owner_id)
        if role is not None or other.id in known:
            found.append({**person(other), "role": role})
    order = ("broadcaster", "moderator", None)
    return sorted(found, key=lambda each: (order.index(each["role"]), each["name"], each["id"]))
