"""The tables of direct messages: conversations, members, messages, what they said before, blocks.

Written by messaging.acts.

The constraints here decide: one conversation of two people, one place for each message, no negative count. The acts
check the same under their locks, so an error of a constraint is a mistake of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar
from uuid import UUID

from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Viewer
from web.ids import new_id
from web.text import BODY_MAX, TITLE_MAX

MEMBERS_MAX = 50
BLOCKS_MAX = 1_000


def pair_of(ids: Iterable[UUID]) -> str:
    """Return what makes two people's conversation the only one of theirs."""
    first, second = sorted(map(str, ids))
    return f"{first}:{second}"


class Conversation(models.Model):
    """What 2 to 50 viewers write to each other. Its topic is `conversation:<id>`.

    A conversation of exactly two people has a `pair`, and keeps these two. All others are groups. Only messages, and
    changes of members or title, move `active_at`, under the locks of all members' topics. So it has the order of their
    events.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    title = models.CharField(_("title"), max_length=TITLE_MAX, blank=True)
    creator = models.ForeignKey(
        Viewer, models.SET_NULL, null=True, related_name="started_conversations", verbose_name=_("started by")
    )
    # Null, not empty: groups must not count as the same.
    pair = models.CharField(max_length=73, null=True, editable=False)  # noqa: DJ001
    created_at = models.DateTimeField(_("started"), db_default=Now())
    active_at = models.DateTimeField(_("last activity"), db_default=Now())

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["pair"], name="conversation_pair"),
        ]

    def __str__(self) -> str:
        return self.title or self.topic

    @property
    def topic(self) -> str:
        return f"conversation:{self.id}"


class Member(models.Model):
    """A viewer's place in a conversation, kept after they have left (`left_at`).

    `joined_seq` is the seq of the event by which they joined, `seen_seq` the last one that they have seen since then.
    `unread` is the number of messages of others after both that are not deleted. Each transaction that changes these
    messages changes it too.
    """

    pk = models.CompositePrimaryKey("conversation_id", "viewer_id")
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="members", db_index=False)
    viewer = models.ForeignKey(Viewer, models.CASCADE, related_name="memberships")
    joined_at = models.DateTimeField(db_default=Now())
    joined_seq = models.BigIntegerField(default=0)
    left_at = models.DateTimeField(null=True)
    seen_seq = models.BigIntegerField(default=0)
    unread = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(unread__gte=0), name="member_unread_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} in {self.conversation_id}"


class Message(models.Model):
    """What a member wrote. `seq` is its place in the conversation's topic. A deleted message keeps it, without text."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages", db_index=False)
    author = models.ForeignKey(Viewer, models.CASCADE, related_name="messages")
    body = models.TextField(blank=True, validators=[MaxLengthValidator(BODY_MAX)])
    # Null, not empty: many messages without one must not count as the same.
    client_id = models.CharField(max_length=64, null=True)  # noqa: DJ001
    seq = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now())
    edited_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # Also the index of pages, of the newest one and of what a receipt passes.
            models.UniqueConstraint(fields=["conversation", "seq"], name="message_seq"),
            models.UniqueConstraint(fields=["conversation", "author", "client_id"], name="message_client_id"),
            models.CheckConstraint(
                condition=(models.Q(deleted_at=None) & ~models.Q(body=""))
                | models.Q(deleted_at__isnull=False, body=""),
                name="message_has_text_or_is_deleted",
            ),
        ]

    def __str__(self) -> str:
        return f"message {self.seq} of {self.conversation_id}"


class MessageVersion(models.Model):
    """What a message said before it was edited. It goes when the message is deleted."""

    id = models.BigAutoField(primary_key=True)
    message = models.ForeignKey(Message, models.CASCADE, related_name="versions")
    body = models.TextField()
    written_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"version {self.pk} of {self.message_id}"


class Block(models.Model):
    """A viewer who wants no messages from another viewer."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    blocker = models.ForeignKey(
        Viewer, models.CASCADE, related_name="blocks", verbose_name=_("who blocks"), db_index=False
    )
    blocked = models.ForeignKey(Viewer, models.CASCADE, related_name="blocked_by", verbose_name=_("who is blocked"))
    created_at = models.DateTimeField(_("since"), db_default=Now())

    class Meta:
        verbose_name = _("block")
        verbose_name_plural = _("blocks")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["blocker", "blocked"], name="block_once"),
            models.CheckConstraint(condition=~models.Q(blocker=models.F("blocked")), name="block_of_another"),
        ]

    def __str__(self) -> str:
        return f"{self.blocker_id} blocks {self.blocked_id}"
