"""Who may do what in a channel: one table. All doors ask it: REST, WebSocket, pages and the admin.

Called by every act of moderation.
"""

from __future__ import annotations

from uuid import UUID

from accounts.models import Viewer
from moderation.roles import Rank, role_in
from web.refusals import Forbidden

HELPERS = frozenset(Rank) - {Rank.VIEWER}
MODERATORS = HELPERS - {Rank.HELPER}
OWNERS = frozenset({Rank.OWNER, Rank.ADMINISTRATOR})

MAY = {
    "read": HELPERS,  # the log, the people and the notes
    "note": HELPERS,
    "delete": HELPERS,
    "time_out": HELPERS,  # of an hour at most (`HELPER_SECONDS_MAX`)
    "delete_all": MODERATORS,
    "pin": MODERATORS,
    "ban": MODERATORS,
    "shadow": MODERATORS,
    "lift": MODERATORS,
    "board": MODERATORS,
    "review": HELPERS,  # of what is held
    "rules": MODERATORS,
    "gate": MODERATORS,
    "role": OWNERS,
}
"""Each act, and the ranks that may do it."""


HELPER_SECONDS_MAX = 3_600


def may(act: str, owner_id: UUID | None, viewer: Viewer | None) -> bool:
    """Return whether the viewer may do the act in the channel."""
    return role_in(owner_id, viewer) in MAY[act]


def require(act: str, owner_id: UUID | None, viewer: Viewer) -> Rank:
    """Return what the viewer is in the channel. Raises Forbidden."""
    rank = role_in(owner_id, viewer)
    if rank not in MAY[act]:
        people = "the broadcaster" if MAY[act] == OWNERS else "the broadcaster and moderators"
        raise Forbidden(f"Only {people} can do this.")
    return rank


def require_over(act: str, owner_id: UUID | None, actor: Viewer, viewer: Viewer) -> Rank:
    """Return what the actor is there, who may do the act to that viewer. Raises Forbidden."""
    rank = require(act, owner_id, actor)
    if viewer.id == actor.id:
        raise Forbidden("You cannot do this to yourself.", code="yourself")
    if viewer.id == owner_id:
        raise Forbidden("The broadcaster cannot be kept out of their own channel.", code="outranked")
    if role_in(owner_id, viewer) >= rank:
        raise Forbidden("They are what you are here, or more.", code="outranked")
    return rank
