"""The topic kind `video:`: how a video's topic is read, changed by events, and who may read it; page state from it.

Hop: registered with the platform at start (apps.py); the frontend node calls it, so do pages and the API for the
first state. The rule of it all: snapshot + events = fresh snapshot, for every event type.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any
from uuid import UUID

from accounts.circles import blocked_by
from accounts.models import Viewer
from accounts.representation import by_account, with_picture
from moderation.rights import offered
from moderation.roles import group_of
from realtime.events import TopicName
from realtime.kinds import Access, TopicKind
from realtime.log.database import one_moment
from realtime.log.epoch import epoch
from realtime.log.threads import backend_threads
from realtime.table.redis import shared_table
from realtime.table.scripts import TableUnavailable
from videos.access import require
from videos.channel_emoji import urls_of
from videos.models import LikeCount, Video
from videos.reading import read_comments, read_comments_of_each, read_like, read_video, read_videos, standings
from videos.representation import comment_fields, likes_json, role_of, video_json
from videos.rights import may_watch
from web.refusals import NotFound
from web.tombstones import tombstone, with_deleted

SNAPSHOT_COMMENTS = 50


class VideoTopics(TopicKind):
    """The topics `video:<id>`.

    The snapshot holds the newest `SNAPSHOT_COMMENTS` comments, a deleted one keeping its place (`deleted`), else
    a deletion would let an older one in that came by no event. `shown` leaves those out for viewers. The emoji of the
    channel are not in it: not all of its videos learn of a change (videos.channel_emoji).
    """

    prefix = "video"
    events = frozenset(
        {"video", "comment", "comment_deleted", "comment_restored", "comment_pinned", "comment_unpinned"}
        | {"comment_edited", "merged", "author", "emoji_added", "emoji_deleted"}
    )
    signals = frozenset({"typing"})
    counter = "likes"
    burst = "reactions"
    counts_viewers = True
    takes_back = frozenset({"comment_deleted"})
    replaces = frozenset({"comment_edited"})

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        return self.load_all([topic]).get(topic)

    def load_all(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        ids = {id: topic for topic in topics if (id := video_id(topic)) is not None}
        snapshots = snapshots_of(read_videos("WHERE video.id = ANY(%s)", list(ids)))
        return {ids[id]: snapshot for id, snapshot in snapshots.items()}

    def counters(self, topics: Sequence[TopicName], database: str = "default") -> Mapping[TopicName, Mapping[str, int]]:
        ids = {id: topic for topic in topics if (id := video_id(topic)) is not None}
        found: dict[TopicName, dict[str, int]] = {topic: {} for topic in topics}
        counts = LikeCount.objects.using(database).filter(video_id__in=ids)
        for id, kind, count in counts.values_list("video_id", "kind", "count"):
            found[ids[id]][kind] = count
        return {topic: likes_json(kinds)["kinds"] for topic, kinds in found.items()}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        match name:
            case "video":
                snapshot["video"] = data["video"]
            case "comment":
                snapshot["comments"] = [*snapshot["comments"], data["comment"]][-SNAPSHOT_COMMENTS:]
            case "comment_edited":
                for part in ("comments", "pinned"):
                    snapshot[part] = [_edited(comment, data["comment"]) for comment in snapshot[part]]
            case "comment_deleted":
                deleted = data["comment"]
                snapshot["comments"] = with_deleted(snapshot["comments"], deleted, most=SNAPSHOT_COMMENTS)
                snapshot["pinned"] = [comment for comment in snapshot["pinned"] if comment["id"] != deleted["id"]]
            case "comment_pinned":
                _set_pinned(snapshot, data["comment"]["id"], True)
                snapshot["pinned"] = [*snapshot["pinned"], data["comment"]]
            case "comment_restored":
                restored = data["comment"]
                snapshot["comments"] = [
                    restored if comment["id"] == restored["id"] else comment for comment in snapshot["comments"]
                ]
            case "merged":
                snapshot["comments"] = [by_account(comment, data["merged"]) for comment in snapshot["comments"]]
                snapshot["pinned"] = [by_account(comment, data["merged"]) for comment in snapshot["pinned"]]
            case "author":
                for part in ("comments", "pinned"):
                    snapshot[part] = [_as_author(comment, data["author"]) for comment in snapshot[part]]
            case "comment_unpinned":
                _set_pinned(snapshot, data["comment"]["id"], False)
                snapshot["pinned"] = [c for c in snapshot["pinned"] if c["id"] != data["comment"]["id"]]

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return str(data["comment"]["id"]) if "comment" in data and name != "comment_unpinned" else ""

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        return {**snapshot, "comments": [comment for comment in snapshot["comments"] if "deleted" not in comment]}

    def has_viewers(self, snapshot: Mapping[str, Any]) -> bool:
        return bool(snapshot["video"]["status"] != Video.Status.ENDED)

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        video = snapshot["video"]
        owner_id = video["broadcaster"]["id"]
        is_public = video["visibility"] != Video.Visibility.PRIVATE
        return Access(is_public, frozenset((owner_id,)), groups=frozenset((group_of(owner_id),)))


def _as_author(comment: Mapping[str, Any], author: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**comment, "author": author} if comment.get("author", {}).get("id") == author["id"] else comment


def _edited(comment: dict[str, Any], edited: dict[str, Any]) -> dict[str, Any]:
    return edited if comment["id"] == edited["id"] and "deleted" not in comment else comment


def _set_pinned(snapshot: dict[str, Any], id: str, pinned: bool) -> None:
    snapshot["comments"] = [
        {**comment, "pinned": pinned} if comment["id"] == id and "deleted" not in comment else comment
        for comment in snapshot["comments"]
    ]


def video_id(topic: TopicName) -> UUID | None:
    """Return the video of a `video:` topic, None when its id is none."""
    try:
        return UUID(topic.partition(":")[2])
    except ValueError:
        return None


def snapshots_of(videos: Sequence[Video]) -> dict[UUID, dict[str, Any]]:
    """Return the snapshots of videos, without what the node counts. Each needs its `owner`. Two queries."""
    newest = read_comments_of_each(videos, "ORDER BY c.seq DESC LIMIT %s", SNAPSHOT_COMMENTS)
    pinned = read_comments_of_each(videos, "AND c.pinned_at IS NOT NULL AND c.deleted_at IS NULL")
    return {
        video.id: {
            "video": video_json(video),
            "comments": _as_json(sorted(newest[video.id], key=itemgetter("seq")), video),
            "pinned": _as_json(sorted(pinned[video.id], key=itemgetter("pinned_at")), video),
        }
        for video in videos
    }


def snapshot_of(video: Video) -> dict[str, Any]:
    """Return the snapshot of one video. Two queries."""
    return snapshots_of([video])[video.id]


def comments_json(video: Video, chosen: str, *values: Any) -> list[dict[str, Any]]:
    """Return the comments that `read_comments` does, a deleted one without its text. One query."""
    return _as_json(read_comments(video, chosen, *values), video)


def _as_json(rows: Iterable[Mapping[str, Any]], video: Video) -> list[dict[str, Any]]:
    return [
        _comment_json(row, video) if row["deleted_at"] is None else tombstone(row["id"], row["seq"]) for row in rows
    ]


def _comment_json(row: Mapping[str, Any], video: Video) -> dict[str, Any]:
    role = role_of(row["author_id"], is_moderator=row["is_by_moderator"], owner_id=video.owner_id)
    author = {"id": str(row["author_id"]), "name": row["author_name"], "role": role}
    return comment_fields(row, {**author, "picture": row["author_picture"]} if row["author_picture"] else author)


def full_json(videos: Sequence[Video]) -> list[dict[str, Any]]:
    """Return the videos as REST has them, but for who is watching now: with position, likes and peak. Two queries.

    One that has been deleted meanwhile is left out.
    """
    now = epoch()
    standing = standings(videos)
    return [
        {
            **video_json(video),
            "epoch": now,
            "seq": standing[video.id].seq,
            "likes": likes_json(standing[video.id].likes),
            "viewers": {"count": 0, "peak": standing[video.id].viewers_peak},
        }
        for video in videos
        if video.id in standing
    ]


def one_full_json(video: Video) -> dict[str, Any]:
    """Return what `full_json` does, of one video. Raises NotFound when it, or its topic, was deleted meanwhile."""
    found = full_json([video])
    if not found:
        raise NotFound("There is no such video.")
    return found[0]


async def with_viewers(videos: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fill in who is watching now. Without the shared table: nobody that we know of."""
    with contextlib.suppress(TableUnavailable):
        watched = await shared_table().watched([video["topic"] for video in videos])
        for video in videos:
            known = watched[video["topic"]]
            video["viewers"] = {"count": known.count, "peak": max(known.peak, video["viewers"]["peak"])}
    return list(videos)


def visible_video(video_id: UUID, viewer: Viewer | None) -> Video:
    """Return the video, with its owner's name. Raises NotFound, also for a video that this viewer may not see."""
    video = read_video(video_id)
    if video is None or not may_watch(video, viewer):
        raise NotFound("There is no such video.")
    return video


def visible_for(right: str, video_id: UUID, actor: Viewer) -> Video:
    """Return the video, for somebody with the right. Raises NotFound, Forbidden."""
    video = visible_video(video_id, actor)
    require(right, video, actor)
    return video


def own_state(video_id: UUID, owner_id: UUID, viewer: Viewer | None) -> dict[str, Any]:
    """Return what of a page's state is the viewer's own. Three queries, none for nobody in particular."""
    return {
        "viewer": {**with_picture(viewer), "is_guest": viewer.is_guest} if viewer is not None else None,
        "mine": read_like(video_id, viewer.id) if viewer is not None else None,
        "blocked": blocked_by(viewer),
        **offered(owner_id, viewer),
    }


async def page_state(video_id: UUID, viewer: Viewer | None) -> dict[str, Any]:
    """Return the first state of the watch page: `{"topic", "epoch", "seq", "snapshot", "emoji", "viewer", "mine",
    "blocked", "may", "time_out_seconds_max", "outranks_moderators"}`.

    Raises NotFound, StoreUnavailable.
    """

    def read() -> dict[str, Any]:
        with one_moment():
            video = visible_video(video_id, viewer)
            full = one_full_json(video)
            snapshot = VideoTopics().shown(snapshot_of(video))
            emoji = urls_of(video.owner_id)
            own = own_state(video.id, video.owner_id, viewer)
        return {
            "topic": video.topic,
            "epoch": full["epoch"],
            "seq": full["seq"],
            "snapshot": {**snapshot, "likes": full["likes"], "viewers": full["viewers"]},
            "emoji": emoji,
            **own,
        }

    state = await backend_threads.run(read)
    [counted] = await with_viewers([{"topic": state["topic"], "viewers": state["snapshot"]["viewers"]}])
    state["snapshot"]["viewers"] = counted["viewers"]
    return state
