"""Who may do what in a channel: one table. All doors ask it: REST, WebSocket, pages and the admin.

Called by every act of moderation.
"""

from __future__ import annotations

from typing import Any
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
    "time_out": HELPERS,  # of an hour at most (`seconds_max`)
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
    "emoji": MODERATORS,  # of the channel
    "role": OWNERS,
    "share": OWNERS,  # bans, with other channels
}
"""Each act, and the ranks that may do it."""

_RIGHTS = {"delete_question": "delete"}


SECONDS_MAX, HELPER_SECONDS_MAX = 14 * 86_400, 3_600
"""Of a time-out."""


def may(act: str, owner_id: UUID | None, viewer: Viewer | None) -> bool:
    """Return whether the viewer may do the act in the channel."""
    rank = role_in(owner_id, viewer)
    return rank in MAY[act] and not (act != "read" and _is_barred(rank, owner_id, viewer))


def right_for(act: str) -> str:
    """Return the act of `MAY` that an entry of the log needs."""
    return _RIGHTS.get(act, act)


def offered(owner_id: UUID, viewer: Viewer | None) -> dict[str, Any]:
    """Return what a page offers the viewer in the channel: `{"may", "time_out_seconds_max", "outranks_moderators"}`,
    with the acts of `MAY` that they may do. Two queries at most, besides permissions.
    """
    rank = role_in(owner_id, viewer)
    is_barred = _is_barred(rank, owner_id, viewer)
    acts = [act for act, ranks in MAY.items() if rank in ranks and (act == "read" or not is_barred)]
    return {
        "may": acts,
        "time_out_seconds_max": seconds_max(rank) if "time_out" in acts else 0,
        "outranks_moderators": rank > Rank.MODERATOR,
    }


def seconds_max(rank: Rank) -> int:
    """Return how long a time-out may be that somebody of this rank gives."""
    return HELPER_SECONDS_MAX if rank == Rank.HELPER else SECONDS_MAX


def _is_barred(rank: Rank, owner_id: UUID | None, viewer: Viewer | None) -> bool:
    """Return whether somebody with a role is kept out of the channel: then they only read what is done there."""
    return rank in (Rank.HELPER, Rank.MODERATOR) and current().filter(channel=owner_id, viewer=viewer).exists()


def require(act: str, owner_id: UUID | None, viewer: Viewer) -> Rank:
    """Return what the viewer is in the channel. Raises Forbidden."""
    rank = role_in(owner_id, viewer)
    if rank not in MAY[act]:
        people = "the broadcaster" if MAY[act] == OWNERS else "the broadcaster and moderators"
        raise Forbidden(f"Only {people} can do this.")
    if act != "read" and _is_barred(rank, owner_id, viewer):
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
