"""What members read about conversations and messages: one JSON form for REST, events and snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.representation import Named, person
from messaging.models import Conversation, Message
from realtime.events import TopicName
from web.moments import to_ms


@dataclass(frozen=True, slots=True)
class Membership:
    """A current member of a conversation: who it is, and how far they have read."""

    id: UUID
    name: str
    joined_seq: int = 0
    seen_seq: int = 0
    unread: int = 0


def conversation_topic(id: UUID) -> TopicName:
    return TopicName(f"conversation:{id}")


def user_topic(id: UUID) -> TopicName:
    return TopicName(f"user:{id}")


def conversation_json(conversation: Conversation, members: Iterable[Membership]) -> dict[str, Any]:
    """The conversation as all its members read it. `creator_id`: who may take others out, as long as they are in it."""
    members = list(members)
    creator_id = conversation.creator_id
    return {
        "id": str(conversation.id),
        "topic": conversation.topic,
        "title": conversation.title,
        "is_group": conversation.pair is None,
        "members": [person(member) for member in members],
        "creator_id": str(creator_id) if any(member.id == creator_id for member in members) else None,
        "created_at_ms": to_ms(conversation.created_at),
    }


def summary_json(shown: Mapping[str, Any], member: Membership, last: Mapping[str, Any] | None) -> dict[str, Any]:
    """The conversation (`conversation_json`) as this member reads it: with its last message and what is unread."""
    return {**shown, "last": last, "unread": member.unread, "seen_seq": member.seen_seq}


def message_json(message: Message, author: Named) -> dict[str, Any]:
    return {
        "id": str(message.id),
        "conversation_id": str(message.conversation_id),
        "author": person(author),
        "body": message.body,
        "client_id": message.client_id,
        "seq": message.seq,
        "at_ms": to_ms(message.created_at),
        "edited_at_ms": to_ms(message.edited_at),
    }
