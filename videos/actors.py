"""Who acts at a video, as a transaction reads them, and the names by which guests write.

Hop: called by videos.likes, polls.asking and polls.votes in their transactions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from accounts import permissions
from accounts.lookalikes import name_key
from accounts.taken import numbered
from moderation.models import Role
from videos import rights
from videos.models import Video


@dataclass(frozen=True, slots=True)
class Actor:
    """A model's instance costs ten times as much."""

    id: UUID
    name: str
    name_key: str
    picture: int
    password: str
    is_guest: bool
    sees_all: bool
    is_moderator: bool


ACTORS = (
    f"SELECT id, name, name_key, picture, password, is_guest, {permissions.held_sql(*rights.SEE)} AS sees_all,"
    f" {permissions.held_sql(rights.MODERATE)} AS is_moderator FROM accounts_viewer v WHERE id = ANY(%s) AND is_active"
)

Roles = Mapping[tuple[UUID, UUID], str]
"""The kinds of roles, by channel and viewer."""


def roles_by(rows: Iterable[Mapping[str, Any]]) -> Roles:
    """Return the roles of the rows of `moderation.roles.ROLES_OF`."""
    return {(row["channel_id"], row["viewer_id"]): row["kind"] for row in rows}


def may_watch(video: Mapping[str, Any], viewer_id: UUID, roles: Roles, *, sees_all: bool) -> bool:
    """Return what `videos.rights.may_watch` does. `video`: a row with `owner_id` and `visibility`."""
    if video["visibility"] != Video.Visibility.PRIVATE or sees_all or viewer_id == video["owner_id"]:
        return True
    return (video["owner_id"], viewer_id) in roles  # all roles may watch (moderation.rights)


def is_moderator_in(actor: Actor, video: Mapping[str, Any], roles: Roles) -> bool:
    """Return whether somebody moderates the channel of the video, or the site."""
    return actor.is_moderator or roles.get((video["owner_id"], actor.id)) == Role.Kind.MODERATOR


# Rows in the order of their ids: two batches at different videos may rename the same two guests.
_WRITE = (
    "WITH n AS (SELECT v.id, new.name, new.key"
    " FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS new (id, name, key) JOIN accounts_viewer v USING (id)"
    " ORDER BY v.id FOR NO KEY UPDATE OF v)"
    " UPDATE accounts_viewer v SET name = n.name, name_key = n.key FROM n WHERE v.id = n.id"
)


class Names:
    """By which names the people of a batch write. The topics of its videos are locked.

    So of two guests of one name who write at once the first one keeps it.
    """

    def __init__(self) -> None:
        self._new: dict[UUID, Actor] = {}
        self._bearers: dict[tuple[UUID, str], UUID] = {}

    def settled(self, who: Actor, video_id: UUID, *, is_taken: bool) -> Actor:
        """Return who writes, by a name that nobody else has there: a guest whose name is taken gets a number.

        `is_taken`: by an account, or by somebody who was there before this batch.
        """
        key = who.name_key or name_key(who.name)  # older code has left it empty
        is_borne = self._bearers.get((video_id, key), who.id) != who.id
        if who.is_guest and who.id not in self._new and (is_taken or is_borne):
            name = numbered(who.name, who.id)
            key = name_key(name)
            who = self._new[who.id] = replace(who, name=name, name_key=key)
        self._bearers.setdefault((video_id, key), who.id)
        return who

    def write(self, execute: Callable[..., Any]) -> None:
        if new := self._new.values():
            execute(_WRITE, [[who.id for who in new], [who.name for who in new], [who.name_key for who in new]])
