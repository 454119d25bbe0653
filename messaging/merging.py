"""What a guest who signs in has here: messages, places in conversations, receipts, blocks. Part of accounts.belongings.

Hop: beside the path, called by accounts.merging in its transaction, with all topics locked.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import connection
from django.db.models import Q

from accounts.belongings import Belongings
from accounts.models import Viewer
from accounts.representation import person
from messaging.acts import record_block
from messaging.held import Held, touch
from messaging.models import Block, Conversation, Member, Message, pair_of
from messaging.reading import newest_message
from messaging.representation import conversation_topic, user_topic
from realtime.events import TopicName
from realtime.log import writer as log

_COUNT_UNREAD = """
UPDATE messaging_member m SET unread = (
    SELECT count(*) FROM messaging_message WHERE conversation_id = m.conversation_id
    AND seq > greatest(m.seen_seq, m.joined_seq) AND author_id <> m.viewer_id AND deleted_at IS NULL
  )
WHERE conversation_id = %s AND viewer_id = %s AND left_at IS NULL
"""


class MessagesOfGuest(Belongings):
    def topics(self, guest_id: UUID, account_id: UUID) -> Collection[TopicName]:
        conversations = list(_conversations(guest_id))
        people = {guest_id, account_id}
        people |= set(Member.objects.filter(conversation__in=conversations).values_list("viewer_id", flat=True))
        people |= set(Block.objects.filter(blocked_id=guest_id).values_list("blocker_id", flat=True))
        inboxes = {user_topic(id) for id in people}
        log.ensure_topics(inboxes)
        return inboxes | {conversation_topic(id) for id in conversations}

    def hand_over(self, guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
        conversations = Conversation.objects.filter(id__in=list(_conversations(guest.id))).order_by("active_at", "id")
        Message.objects.filter(author=guest).update(author=account, client_id=None)
        Conversation.objects.filter(creator=guest).update(creator=account)
        for conversation in conversations:
            self._take_place(conversation, guest, account)
            self._record_merged(conversation, guest, account, heads)
        self._hand_over_blocks(guest, account, heads)

    def _take_place(self, conversation: Conversation, guest: Viewer, account: Viewer) -> None:
        """Put the account in the guest's place. If it has a place too, one stays, and holds what either has read."""
        members = {member.viewer_id: member for member in Member.objects.filter(conversation=conversation)}
        theirs, mine = members[guest.id], members.get(account.id)
        Member.objects.filter(conversation=conversation, viewer=guest).delete()
        if theirs.left_at is not None:
            return
        if mine is None or mine.left_at is not None:
            Member.objects.filter(conversation=conversation, viewer=account).delete()
            theirs.viewer = account
            Member.objects.bulk_create([theirs])
        else:
            Member.objects.filter(conversation=conversation, viewer=account).update(
                joined_seq=min(mine.joined_seq, theirs.joined_seq), seen_seq=max(mine.seen_seq, theirs.seen_seq)
            )
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_UNREAD, [conversation.id, account.id])
        self._keep_pair(conversation, [id for id in members if id not in (guest.id, account.id)], account)

    def _keep_pair(self, conversation: Conversation, others: list[UUID], account: Viewer) -> None:
        """Make a conversation of two that of the account. If the account has one already, this one becomes a group."""
        if conversation.pair is None or not others:  # a group, or guest and account talked to each other
            return
        pair = pair_of([account.id, *others])
        is_taken = Conversation.objects.filter(pair=pair).exists()
        conversation.pair = None if is_taken else pair
        conversation.save(update_fields=["pair"])

    def _record_merged(
        self, conversation: Conversation, guest: Viewer, account: Viewer, heads: log.LockedHeads
    ) -> None:
        """Record the author's new name for those who watch the conversation, and the conversation for each member."""
        conversation.refresh_from_db()
        touch(conversation.id)
        held = Held(conversation, heads[conversation_topic(conversation.id)])
        held.adopt(heads)
        held.record_merged(guest.id, person(account), last=newest_message(conversation.id))

    def _hand_over_blocks(self, guest: Viewer, account: Viewer, heads: log.LockedHeads) -> None:
        Block.objects.filter(blocker=guest, blocked=account).delete()
        if Block.objects.filter(blocker=account, blocked=guest).delete()[0]:
            self._record_block(heads, account.id, guest, is_blocked=False)
        for block in Block.objects.filter(blocker=guest).select_related("blocked"):
            if not Block.objects.filter(blocker=account, blocked=block.blocked).exists():
                Block.objects.create(blocker=account, blocked=block.blocked)
                self._record_block(heads, account.id, block.blocked, is_blocked=True)
        for block in Block.objects.filter(blocked=guest):
            if not Block.objects.filter(blocker=block.blocker_id, blocked=account).exists():
                Block.objects.create(blocker_id=block.blocker_id, blocked=account)
                self._record_block(heads, block.blocker_id, account, is_blocked=True)
            self._record_block(heads, block.blocker_id, guest, is_blocked=False)
        Block.objects.filter(Q(blocker=guest) | Q(blocked=guest)).delete()

    def _record_block(self, heads: log.LockedHeads, blocker_id: UUID, blocked: Viewer, *, is_blocked: bool) -> None:
        record_block(heads[user_topic(blocker_id)], blocker_id, blocked, is_blocked=is_blocked)


def _conversations(guest_id: UUID) -> set[UUID]:
    """Return the conversations that the guest is or was in."""
    return set(Member.objects.filter(viewer_id=guest_id).values_list("conversation_id", flat=True))
