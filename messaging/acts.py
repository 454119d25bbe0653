"""What viewers do to each other: write, read, come, go, block. Written, committed, and only then published.

Hop: called by the API, WebSocket commands and removal. It writes this app's tables and the event log, and the log
publishes after the commit. Each act is one transaction. It locks the conversation's topic first, and then those of all
members (`user:` sorts after `conversation:`, so all transactions lock in one order). So each member gets everything in
the order in which it became true. The number of queries does not depend on the number of members.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now

from accounts.models import Viewer
from accounts.representation import Named, person
from accounts.tokens import Claim, acting
from messaging.held import Held, touch
from messaging.listeners import listeners
from messaging.models import BLOCKS_MAX, MEMBERS_MAX, Block, Conversation, Member, Message, MessageVersion, pair_of
from messaging.reading import blockers_between, newest_message, no_conversation, no_message, summary
from messaging.representation import (
    Membership,
    conversation_json,
    conversation_topic,
    message_json,
    summary_json,
    user_topic,
)
from messaging.text import clean_title
from messaging.topics import parts
from moderation.restrictions import takes_part
from realtime.log import writer as log
from web.refusals import Conflict, Forbidden, Invalid, NotFound
from web.text import clean_body
from web.tombstones import deleted_json

EDIT_SECONDS = 300

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """The conversation as its starter reads it. `is_new` False: these two had it already."""

    summary: dict[str, Any]
    is_new: bool


# Viewers: the one who acts, and others


def _acting(who: Viewer | Claim) -> Membership:
    """Return who acts, as the database has them now, kept from being deleted meanwhile. One query. Raises SignedOut."""
    id, name, _ = acting(who, next(iter(_people([who.id], "id, name, password")), None), itemgetter(2))
    return Membership(id, name)


def _writing(who: Viewer | Claim) -> Membership:
    """Return who writes to others. Raises SignedOut, Forbidden (a time-out of the whole site).

    Under a shadow of the whole site nobody takes messages from them: it looks as if they were blocked.
    """
    me = _acting(who)
    if not takes_part(None, me.id):
        raise _not_reachable()
    return me


def _named(ids: Iterable[UUID]) -> list[Membership]:
    """Return other viewers, kept from being deleted meanwhile. One query. Raises NotFound if one does not exist."""
    wanted = list(ids)
    found = [Membership(*row) for row in _people(wanted, "id, name")]
    if len(found) < len(wanted):
        raise NotFound("There is no such viewer.")
    return found


def _people(ids: Sequence[UUID], columns: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM accounts_viewer WHERE id = ANY(%s) AND is_active ORDER BY id FOR KEY SHARE",
            [list(ids)],
        )
        return list(cursor.fetchall())


def _require_reachable(actor_id: UUID, others: Sequence[UUID]) -> None:
    """Raises Forbidden when one of two blocks the other. Call it with their topics locked."""
    blockers = blockers_between(actor_id, others)
    if actor_id in blockers:
        raise Forbidden("You have blocked this viewer.", code="blocked")
    if blockers:
        raise _not_reachable()


def _not_reachable() -> Forbidden:
    return Forbidden("This viewer takes no messages from you.", code="not_reachable")


# Conversations


@transaction.atomic
def start(who: Viewer | Claim, others: Iterable[UUID], *, title: str = "") -> Started:
    """Start a conversation with others. With one other viewer: return the conversation that the two have, if any.

    Raises SignedOut, NotFound (no such viewer), Forbidden (blocked), Conflict (nobody else), Invalid.
    """
    title = clean_title(title)
    me = _writing(who)
    ids = sorted({*others, me.id})
    if len(ids) < 2:
        raise Conflict("Name somebody else.", code="too_few_members")
    if len(ids) > MEMBERS_MAX:
        raise Invalid(f"A conversation has {MEMBERS_MAX} members at most.", code="too_many_members")
    members = sorted([me, *_named(id for id in ids if id != me.id)], key=lambda member: member.id)
    log.ensure_topics(user_topic(id) for id in ids)
    heads = log.lock_topics(user_topic(id) for id in ids)
    pair = pair_of(ids) if len(ids) == 2 else None
    if pair is not None and (known := Conversation.objects.filter(pair=pair).first()) is not None:
        return Started(summary(known.id, me.id), is_new=False)
    _require_reachable(me.id, [id for id in ids if id != me.id])
    made = Conversation.objects.create(title=title, creator_id=me.id, pair=pair)
    Member.objects.bulk_create(Member(conversation=made, viewer_id=member.id) for member in members)
    log.create_topic(conversation_topic(made.id))
    touch(made.id)
    shown = conversation_json(made, members)
    log.record_many(
        heads,
        [
            (user_topic(member.id), "conversation", {"conversation": summary_json(shown, member, None)})
            for member in members
        ],
    )
    logger.info("%s started, %d members", made.topic, len(members))
    return Started(summary_json(shown, me, None), is_new=True)


@transaction.atomic
def add_member(conversation_id: UUID, who: Viewer | Claim, viewer_id: UUID) -> dict[str, Any]:
    """Make a viewer a member of a group. Return the actor's summary. A second call changes nothing.

    The new member reads what was written before, none of it unread.
    Raises SignedOut, NotFound, Forbidden (blocked), Conflict (not a group, too many).
    """
    me = _writing(who)
    held = Held.lock_for(me, conversation_id)
    held.require_group()
    if viewer_id in held.members:
        return summary(conversation_id, me.id)
    if len(held.members) >= MEMBERS_MAX:
        raise Conflict(f"A conversation has {MEMBERS_MAX} members at most.", code="too_many_members")
    [new] = _named([viewer_id])
    new = replace(new, joined_seq=held.seq + 1)  # that of its event
    log.ensure_topics([user_topic(viewer_id)])
    held.lock_members(new.id)
    _require_reachable(me.id, [viewer_id])
    Member.objects.bulk_create(
        [Member(conversation=held.conversation, viewer_id=viewer_id, joined_at=touch(conversation_id), **_fresh(new))],
        update_conflicts=True,  # a former member comes back: what they had seen then does not count any more
        unique_fields=["conversation", "viewer"],
        update_fields=["joined_at", "left_at", *_fresh(new)],
    )
    held.members[viewer_id] = new
    held.record_changed()
    logger.info("%s joined %s", viewer_id, held.topic)
    return summary(conversation_id, me.id)


def _fresh(member: Membership) -> dict[str, int]:
    return {"joined_seq": member.joined_seq, "seen_seq": 0, "unread": 0}


@transaction.atomic
def rename(conversation_id: UUID, who: Viewer | Claim, title: str) -> dict[str, Any]:
    """Give a group another title, or none. Any member may, as any may bring somebody in. Return the actor's summary.

    The same title changes nothing. Raises SignedOut, NotFound, Forbidden, Conflict (not a group), Invalid.
    """
    title = clean_title(title)
    me = _writing(who)
    held = Held.lock_for(me, conversation_id)
    held.require_group()
    if held.conversation.title == title:
        return summary(conversation_id, me.id)
    held.lock_members()
    Conversation.objects.filter(id=conversation_id).update(title=title)
    held.conversation.title = title
    touch(conversation_id)
    held.record_changed()
    logger.info("%s is renamed by %s", held.topic, me.id)
    return summary(conversation_id, me.id)


@transaction.atomic
def remove_member(conversation_id: UUID, who: Viewer | Claim, viewer_id: UUID) -> None:
    """Leave a group, or take a member out of a group of one's own. Raises SignedOut, NotFound, Forbidden, Conflict."""
    me = _acting(who)
    held = Held.lock_for(me, conversation_id)
    held.require_group()
    if viewer_id not in held.members:
        raise NotFound("There is no such member.")
    if me.id not in (viewer_id, held.conversation.creator_id):
        raise Forbidden("Only who started the conversation can do this.")
    take_out(held, viewer_id)


def take_out(held: Held, viewer_id: UUID) -> None:
    """End a membership. Record it for all members, and for the one who leaves."""
    held.lock_members()
    Member.objects.filter(conversation=held.conversation, viewer_id=viewer_id).update(
        left_at=touch(held.conversation.id), unread=0
    )
    del held.members[viewer_id]
    held.record_changed()
    held.record_for(viewer_id, "conversation", {"conversation": {"id": str(held.conversation.id), "left": True}})
    logger.info("%s left %s", viewer_id, held.topic)


# Messages


@transaction.atomic
def send(conversation_id: UUID, who: Viewer | Claim, body: str, *, client_id: str | None = None) -> dict[str, Any]:
    """Write a message; return it as members read it. With the same `client_id` again: return the same message.

    Raises SignedOut, NotFound, Forbidden (blocked), Conflict (another message has this client_id), Invalid.
    """
    body = clean_body(body, what="message")
    me = _writing(who)
    held = Held.lock_for(me, conversation_id)
    if client_id is not None and (known := _known(held, me, client_id)) is not None:
        if _said_first(known) != body:
            raise Conflict("This client_id belongs to another message.", code="client_id_taken")
        return message_json(known, me)
    held.lock_members()
    _require_heard(held, me)
    message = Message(
        conversation=held.conversation,
        author_id=me.id,
        body=body,
        client_id=client_id,
        seq=held.seq + 1,  # that of its event
        created_at=touch(conversation_id),
    )
    message.save(force_insert=True)
    held.count_unread({id: 1 for id in held.members if id != me.id})
    shown = message_json(message, me)
    held.record("message", {"message": shown}, last=shown)
    for listener in listeners:
        listener(conversation_id, [id for id in held.members if id != me.id])
    return shown


def _require_heard(held: Held, me: Membership) -> None:
    """Raises Forbidden when the other one of two takes no messages. Call it with the members locked."""
    if held.conversation.pair is None:
        return
    others = [id for id in held.members if id != me.id]
    if not others:  # the account is deleted
        raise _not_reachable()
    _require_reachable(me.id, others)


def _known(held: Held, me: Membership, client_id: str) -> Message | None:
    return Message.objects.filter(conversation=held.conversation, author_id=me.id, client_id=client_id).first()


def _said_first(message: Message) -> str:
    """Return what a message said before all edits."""
    return message.versions.order_by("id").values_list("body", flat=True).first() or message.body


@transaction.atomic
def edit(conversation_id: UUID, who: Viewer | Claim, message_id: UUID, body: str) -> dict[str, Any]:
    """Have a message of the viewer's own say something else, within `EDIT_SECONDS`; return it as members read it.

    What it said before is kept for the members. The same text changes nothing.
    Raises SignedOut, NotFound, Forbidden (not theirs, too late, blocked), Invalid.
    """
    body = clean_body(body, what="message")
    me = _writing(who)
    held = Held.lock_for(me, conversation_id)
    message = _own(held, me, message_id)
    if message.body == body:
        return message_json(message, me)
    held.lock_members()
    _require_heard(held, me)
    before = MessageVersion(message=message, body=message.body, written_at=message.edited_at or message.created_at)
    _change(message, body)
    before.save(force_insert=True)
    shown = message_json(message, me)
    held.record("message_edited", {"message": shown}, last=newest_message(held.conversation.id))
    return shown


def _change(message: Message, body: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_message SET body = %s, edited_at = clock_timestamp()"
            " WHERE id = %s AND created_at > clock_timestamp() - make_interval(secs => %s) RETURNING body, edited_at",
            [body, message.id, EDIT_SECONDS],
        )
        changed = cursor.fetchone()
    if changed is None:
        raise Forbidden(f"A message can be edited for {EDIT_SECONDS // 60} minutes.", code="too_late")
    message.body, message.edited_at = changed


@transaction.atomic
def delete(conversation_id: UUID, who: Viewer | Claim, message_id: UUID) -> None:
    """Take the viewer's own message back. Its text is deleted, also what it said before.

    Raises SignedOut, NotFound, Forbidden.
    """
    me = _acting(who)
    held = Held.lock_for(me, conversation_id)
    message = _own(held, me, message_id)
    held.lock_members()
    take_back(held, [message])


def _own(held: Held, me: Membership, message_id: UUID) -> Message:
    message = Message.objects.filter(conversation=held.conversation, id=message_id, deleted_at=None).first()
    if message is None:
        raise no_message()
    if message.author_id != me.id:
        raise Forbidden("Only its author can do this.")
    return message


def take_back(held: Held, messages: Sequence[Message]) -> None:
    """Delete messages, in the order of their seq, of a conversation whose members are locked."""
    ids = [message.id for message in messages]
    MessageVersion.objects.filter(message_id__in=ids).delete()
    Message.objects.filter(id__in=ids).update(body="", deleted_at=Now())
    unseen = {
        member.id: -sum(m.author_id != member.id and m.seq > max(member.seen_seq, member.joined_seq) for m in messages)
        for member in held.members.values()
    }
    held.count_unread(unseen)
    held.record(
        "message_deleted",
        *({"message": deleted_json(message.id, message.seq)} for message in messages),
        last=newest_message(held.conversation.id),
    )


@transaction.atomic
def see(conversation_id: UUID, who: Viewer | Claim, seq: int) -> dict[str, int]:
    """Note that the viewer has seen all up to the topic's `seq`; return `{"seen_seq", "unread"}` as committed.

    The position only moves on. A late or second call changes nothing, waits for no lock, and publishes nothing.
    Raises SignedOut, NotFound, Conflict (beyond the newest message).
    """
    me = _acting(who)
    mine = Member.objects.filter(conversation_id=conversation_id, viewer_id=me.id, left_at=None)
    known = mine.values("seen_seq", "unread").first()
    if known is None:
        raise no_conversation()
    if seq <= known["seen_seq"]:
        return {"seen_seq": known["seen_seq"], "unread": known["unread"]}
    held = Held.lock_for(me, conversation_id)
    if not Message.objects.filter(conversation_id=conversation_id, seq__gte=seq).exists():
        raise Conflict("There is no such message yet.", code="future")
    with connection.cursor() as cursor:
        # The position moves on only once past each message. So each message is counted once for each member.
        cursor.execute(
            "UPDATE messaging_member m SET seen_seq = %s, unread = unread - (SELECT count(*) FROM messaging_message"
            " WHERE conversation_id = m.conversation_id AND seq > greatest(m.seen_seq, m.joined_seq) AND seq <= %s"
            " AND author_id <> m.viewer_id AND deleted_at IS NULL)"
            " WHERE conversation_id = %s AND viewer_id = %s AND seen_seq < %s RETURNING seen_seq, unread",
            [seq, seq, conversation_id, me.id, seq],
        )
        moved = cursor.fetchone()
    member = held.members[me.id]
    if moved is not None:  # otherwise another tab was faster
        member = held.members[me.id] = replace(member, seen_seq=moved[0], unread=moved[1])
        held.record_reading(member)
    return {"seen_seq": member.seen_seq, "unread": member.unread}


# Blocks


@transaction.atomic
def block(who: Viewer | Claim, viewer_id: UUID) -> None:
    """Block a viewer. A second call changes nothing. Raises SignedOut, NotFound, Conflict."""
    me = _acting(who)
    if viewer_id == me.id:
        raise Conflict("You cannot block yourself.")
    [other] = _named([viewer_id])
    head = _locked_user(me.id)
    mine = Block.objects.filter(blocker_id=me.id)
    if mine.filter(blocked_id=viewer_id).exists():
        return
    if mine.count() >= BLOCKS_MAX:
        raise Conflict(f"A viewer can block {BLOCKS_MAX:,} others at most.", code="too_many_blocks")
    Block.objects.create(blocker_id=me.id, blocked_id=viewer_id)
    record_block(head, me.id, other, is_blocked=True)
    logger.info("%s blocks %s", me.id, viewer_id)


@transaction.atomic
def unblock(who: Viewer | Claim, viewer_id: UUID) -> None:
    """Take a block back. If there is none, nothing changes. Raises SignedOut, NotFound."""
    me = _acting(who)
    lift_block(me.id, *_named([viewer_id]))


def lift_block(blocker_id: UUID, blocked: Membership) -> None:
    head = _locked_user(blocker_id)
    if Block.objects.filter(blocker_id=blocker_id, blocked_id=blocked.id).delete()[0]:
        record_block(head, blocker_id, blocked, is_blocked=False)
        logger.info("%s blocks %s no more", blocker_id, blocked.id)


def record_block(head: log.LockedHead, blocker_id: UUID, blocked: Named, *, is_blocked: bool) -> None:
    """Record it, and the parts of other apps as they are without these people."""
    log.record(head, "blocked", {"viewer": person(blocked), "is_blocked": is_blocked})
    for part in parts:
        log.record(head, part.name, {part.name: part.load([blocker_id])[blocker_id]})


def _locked_user(viewer_id: UUID) -> log.LockedHead:
    """Lock the viewer's topic. Those who write to this viewer meanwhile wait, and then find what has changed."""
    topic = user_topic(viewer_id)
    log.ensure_topics([topic])
    return log.lock_topics([topic])[topic]
