"""What a viewer is in a channel: its owner, moderator or helper, or one of the site's people.

Called by all that act, by lists and by the group commit. A channel's roles are rows; the site's people have Django's
permissions.
"""

from __future__ import annotations

from enum import IntEnum
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef

from accounts.models import Viewer
from moderation.models import Role

SITE_MODERATOR = "videos.delete_comment"
"""The permission that makes somebody a moderator of the whole site."""


BROADCASTER = "videos.add_video"
"""The permission that gives somebody a channel who is not marked as a broadcaster."""


class Rank(IntEnum):
    """What somebody is in a channel. Nobody restricts a person of their own rank or of a higher one."""

    VIEWER = 0
    HELPER = 1
    MODERATOR = 2
    OWNER = 3
    SITE_MODERATOR = 4
    ADMINISTRATOR = 5


MARKED = frozenset({Rank.MODERATOR, Rank.SITE_MODERATOR, Rank.ADMINISTRATOR})
"""Those whose names have the mark of a moderator. A helper has none."""
_OF_KIND = {Role.Kind.HELPER: Rank.HELPER, Role.Kind.MODERATOR: Rank.MODERATOR}

_ROLE = "SELECT kind FROM moderation_role WHERE channel_id = %s AND viewer_id = %s"


def role_in(owner_id: UUID | None, viewer: Viewer | None) -> Rank:
    """Return what the viewer is in the channel; None: in the whole site. One query at most, besides permissions."""
    if viewer is None:
        return Rank.VIEWER
    if viewer.id == owner_id:
        return Rank.OWNER
    if viewer.is_active and viewer.is_superuser:
        return Rank.ADMINISTRATOR
    if viewer.has_perm(SITE_MODERATOR):
        return Rank.SITE_MODERATOR
    if owner_id is None:
        return Rank.VIEWER
    with connection.cursor() as cursor:  # every page of a signed-in viewer asks: plain SQL costs a tenth
        cursor.execute(_ROLE, [owner_id, viewer.id])
        row = cursor.fetchone()
    return Rank.VIEWER if row is None else _OF_KIND[Role.Kind(row[0])]


def has_channel(viewer: Viewer) -> bool:
    """Return whether somebody has a channel: they are active, and a broadcaster."""
    return viewer.is_active and (viewer.is_broadcaster or viewer.has_perm(BROADCASTER))


# The same for many at once, inside their query


def moderates_sql(*, owner: str, viewer: str) -> str:
    """Return SQL: whether the viewer is a moderator in the owner's channel. Both are columns, or `%s`."""
    return (
        f"EXISTS (SELECT FROM moderation_role r WHERE r.channel_id = {owner} AND r.viewer_id = {viewer}"
        " AND r.kind = 'moderator')"
    )


def moderates(*, owner: str | UUID, viewer: str) -> Exists:
    """Return the same condition for Django. `owner`: an id, or the lookup that leads to it, as `viewer` is one."""
    channel = owner if isinstance(owner, UUID) else OuterRef(owner)
    return Exists(Role.objects.filter(channel=channel, viewer=OuterRef(viewer), kind=Role.Kind.MODERATOR))


def group_of(owner_id: UUID | str) -> str:
    """Return the name of the group of those who have a role in a channel. Its private videos are open to them."""
    return f"channel:{owner_id}"


GROUPS_OF = "SELECT 'channel:' || channel_id FROM moderation_role WHERE viewer_id = {viewer}"
"""The groups of a viewer (accounts.permissions.grouping)."""

ROLES_OF = "SELECT channel_id, viewer_id, kind FROM moderation_role WHERE viewer_id = ANY(%s)"
"""All roles of many viewers, for a group commit."""
