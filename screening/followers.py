"""Who follows a channel since when: asked of the app that knows it, which adds itself to `readers` at start.

Called by videos.screened for channels in which only followers may comment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

Following = tuple[UUID, UUID]
"""The ids of a channel's owner and of a viewer."""
FollowersOf = Callable[[psycopg.Connection[Any], Sequence[Following]], Mapping[Following, datetime]]

readers: list[FollowersOf] = []
"""Each returns since when viewers follow, by one query on the connection, in a group commit's thread."""


def followed_at(connection: psycopg.Connection[Any], asked: Sequence[Following]) -> Mapping[Following, datetime]:
    """Return since when each viewer follows the channel; those who do not are left out."""
    return {following: since for reader in readers for following, since in reader(connection, asked).items()}
