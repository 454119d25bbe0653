"""The topic kinds `board:` and `questions:`: how a board and the list of viewers' questions are read and changed, and
who may read them.

Hop: registered with the platform at start (apps.py); the frontend node calls it. The rule of it all: snapshot +
events = fresh snapshot, for every event type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from accounts.models import Viewer
from moderation.roles import group_of
from polls import announcements, goals, polls, questions, raids
from polls.board import access_json, board_topic
from polls.models import Poll
from realtime.events import TopicName
from realtime.kinds import Access, TopicKind
from realtime.log.database import one_moment
from realtime.log.epoch import epoch
from realtime.models import Topic
from videos.models import Video
from videos.topics import video_id, visible_video
from web.refusals import NotFound

KEPT_EVENTS = 50

SLOTS: dict[str, Callable[[UUID], Any]] = {
    "poll": polls.newest_json,
    "announcement": announcements.current_json,
    "goals": goals.goals_json,
    "raid": raids.raid_json,
    "raided": raids.raided_json,
    "questions": questions.questions_json,
}
"""What a board shows: the name of each slot and of its event, and how it is read."""


class _BesideVideo(TopicKind):
    """Topics for those who may see a video. `access` of the snapshot says who."""

    counter = "votes"
    kept_events = KEPT_EVENTS

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in snapshot.items() if name != "access"}

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        access = snapshot["access"]
        owner_id = access["owner_id"]
        return Access(not access["is_private"], frozenset((owner_id,)), groups=frozenset((group_of(owner_id),)))


class BoardTopics(_BesideVideo):
    """`board:<video id>`. An event replaces the slot of its name. The counter holds the votes of the poll that is
    shown, by option.
    """

    prefix = "board"
    events = frozenset({*SLOTS, "access"})
    replaces = frozenset(SLOTS)

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        id = video_id(topic)
        video = Video.objects.filter(id=id).first() if id is not None else None
        return None if video is None else snapshot_of(video)

    def counters(self, topics: Sequence[TopicName], database: str = "default") -> Mapping[TopicName, Mapping[str, int]]:
        ids = {id: topic for topic in topics if (id := video_id(topic)) is not None}
        votes = polls.newest_votes(list(ids), database)
        return {topic: votes.get(id, {}) for id, topic in ids.items()}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        snapshot[name] = data[name]

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return name if name in SLOTS else ""


class QuestionTopics(_BesideVideo):
    """`questions:<video id>`: the questions that wait, by their age. The counter holds their votes, by question."""

    prefix = "questions"
    events = frozenset({"question", "question_gone", "access"})
    takes_back = frozenset({"question_gone"})

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        id = video_id(topic)
        video = Video.objects.filter(id=id).first() if id is not None else None
        if video is None:
            return None
        return {"access": access_json(video), "questions": questions.listed_json(video.id)}

    def counters(self, topics: Sequence[TopicName], database: str = "default") -> Mapping[TopicName, Mapping[str, int]]:
        ids = {id: topic for topic in topics if (id := video_id(topic)) is not None}
        votes = questions.listed_votes(list(ids), database)
        return {topic: votes.get(id, {}) for id, topic in ids.items()}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        if name == "access":
            snapshot["access"] = data["access"]
            return
        others = [question for question in snapshot["questions"] if question["id"] != data["question"]["id"]]
        if name == "question":
            others.append(data["question"])
        snapshot["questions"] = sorted(others, key=lambda question: int(question["id"]))

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return str(data["question"]["id"]) if "question" in data else ""


def snapshot_of(video: Video) -> dict[str, Any]:
    return {"access": access_json(video), **{name: read(video.id) for name, read in SLOTS.items()}}


def board_state(video_id: UUID, viewer: Viewer | None) -> dict[str, Any]:
    """Return a board as a page needs it first: `{"topic", "epoch", "seq", "snapshot", "mine"}`. Raises NotFound.

    `mine`: the option that the viewer has voted for in the poll that is shown.
    """
    with one_moment():
        video = visible_video(video_id, viewer)
        head = Topic.objects.filter(name=board_topic(video_id)).first()
        if head is None:
            raise NotFound("There is nothing beside this video.")
        snapshot = BoardTopics().shown(snapshot_of(video))
        votes = polls.votes_json(polls.newest_votes([video_id]).get(video_id, {}))
        poll = snapshot["poll"]
        mine = polls.votes_of(viewer, list(Poll.objects.filter(id=poll["id"]))) if poll else {}
    return {
        "topic": board_topic(video_id),
        "epoch": epoch(),
        "seq": head.seq,
        "snapshot": {**snapshot, "votes": votes},
        "mine": next(iter(mine.values()), None),
    }


def questions_state(video_id: UUID, viewer: Viewer | None) -> dict[str, Any]:
    """Return the questions that wait as a page needs them first: `{"topic", "epoch", "seq", "snapshot", "mine"}`.

    `mine`: those that the viewer has voted for. Raises NotFound, also if viewers never could ask.
    """
    with one_moment():
        video = visible_video(video_id, viewer)
        head = Topic.objects.filter(name=questions.questions_topic(video_id)).first()
        if head is None:
            raise NotFound("Nobody asks questions here.")
        state = questions.list_state(video, viewer)
    return {"topic": head.name, "epoch": epoch(), "seq": head.seq, **state}
