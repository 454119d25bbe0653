"""What the apps keep for viewers. Each app adds its own to `belongings` at start.

Called when a guest becomes an account (merging), when the picture of one changes (portraits), when an account is
deleted (removal), when its owner takes a copy of it (exports), when guests who have left nothing are forgotten
(cleaning), and by the admin.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from accounts.models import Viewer
from realtime.events import TopicName
from realtime.log.writer import LockedHeads


class Belongings:
    """What one app keeps for viewers. It overrides the methods that it needs."""

    # A guest becomes an account

    def topics(self, guest_id: UUID, account_id: UUID) -> Collection[TopicName]:
        """Return the topics in which `hand_over` records something. Missing ones are made."""
        return ()

    def hand_over(self, guest: Viewer, account: Viewer, heads: LockedHeads) -> None:
        """Give the guest's things to the account, in the transaction. The topics are locked."""

    # Somebody's picture changes

    def seen_in(self, viewer_id: UUID) -> Collection[TopicName]:
        """Return the topics in which `show_face` records something."""
        return ()

    def show_face(self, viewer: Viewer, heads: LockedHeads) -> None:
        """Publish their picture, which is written already, in the transaction. The topics are locked."""

    # An account is deleted

    def check_removal(self, viewer_id: UUID) -> None:
        """Raise Conflict while the account may not be deleted."""

    def take_away(self, viewer_id: UUID, actor: Viewer) -> None:
        """Delete all of it, in short transactions, and publish that to the viewers who see it."""

    def take_some(self, viewer_id: UUID, actor: Viewer) -> bool:
        """Delete a part of it, as `take_away` does, of what may be much. Return whether there may be more."""
        self.take_away(viewer_id, actor)
        return False

    def are_left(self, viewer_id: UUID) -> bool:
        """Return whether there is anything that `take_away` has to delete."""
        return False

    def links(self, viewer: Viewer) -> Sequence[tuple[str, str]]:
        """Return where the admin shows what the viewer has made: addresses and labels."""
        return ()

    def counts(self, viewers: Sequence[Viewer]) -> Mapping[str, str]:
        """Return how much is deleted with these accounts, for the admin: each kind's name, and its number as text."""
        return {}

    def in_the_way(self, viewers: Sequence[Viewer]) -> Sequence[str]:
        """Return what prevents deleting these accounts, for the admin, as HTML. The first ones are enough."""
        return ()

    # An account's owner takes a copy, or leaves

    def copies(self, viewer_id: UUID) -> Mapping[str, Iterable[Mapping[str, Any]]]:
        """Return what the viewer has made and chosen, by its kind. Nothing that others say of them, or to them."""
        return {}

    def give_up(self, viewer: Viewer) -> None:
        """Delete what nobody else may delete for them (`check_removal`). Their account is deleted after it."""

    # A guest is forgotten

    def forget(self, viewer_ids: Sequence[UUID]) -> None:
        """Delete what is kept for viewers without any rows, in the transaction that deletes them."""


belongings: list[Belongings] = []
