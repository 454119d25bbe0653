"""A conversation held by its lock. What becomes true of it is recorded for its members, in one order for all.

Called by acts, merging and removal, in their transactions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from messaging.models import Conversation
from messaging.reading import members_of, newest_message, no_conversation
from messaging.representation import Membership, conversation_json, conversation_topic, summary_json, user_topic
from realtime.events import TopicName
from realtime.log import writer as log
from web.refusals import Conflict

Entry = tuple[TopicName, str, Mapping[str, Any]]


def touch(conversation_id: UUID) -> datetime:
    """Move the conversation to the top of its members' lists. Return the moment, by the database's own clock.

    Call it with the members' topics locked. Then each member's list has the order of their events.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE messaging_conversation SET active_at = clock_timestamp() WHERE id = %s RETURNING active_at",
            [conversation_id],
        )
        moment: datetime = cursor.fetchone()[0]
    return moment


class Held:
    """A locked conversation. Its members stay the same until the transaction ends."""

    def __init__(self, conversation: Conversation, head: log.LockedHead) -> None:
        self.conversation = conversation
        self.topic = head.topic
        self.members = members_of([conversation.id])[conversation.id]
        self._heads = {self.topic: head}

    @classmethod
    def lock(cls, conversation_id: UUID) -> Held:
        """Lock the conversation's topic. Raises NotFound."""
        topic = conversation_topic(conversation_id)
        head = log.lock_topics([topic]).get(topic)
        conversation = Conversation.objects.filter(id=conversation_id).first()
        if head is None or conversation is None:
            raise no_conversation()
        return cls(conversation, head)

    @classmethod
    def lock_for(cls, member: Membership, conversation_id: UUID) -> Held:
        """Lock the conversation's topic. Raises NotFound unless the viewer is a member."""
        held = cls.lock(conversation_id)
        if member.id not in held.members:
            raise no_conversation()
        return held

    @property
    def seq(self) -> int:
        return self._heads[self.topic].seq

    def lock_members(self, *more: UUID) -> None:
        """Lock the topics of all members, and of `more`. None of them gets another event meanwhile."""
        self._heads |= log.lock_topics(user_topic(id) for id in (*self.members, *more))

    def adopt(self, heads: log.LockedHeads) -> None:
        """Take heads that are locked already, those of all members at least."""
        self._heads |= heads

    def require_group(self) -> None:
        if self.conversation.pair is not None:
            raise Conflict("A conversation of two keeps its two members.", code="not_a_group")

    def shown(self) -> dict[str, Any]:
        return conversation_json(self.conversation, self.members.values())

    def count_unread(self, steps: Mapping[UUID, int]) -> None:
        """Change the members' numbers of unread messages. One query."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE messaging_member SET unread = unread + step"
                " FROM unnest(%s::uuid[], %s::bigint[]) AS steps (id, step)"
                " WHERE conversation_id = %s AND viewer_id = id",
                [list(steps), list(steps.values()), self.conversation.id],
            )
        for id, step in steps.items():
            self.members[id] = replace(self.members[id], unread=self.members[id].unread + step)

    def record(self, name: str, *items: Mapping[str, Any], last: Mapping[str, Any] | None) -> None:
        """Record what happened: all of it for the conversation's topic, the last item also for each member's inbox.

        In the inbox the event also holds the conversation as this member reads it now. The inboxes must be locked.
        """
        shown = self.shown()
        entries: list[Entry] = [(self.topic, name, item) for item in items]
        entries += [
            (user_topic(member.id), name, {**items[-1], "conversation": summary_json(shown, member, last)})
            for member in self.members.values()
        ]
        log.record_many(self._heads, entries)

    def record_changed(self) -> None:
        """Record that the members or the title have changed."""
        self.record("conversation", {"conversation": self.shown()}, last=newest_message(self.conversation.id))

    def record_merged(self, guest_id: UUID, viewer: Mapping[str, Any], *, last: Mapping[str, Any] | None) -> None:
        """Record that a guest has become an account. What the guest wrote and saw here is the account's."""
        shown = self.shown()
        merged = {
            "merged": {"from": str(guest_id), "viewer": viewer},
            "conversation": shown,
            "seen": {str(member.id): member.seen_seq for member in self.members.values()},
        }
        entries: list[Entry] = [(self.topic, "merged", merged)]
        entries += [
            (user_topic(member.id), "conversation", {"conversation": summary_json(shown, member, last)})
            for member in self.members.values()
        ]
        log.record_many(self._heads, entries)

    def record_reading(self, member: Membership) -> None:
        """Record how far a member has read, for the conversation's topic and for the member's inbox."""
        self._heads |= log.lock_topics([user_topic(member.id)])
        data = {"receipt": {"viewer_id": str(member.id), "seen_seq": member.seen_seq}}
        mine = summary_json(self.shown(), member, newest_message(self.conversation.id))
        log.record_many(
            self._heads,
            [(self.topic, "receipt", data), (user_topic(member.id), "receipt", {**data, "conversation": mine})],
        )

    def record_for(self, viewer_id: UUID, name: str, data: Mapping[str, Any]) -> None:
        """Record something for one viewer, whose topic is locked."""
        log.record_many(self._heads, [(user_topic(viewer_id), name, data)])
