"""Since when viewers follow channels, for channels in which only followers may comment.

Called by screening.followers inside the group commit of comments, on its connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg

from screening.followers import Following

_SINCE = (
    "SELECT channel_id, viewer_id, created_at FROM following_follow"
    " JOIN unnest(%s::uuid[], %s::uuid[]) AS asked (channel_id, viewer_id) USING (channel_id, viewer_id)"
)


def since(connection: psycopg.Connection[Any], asked: Sequence[Following]) -> Mapping[Following, datetime]:
    """Return since when each viewer follows the channel, of those that follow it. One query."""
    channels, viewers = ([pair[n] for pair in asked] for n in (0, 1))
    rows = connection.execute(_SINCE, [channels, viewers]).fetchall()
    return {(channel_id, viewer_id): created_at for channel_id, viewer_id, created_at in rows}
