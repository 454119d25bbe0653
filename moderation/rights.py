"""Who may do what in a channel: one table. All doors ask it: REST, WebSocket, pages and the admin.

Called by every act of moderation.
"""

from __future__ import annotations

from uuid import UUID

from accounts.models import Viewer
from moderation.restrictions import current
from moderation.roles import Rank, role_in
from web.refusals import Forbidden

HELPERS = frozenset(Rank) - {Rank.VIEWER}
MODERATORS = HELPERS - {Rank.HELPER}
OWNERS = frozenset({Rank.OWNER, Rank.ADMINISTRATOR})

MAY = {
    "watch": HELPERS,  # private videos; streams know it by the group of the channel (moderation.roles)
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
    "dismiss": HELPERS,  # what viewers have reported
    "rules": MODERATORS,
    "gate": MODERATORS,
    "role": OWNERS,
}
"""Each act, and the ranks that may do it."""


HELPER_SECONDS_MAX = 3_600


def may(act: str, owner_id: UUID | None, viewer: Viewer | None) -> bool:
    """Return whether the viewer may do the act in the channel."""
    rank = role_in(owner_id, viewer)
    return rank in MAY[act] and not _is_barred(act, rank, owner_id, viewer)


def _is_barred(act: str, rank: Rank, owner_id: UUID | None, viewer: Viewer | None) -> bool:
    """Return whether somebody with a role is kept out of the channel: then they only read what is done there."""
    has_role = rank in (Rank.HELPER, Rank.MODERATOR)
    return has_role and act != "read" and current().filter(channel=owner_id, viewer=viewer).exists()


def require(act: str, owner_id: UUID | None, viewer: Viewer) -> Rank:
    """Return what the viewer is in the channel. Raises Forbidden."""
    rank = role_in(owner_id, viewer)
    if rank not in MAY[act]:
        people = "the broadcaster" if MAY[act] == OWNERS else "the broadcaster and moderators"
        raise Forbidden(f"Only {people} can do this.")
    if _is_barred(act, rank, owner_id, viewer):
        raise Forbidden("You are kept out of this channel yourself.")
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
