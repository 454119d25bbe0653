"""Who may do what in a channel: one table. All doors ask it: REST, WebSocket, pages and the admin.

Called by every act of moderation.
"""

from __future__ import annotations

from uuid import UUID

from accounts.models import Viewer
from moderation.roles import Rank, role_in
from web.refusals import Forbidden

_HELPERS = frozenset(Rank) - {Rank.VIEWER}
_MODERATORS = _HELPERS - {Rank.HELPER}

MAY = {
    "board": _MODERATORS,
    "delete": _HELPERS,
    "pin": _MODERATORS,
    "review": _HELPERS,
    "rules": _MODERATORS,
}
"""Each act, and the ranks that may do it."""


def may(act: str, owner_id: UUID, viewer: Viewer | None) -> bool:
    """Return whether the viewer may do the act in the channel."""
    return role_in(owner_id, viewer) in MAY[act]


def require(act: str, owner_id: UUID, viewer: Viewer) -> None:
    """Raises Forbidden."""
    if not may(act, owner_id, viewer):
        raise Forbidden("Only the broadcaster and moderators can do this.")
