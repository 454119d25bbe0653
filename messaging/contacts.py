"""Who knows whom: viewers who share a conversation, neither blocking the other.

Called by whoever shows one viewer something of another: who is online, who is watching too.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import connection
from django.db.models import Q

from messaging.models import Block

_ACQUAINTANCES = """
SELECT DISTINCT mine.viewer_id, theirs.viewer_id
FROM messaging_member mine JOIN messaging_member theirs USING (conversation_id)
WHERE mine.viewer_id = ANY(%s) AND theirs.viewer_id <> mine.viewer_id
AND mine.left_at IS NULL AND theirs.left_at IS NULL
AND NOT EXISTS (SELECT FROM messaging_block
 WHERE blocker_id = mine.viewer_id AND blocked_id = theirs.viewer_id
 OR blocker_id = theirs.viewer_id AND blocked_id = mine.viewer_id)
"""


def acquaintances(viewer_id: UUID) -> set[UUID]:
    """Return who shares a conversation with the viewer, without those whom one of the two blocks. One query."""
    return _acquaintances([viewer_id])[viewer_id]


def blocked(viewer_id: UUID) -> set[UUID]:
    """Return whom the viewer blocks and who blocks the viewer. One query."""
    pairs = Block.objects.filter(Q(blocker_id=viewer_id) | Q(blocked_id=viewer_id)).values_list(
        "blocker_id", "blocked_id"
    )
    return {id for pair in pairs for id in pair} - {viewer_id}


def may_see(ids: Sequence[UUID]) -> dict[UUID, frozenset[str]]:
    """Return for each viewer who may see whether he is there: himself and his acquaintances, as text. One query."""
    return {id: frozenset(map(str, {id, *known})) for id, known in _acquaintances(ids).items()}


def _acquaintances(ids: Sequence[UUID]) -> dict[UUID, set[UUID]]:
    found: dict[UUID, set[UUID]] = {id: set() for id in ids}
    with connection.cursor() as cursor:
        cursor.execute(_ACQUAINTANCES, [list(ids)])
        for mine, theirs in cursor.fetchall():
            found[mine].add(theirs)
    return found
