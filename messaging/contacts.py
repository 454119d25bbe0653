"""Who knows each other. A viewer is visible to people that they have written to, or started a conversation with, as
long as both are in it and neither blocks the other. A message from a stranger makes nobody visible.

Called by what shows one viewer something of another: who is online, who is watching too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from django.db import connection
from django.db.models import Q

from messaging.models import Block

# From the memberships of those who are asked about, each looked up by itself. OFFSET 0 keeps PostgreSQL from joining
# whole tables instead, which took 325 ms where others had many conversations.
_PAIRS = """
SELECT DISTINCT shown.viewer_id, other.viewer_id
FROM messaging_member {one}
CROSS JOIN LATERAL (
  SELECT m.viewer_id FROM messaging_member m WHERE m.conversation_id = {one}.conversation_id
  AND m.viewer_id <> {one}.viewer_id AND m.left_at IS NULL OFFSET 0
) AS {two}
CROSS JOIN LATERAL (
  SELECT c.id, c.creator_id FROM messaging_conversation c WHERE c.id = {one}.conversation_id OFFSET 0
) AS c
WHERE {one}.viewer_id = ANY(%s) AND {one}.left_at IS NULL
AND (c.creator_id = shown.viewer_id
 OR EXISTS (SELECT FROM messaging_message m WHERE m.conversation_id = c.id AND m.author_id = shown.viewer_id OFFSET 0))
AND NOT EXISTS (SELECT FROM messaging_block WHERE blocker_id = shown.viewer_id AND blocked_id = other.viewer_id
 OR blocker_id = other.viewer_id AND blocked_id = shown.viewer_id OFFSET 0)
"""


def acquaintances(viewer_id: UUID) -> set[UUID]:
    """Return those who show themselves to the viewer. One query."""
    return {shown for shown, _ in _pairs("other", [viewer_id])}


def friends(viewer_id: UUID) -> set[UUID]:
    """Return those who show themselves to the viewer, and to whom the viewer shows themselves: each has written to the
    other, or has started what both are in. Two queries.
    """
    known = acquaintances(viewer_id)
    return known & {other for _, other in _pairs("shown", [viewer_id])} if known else known


def blocked(viewer_id: UUID) -> set[UUID]:
    """Return those that the viewer blocks, and those who block the viewer. One query."""
    pairs = Block.objects.filter(Q(blocker_id=viewer_id) | Q(blocked_id=viewer_id)).values_list(
        "blocker_id", "blocked_id"
    )
    return {id for pair in pairs for id in pair} - {viewer_id}


def blocks(viewer_id: UUID) -> set[UUID]:
    """Return those that the viewer blocks. One query."""
    with connection.cursor() as cursor:  # every page of a signed-in viewer asks: plain SQL costs a tenth
        cursor.execute("SELECT blocked_id FROM messaging_block WHERE blocker_id = %s", [viewer_id])
        return {id for (id,) in cursor.fetchall()}


def may_see(ids: Sequence[UUID]) -> dict[UUID, frozenset[str]]:
    """Return for each viewer those who may see them, the viewer too, as text. One query."""
    found = {id: {str(id)} for id in ids}
    for shown, other in _pairs("shown", ids):
        found[shown].add(str(other))
    return {id: frozenset(others) for id, others in found.items()}


def _pairs(one: Literal["shown", "other"], ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Return the pairs `(shown, other)`: the first shows themselves to the second. `ids`: of `one` of the two."""
    with connection.cursor() as cursor:
        cursor.execute(_PAIRS.format(one=one, two="other" if one == "shown" else "shown"), [list(ids)])
        return [(shown, other) for shown, other in cursor.fetchall()]
