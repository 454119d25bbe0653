"""Who is typing: told to who watches the conversation, or the video while its room is small. Nothing is stored.

Hop: called by the API and WebSocket commands; realtime.dispatch.publisher takes it from here. Ephemeral: at most once,
worth nothing after `EXPIRES_MS`, so one who closes his browser in mid-word stops typing by himself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from uuid import UUID

from django.conf import settings

from accounts.models import Viewer
from messaging.limits import TYPING
from messaging.reading import blockers_between, conversation_for
from messaging.representation import conversation_topic
from realtime.dispatch.publisher import publisher
from realtime.events import Signal, TopicName, now_ms
from realtime.log.threads import backend_threads
from realtime.table.redis import shared_table
from realtime.table.scripts import TableUnavailable
from videos.commands import viewer_of
from videos.interactions import Claim
from videos.models import Video
from videos.representation import person
from videos.topics import visible_video
from web.refusals import Forbidden, NotFound, Refused

EXPIRES_MS = 6_000
ROOM_MAX_VIEWERS = 50


async def type_in_conversation(conversation_id: UUID, who: Viewer | Claim, *, is_typing: bool) -> None:
    """Tell the other members. Where one of two blocks the other, nobody is told and nothing is said of it.

    Raises SignedOut, NotFound, StoreUnavailable.
    """
    topic = conversation_topic(conversation_id)
    typist = await _checked(topic, who, lambda: _member(conversation_id, who), is_typing=is_typing)
    if typist is not None:
        _publish(topic, typist, is_typing=is_typing)


def _member(conversation_id: UUID, who: Viewer | Claim) -> Viewer | None:
    conversation = conversation_for(conversation_id, who.id)
    if conversation.pair is not None and blockers_between(who.id, [UUID(id) for id in conversation.pair.split(":")]):
        return None
    return viewer_of(who)


async def type_at_video(video_id: UUID, who: Viewer | Claim, *, is_typing: bool) -> None:
    """Tell who watches the video, while they are few: in a crowd somebody always types.

    Raises SignedOut, NotFound, Forbidden (comments off), StoreUnavailable.
    """
    topic = TopicName(f"video:{video_id}")
    typist = await _checked(topic, who, lambda: _commenter(video_id, who), is_typing=is_typing)
    if typist is None:
        return
    with contextlib.suppress(TableUnavailable):  # then it is a room of unknown size
        if (await shared_table().watched([topic]))[topic].count <= ROOM_MAX_VIEWERS:
            _publish(topic, typist, is_typing=is_typing)


def _commenter(video_id: UUID, who: Viewer | Claim) -> Viewer:
    viewer = viewer_of(who)
    video = visible_video(video_id, viewer)
    if video.status == Video.Status.ENDED:
        raise NotFound("This broadcast has ended.", code="video_ended")
    if not video.comments_enabled:
        raise Forbidden("Comments are turned off.", code="comments_off")
    return viewer


async def _checked(
    topic: TopicName, who: Viewer | Claim, check: Callable[[], Viewer | None], *, is_typing: bool
) -> Viewer | None:
    """Return who types, if he may and it is time to say so: what comes too soon costs no query."""
    typist = str(who.id)
    if settings.LIVE_LIMITS and not TYPING.passes(typist, topic, is_typing=is_typing):
        return None
    try:
        return await backend_threads.run(check)
    except Refused:
        TYPING.forget(typist, topic)  # the next one is refused too, not dropped in silence
        raise


def _publish(topic: TopicName, typist: Viewer, *, is_typing: bool) -> None:
    data = {"viewer": person(typist), "is_typing": is_typing, "expires_ms": EXPIRES_MS}
    publisher.publish([Signal(topic, "typing", str(typist.id), data, now_ms() + EXPIRES_MS)])
