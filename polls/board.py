"""The board of a video: what is beside its picture. Its topic is `board:<video id>`, made with the first thing on it.

Each kind of thing has one slot of the snapshot, and one event of the slot's name, which replaces it. Called by the acts
of this app (polls.polls) and by its topics.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import Viewer
from moderation import audit
from moderation.models import AuditEntry
from moderation.rights import require
from realtime.events import TopicName
from realtime.log import writer as log
from videos.access import locked
from videos.models import Video
from videos.representation import video_json
from videos.topics import visible_video
from web.refusals import Conflict, NotFound

logger = logging.getLogger(__name__)


def board_topic(video_id: UUID) -> TopicName:
    return TopicName(f"board:{video_id}")


def access_json(video: Video) -> dict[str, Any]:
    return {"is_private": video.visibility == Video.Visibility.PRIVATE, "owner_id": str(video.owner_id)}


@dataclass(frozen=True, slots=True)
class HeldBoard:
    """A board under the locks of its topic and of its channel's moderation, for somebody who may run it."""

    video: Video
    actor: Viewer
    heads: log.LockedHeads

    @property
    def head(self) -> log.LockedHead:
        return self.heads[board_topic(self.video.id)]

    def write_down(self, act: str, about: UUID, text: str, *, viewer: Viewer | None = None) -> AuditEntry:
        """Write the act into the audit log of the channel. `viewer`: the person concerned."""
        of, video_id = self.video.owner_id, self.video.id
        logger.info("%s %s on %s by %s", act, about, self.head.topic, self.actor.id)
        return audit.record(self.heads, of, act, self.actor, viewer=viewer, about=about, video_id=video_id, text=text)


@contextlib.contextmanager
def held(video_id: UUID, actor: Viewer, *also: TopicName) -> Iterator[HeldBoard]:
    """Hold a board in a transaction, for the broadcaster or a moderator. `also`: other topics to lock with it.

    Raises NotFound (also when there is no board yet), Forbidden.
    """
    video = visible_video(video_id, actor)
    topic = board_topic(video_id)
    with transaction.atomic():
        heads = audit.lock_for("board", video.owner_id, actor, topic, *also)
        if topic not in heads:
            raise NotFound("There is nothing beside this video.")
        yield HeldBoard(video, actor, heads)


@contextlib.contextmanager
def held_open(video_id: UUID, actor: Viewer, *also: TopicName) -> Iterator[HeldBoard]:
    """Do what `held` does, to put something on the board: it is made if there is none. Raises Conflict, too."""
    video = visible_video(video_id, actor)
    require("board", video.owner_id, actor)
    _check_not_ended(video)
    make_board(video, actor)
    with held(video_id, actor, *also) as board:
        board.video.refresh_from_db(fields=["status"])  # an end that came meanwhile has closed what was open
        _check_not_ended(board.video)
        yield board


def _check_not_ended(video: Video) -> None:
    if video.status == Video.Status.ENDED:
        raise Conflict("This broadcast has ended.", code="video_ended")


@transaction.atomic
def make_board(video: Video, actor: Viewer) -> None:
    """Give a video its board, if it has none. In a transaction of its own: all who comment wait for its topic."""
    if video.has_board:
        return
    head, found = locked(video.id, actor)
    log.ensure_topics([board_topic(video.id)])
    found.has_board = True
    found.save(update_fields=["has_board"])
    log.record(head, "video", {"video": video_json(found)})
