"""What goes with an account that is deleted: its messages, its places in conversations, its blocks, its inbox.

Hop: beside the path, called by accounts.removal. It follows the same rules: short transactions, which can be repeated
after an interruption, and events for all who see a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.belongings import Belongings
from accounts.models import Viewer
from messaging.acts import lift_block, take_back, take_out
from messaging.held import Held
from messaging.models import Block, Member, Message, MessageVersion
from messaging.representation import Membership, user_topic
from realtime.log.retention import delete_topics, empty_topics
from web.quick_lists import at_most, bounded_count

MESSAGES_MAX = 200  # of one transaction that holds the topics of a conversation and its members
CONVERSATIONS_MAX = 20  # that are left in one go, a transaction each


class MessagesOfViewer(Belongings):
    """The account is inactive already, so it makes nothing new."""

    def take_some(self, viewer_id: UUID, actor: Viewer) -> bool:
        if _take_messages_back(viewer_id) or _leave_some(viewer_id):
            return True
        for block in Block.objects.filter(blocked_id=viewer_id).select_related("blocked"):
            with transaction.atomic():
                lift_block(block.blocker_id, Membership(viewer_id, block.blocked.name))
        Block.objects.filter(blocker_id=viewer_id).delete()
        _delete_inbox(viewer_id)
        return False

    def counts(self, viewers: Sequence[Viewer]) -> Mapping[str, str]:
        return {_("conversations"): at_most(bounded_count(Member.objects.filter(viewer__in=viewers)))}

    def are_left(self, viewer_id: UUID) -> bool:
        return (
            Member.objects.filter(viewer_id=viewer_id).exists()
            or Message.objects.filter(author_id=viewer_id).exists()
            or Block.objects.filter(Q(blocker_id=viewer_id) | Q(blocked_id=viewer_id)).exists()
        )

    def copies(self, viewer_id: UUID) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        written = Message.objects.filter(author_id=viewer_id, deleted_at=None).order_by("conversation_id", "seq")
        blocked = Block.objects.filter(blocker_id=viewer_id)
        before = MessageVersion.objects.filter(message__author_id=viewer_id).order_by("message_id", "id")
        return {
            "messages": written.values("id", "conversation_id", "body", "created_at", "edited_at").iterator(),
            "message_versions": before.values("message_id", "body", "written_at").iterator(),
            "blocks": blocked.values("blocked_id", "blocked__name", "created_at").iterator(),
        }

    def forget(self, viewer_ids: Sequence[UUID]) -> None:
        delete_topics(user_topic(id) for id in viewer_ids)


def _take_messages_back(viewer_id: UUID) -> bool:
    """Take some of a viewer's messages back. Return whether there were any."""
    written = Message.objects.filter(author_id=viewer_id).order_by("conversation_id", "seq")
    found = list(written[:MESSAGES_MAX])
    for conversation_id, messages in groupby(found, key=lambda message: message.conversation_id):
        ids = [message.id for message in messages]
        with transaction.atomic():
            held = Held.lock(conversation_id)
            held.lock_members()
            if shown := list(written.filter(id__in=ids, deleted_at=None)):
                take_back(held, shown)
            Message.objects.filter(id__in=ids).delete()
    return bool(found)


def _leave_some(viewer_id: UUID) -> bool:
    """End some of a viewer's memberships. Return whether there were any."""
    mine = Member.objects.filter(viewer_id=viewer_id).values_list("conversation_id", flat=True)
    found = list(mine[:CONVERSATIONS_MAX])
    for conversation_id in found:
        _leave(conversation_id, viewer_id)
    return bool(found)


@transaction.atomic
def _leave(conversation_id: UUID, viewer_id: UUID) -> None:
    held = Held.lock(conversation_id)
    if viewer_id in held.members:
        take_out(held, viewer_id)
    Member.objects.filter(conversation_id=conversation_id, viewer_id=viewer_id).delete()


def _delete_inbox(viewer_id: UUID) -> None:
    topics = [user_topic(viewer_id)]
    empty_topics(topics)
    delete_topics(topics)
