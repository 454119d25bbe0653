"""Who a connection speaks for.

Hop: beside the path. The backend makes an identity from a session, a token or a ticket (realtime.registry); what a
connection may read depends on it (realtime.kinds.Access).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a connection speaks for. `topics`: it came with a ticket that is good only for these topics and public ones.

    `is_staff`: may read topics that are closed to others but open to staff (the backend decides who is staff).
    `groups`: names of groups that the viewer is in; a topic may be open to a group.
    `stamp` and `session`: what the viewer was recognized by. They show later whether the viewer would still be
    recognized. `is_hidden`: the viewer did not want to be seen online when the connection came.
    """

    viewer_id: str = ""
    is_staff: bool = False
    topics: frozenset[str] | None = None
    stamp: str = ""
    session: str = ""
    is_hidden: bool = False
    groups: frozenset[str] = frozenset()


ANONYMOUS = Identity()
