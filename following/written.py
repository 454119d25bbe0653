"""Shows people in their browsers what others write to them, where they want that.

Hop: a message only notes whose browsers may show it (`note`); a periodic job sends. Between the two are some seconds. A
page that shows the conversation says in that time that it is seen, and then nothing is sent. Each message is sent at
most once. A browser shows the newest of a conversation alone (`PushMessage.tag`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from django.utils.text import Truncator
from django.utils.translation import gettext as _

from following.browsers import push
from following.push import PushMessage
from notices.choices import PUSH, TEXT, wanting
from web import statements

logger = logging.getLogger(__name__)

CONVERSATIONS_MAX = 200  # of one page
PAGES_MAX = 10  # of one run
WAIT = timedelta(seconds=4)
"""In which a page says that it shows the message."""
FRESH = timedelta(minutes=10)
TTL_SECONDS = 86_400
TEXT_MAX = 200

_NOTE = """
INSERT INTO following_duemessage (viewer_id, conversation_id) SELECT c.viewer_id, %s FROM notices_noticechoice c
WHERE c.viewer_id = ANY(%s) AND c.kind = 'message' AND c.way = 'push' AND c.is_on
AND EXISTS (SELECT FROM following_pushdevice d WHERE d.viewer_id = c.viewer_id)
ON CONFLICT DO NOTHING
"""
_TAKE = """
DELETE FROM following_duemessage WHERE id IN (
    SELECT id FROM following_duemessage WHERE at < statement_timestamp() - %s ORDER BY at LIMIT %s
    FOR UPDATE SKIP LOCKED
) RETURNING viewer_id, conversation_id, at > statement_timestamp() - %s
"""
# The newest that they have not seen, by nobody that they block.
_NEWEST = """
SELECT me.viewer_id, c.id, c.title, c.pair IS NULL, a.name, m.body
FROM unnest(%s::uuid[], %s::uuid[]) AS due (viewer_id, conversation_id)
JOIN messaging_member me ON (me.conversation_id, me.viewer_id) = (due.conversation_id, due.viewer_id)
JOIN messaging_conversation c ON c.id = me.conversation_id
CROSS JOIN LATERAL (
    SELECT m.author_id, m.body FROM messaging_message m
    WHERE m.conversation_id = me.conversation_id AND m.seq > greatest(me.seen_seq, me.joined_seq)
    AND m.author_id <> me.viewer_id AND m.deleted_at IS NULL AND NOT EXISTS (
        SELECT FROM messaging_block WHERE blocker_id = me.viewer_id AND blocked_id = m.author_id
    ) ORDER BY m.seq DESC LIMIT 1
) m JOIN accounts_viewer a ON a.id = m.author_id
WHERE me.left_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class _Written:
    """The newest message that somebody has not seen. `text`: empty where they want none on their screens."""

    viewer_id: UUID
    conversation_id: UUID
    title: str
    is_group: bool
    author: str
    text: str

    def message(self) -> PushMessage:
        """Return what is said, in the language that is active."""
        title = self.author
        if self.is_group and self.title:
            title = _("{name} in {group}").format(name=self.author, group=self.title)
        body = Truncator(self.text).chars(TEXT_MAX) or _("A new message")
        path = f"/messages/{self.conversation_id}/"
        return PushMessage(title, body, path, f"conversation:{self.conversation_id}", TTL_SECONDS)


def note(conversation_id: UUID, viewer_ids: Collection[UUID]) -> None:
    """Note a new message for those whose browsers want to show it, in its transaction. One query."""
    statements.run(_NOTE, [conversation_id, list(viewer_ids)])


def send() -> int:
    """Send what is due; return how many browsers took it."""
    taken = 0
    for _page in range(PAGES_MAX):
        due = statements.rows(_TAKE, [WAIT, CONVERSATIONS_MAX, FRESH])
        fresh = [(viewer_id, conversation_id) for viewer_id, conversation_id, is_fresh in due if is_fresh]
        taken += sum(push([(each.viewer_id, each.message) for each in _newest(fresh)])) if fresh else 0
        if len(due) < CONVERSATIONS_MAX:
            break
    if taken:
        logger.info("messages: %d browsers have taken them", taken)
    return taken


def _newest(due: Collection[tuple[UUID, UUID]]) -> list[_Written]:
    viewers = [viewer_id for viewer_id, _ in due]
    found = [
        _Written(*row) for row in statements.rows(_NEWEST, [viewers, [conversation_id for _, conversation_id in due]])
    ]
    pushed, with_text = wanting(viewers, "message", PUSH), wanting(viewers, "message", TEXT)
    return [
        each if each.viewer_id in with_text else replace(each, text="") for each in found if each.viewer_id in pushed
    ]
