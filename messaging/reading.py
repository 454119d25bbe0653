"""Reads conversations and inboxes. Called by the API, by topics for snapshots, and by acts for what members get.

Each function takes a constant number of queries. Only members read a conversation. Staff do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber

from accounts.models import Viewer
from accounts.representation import person
from messaging.models import Block, Conversation, Member, Message, MessageVersion
from messaging.representation import Membership, conversation_json, message_json, summary_json
from realtime.log.database import one_moment
from web.refusals import NotFound
from web.tombstones import tombstone

SNAPSHOT_MESSAGES = 50
SNAPSHOT_CONVERSATIONS = 50


def no_conversation() -> NotFound:
    """Return one error for a conversation of others and for one that does not exist. They look the same."""
    return NotFound("There is no such conversation.")


def no_message() -> NotFound:
    return NotFound("There is no such message.")


def members_of(conversation_ids: Sequence[UUID]) -> dict[UUID, dict[UUID, Membership]]:
    """Return the current members of each conversation by id, in the order in which they joined. One query."""
    found: dict[UUID, dict[UUID, Membership]] = {id: {} for id in conversation_ids}
    with connection.cursor() as cursor:  # every message asks: as text it costs a third
        cursor.execute(
            "SELECT conversation_id, viewer_id, name, joined_seq, seen_seq, unread"
            " FROM messaging_member JOIN accounts_viewer ON id = viewer_id"
            " WHERE conversation_id = ANY(%s) AND left_at IS NULL ORDER BY joined_seq, viewer_id",
            [list(conversation_ids)],
        )
        for conversation_id, viewer_id, *rest in cursor.fetchall():
            found[conversation_id][viewer_id] = Membership(viewer_id, *rest)
    return found


def conversation_for(conversation_id: UUID, viewer_id: UUID) -> Conversation:
    """Return the conversation. One query. Raises NotFound unless this viewer is a member."""
    mine = Q(members__viewer_id=viewer_id, members__left_at=None)
    found = Conversation.objects.filter(mine, id=conversation_id).first()
    if found is None:
        raise no_conversation()
    return found


def _newest() -> Subquery:
    """The id of a conversation's newest message, to be read with its row `conversation_id`."""
    messages = Message.objects.filter(conversation_id=OuterRef("conversation_id"), deleted_at=None)
    return Subquery(messages.order_by("-seq").values("id")[:1])


def newest_message(conversation_id: UUID) -> dict[str, Any] | None:
    """Return the newest message that is not deleted. One query."""
    shown = Message.objects.filter(conversation_id=conversation_id, deleted_at=None).select_related("author")
    message = shown.order_by("-seq").first()
    return None if message is None else message_json(message, message.author)


def memberships(viewer_ids: Sequence[UUID]) -> QuerySet[Member]:
    """Return viewers' memberships, also those that have ended, each with its conversation and its newest message."""
    return Member.objects.filter(viewer_id__in=viewer_ids).select_related("conversation").annotate(newest_id=_newest())


def summaries(mine: Sequence[Any]) -> list[dict[str, Any]]:
    """Return what each viewer reads of the conversation of their current membership. Two queries."""
    members = members_of([member.conversation_id for member in mine])
    newest = Message.objects.filter(id__in=[member.newest_id for member in mine if member.newest_id])
    messages = {message.id: message_json(message, message.author) for message in newest.select_related("author")}
    return [
        summary_json(
            conversation_json(member.conversation, members[member.conversation_id].values()),
            members[member.conversation_id][member.viewer_id],
            messages.get(member.newest_id),
        )
        for member in mine
    ]


def summary(conversation_id: UUID, viewer_id: UUID) -> dict[str, Any]:
    """Return what the viewer reads of a conversation. Raises NotFound unless they are a member."""
    [*mine] = memberships([viewer_id]).filter(conversation_id=conversation_id, left_at=None)
    if not mine:
        raise no_conversation()
    return summaries(mine)[0]


def inbox_page(
    viewer_id: UUID, *, before: tuple[datetime, UUID] | None, limit: int
) -> tuple[list[dict[str, Any]], tuple[datetime, UUID] | None]:
    """Return the viewer's conversations, newest activity first, and where the following page begins."""
    chosen = memberships([viewer_id]).filter(left_at=None)
    if before is not None:
        moment, id = before
        chosen = chosen.filter(
            Q(conversation__active_at__lt=moment) | Q(conversation__active_at=moment, conversation_id__lt=id)
        )
    with one_moment():
        found = list(chosen.order_by("-conversation__active_at", "-conversation_id")[: limit + 1])
        shown = found[:limit]
        items = summaries(shown)
    last = (shown[-1].conversation.active_at, shown[-1].conversation_id) if len(found) > limit else None
    return items, last


def message_page(
    conversation_id: UUID, viewer_id: UUID, *, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Return messages, newest first, and the `before` of the following page. Raises NotFound."""
    conversation_for(conversation_id, viewer_id)
    chosen = Message.objects.filter(conversation_id=conversation_id, deleted_at=None).select_related("author")
    if before is not None:
        chosen = chosen.filter(seq__lt=before)
    found = list(chosen.order_by("-seq")[: limit + 1])
    items = [message_json(message, message.author) for message in found[:limit]]
    return items, items[-1]["seq"] if len(found) > limit else None


def versions_of(conversation_id: UUID, viewer_id: UUID, message_id: UUID) -> list[MessageVersion]:
    """Return what a message said before, the oldest first. All members read it. Raises NotFound."""
    conversation_for(conversation_id, viewer_id)
    if not Message.objects.filter(conversation_id=conversation_id, id=message_id, deleted_at=None).exists():
        raise no_message()
    return list(MessageVersion.objects.filter(message_id=message_id).order_by("id"))


def conversation_snapshot(conversation_id: UUID) -> dict[str, Any] | None:
    """Return a conversation's snapshot, with deleted messages in their places. None: it does not exist."""
    conversation = Conversation.objects.filter(id=conversation_id).first()
    if conversation is None:
        return None
    members = members_of([conversation_id])[conversation_id].values()
    messages = Message.objects.filter(conversation_id=conversation_id).select_related("author")
    newest = [
        message_json(message, message.author) if message.deleted_at is None else tombstone(message.id, message.seq)
        for message in messages.order_by("-seq")[:SNAPSHOT_MESSAGES]
    ]
    return {
        "conversation": conversation_json(conversation, members),
        "messages": newest[::-1],
        "seen": {str(member.id): member.seen_seq for member in members},
    }


def inbox_snapshots(viewer_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the snapshot of each inbox, with left conversations in their places. Five queries.

    A viewer who does not exist is left out.
    """
    viewers = Viewer.objects.filter(id__in=viewer_ids, is_active=True).values_list("id", flat=True)
    found: dict[UUID, dict[str, Any]] = {id: {"conversations": [], "blocked": []} for id in viewers}
    order = [Coalesce("left_at", "conversation__active_at").desc(), F("conversation_id").desc()]
    place = Window(RowNumber(), partition_by="viewer_id", order_by=order)
    places = memberships(list(found)).annotate(place=place).filter(place__lte=SNAPSHOT_CONVERSATIONS)
    newest = list(places.order_by("viewer_id", "place"))
    current = [member for member in newest if member.left_at is None]
    shown = {
        (member.viewer_id, member.conversation_id): item
        for member, item in zip(current, summaries(current), strict=True)
    }
    for member in newest:
        gone = {"id": str(member.conversation_id), "left": True}
        item = shown.get((member.viewer_id, member.conversation_id), gone)
        found[member.viewer_id]["conversations"].append(item)
    for blocker_id, blocked_id in Block.objects.filter(blocker_id__in=found).values_list("blocker_id", "blocked_id"):
        found[blocker_id]["blocked"].append(str(blocked_id))
    for snapshot in found.values():
        snapshot["blocked"].sort()
    return found


def blocked_people(viewer_id: UUID) -> list[dict[str, Any]]:
    """Return those that the viewer blocks, the newest first. One query."""
    blocked = Viewer.objects.filter(blocked_by__blocker_id=viewer_id).order_by("-blocked_by__created_at", "id")
    return [person(viewer) for viewer in blocked]


def blockers_between(viewer_id: UUID, others: Sequence[UUID]) -> set[UUID]:
    """Return who blocks: the viewer, if they block one of the others, and others who block the viewer. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT blocker_id FROM messaging_block WHERE blocker_id = %s AND blocked_id = ANY(%s)"
            " OR blocker_id = ANY(%s) AND blocked_id = %s",
            [viewer_id, list(others), list(others), viewer_id],
        )
        return {blocker_id for (blocker_id,) in cursor.fetchall()}
