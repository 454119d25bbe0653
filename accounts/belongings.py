"""What the apps keep of viewers. Each adds its own to `belongings` at start.

Called when a guest becomes an account (merging), when an account is deleted (removal), when guests who have left
nothing are forgotten (cleaning), and by the admin.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from accounts.models import Viewer
from realtime.events import TopicName
from realtime.log.writer import LockedHeads


class Belongings:
    """What one app keeps of viewers. It overrides what it has something to do for."""

    # A guest becomes an account

    def topics(self, guest_id: UUID, account_id: UUID) -> Collection[TopicName]:
        """Return the topics in which `hand_over` records something, made where there was none."""
        return ()

    def hand_over(self, guest: Viewer, account: Viewer, heads: LockedHeads) -> None:
        """Make the guest's things the account's. In the transaction; the topics are locked."""

    # An account is deleted

    def check_removal(self, viewer_id: UUID) -> None:
        """Raise Conflict while the account may not be deleted."""

    def take_away(self, viewer_id: UUID, actor: Viewer) -> None:
        """Delete all of it, in short transactions, and publish that to those who see it."""

    def are_left(self, viewer_id: UUID) -> bool:
        """Return whether there is anything that `take_away` has to delete."""
        return False

    def links(self, viewer: Viewer) -> Sequence[tuple[str, str]]:
        """Return where the admin shows what the viewer has made: addresses and their words."""
        return ()

    def counts(self, viewers: Sequence[Viewer]) -> Mapping[str, str]:
        """Return how much goes with these accounts, for the admin: what, and its number in words."""
        return {}

    def in_the_way(self, viewers: Sequence[Viewer]) -> Sequence[str]:
        """Return what keeps these accounts from being deleted, for the admin, as HTML. The first ones are enough."""
        return ()

    # A guest is forgotten

    def forget(self, viewer_ids: Sequence[UUID]) -> None:
        """Delete what is kept of viewers without any rows. In the transaction that deletes them."""


belongings: list[Belongings] = []
