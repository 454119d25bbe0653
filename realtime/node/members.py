"""The members of a topic on a node: the connections that watch it, in memory.

Hop: a node (realtime.node.node) looks its topic up, and walks the list to write a frame (realtime.node.fanout).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain
from typing import Generic, TypeVar

from realtime.node.connections import Connection

M = TypeVar("M")


class MemberList(Generic[M]):
    """The connections of one topic and protocol: a list to walk fast, with holes where members left.

    A frame goes to the members that were in the list when it was made (`size` then). So a member that joins during a
    long fan-out gets only the frames after its snapshot. `fds[i]` is the descriptor of `members[i]` while the fan-out
    may write to it directly. It is -1 for a hole, and for a member that needs another kind of write.
    """

    __slots__ = ("_places", "fds", "members")

    def __init__(self) -> None:
        self.members: list[M | None] = []
        self.fds = array("i")
        self._places: dict[M, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[M]:
        return iter(self._places)

    def __contains__(self, member: M) -> bool:
        return member in self._places

    @property
    def size(self) -> int:
        """How far to walk `members` for a frame made now."""
        return len(self.members)

    def add(self, member: M, fd: int = -1) -> None:
        """Add a member. A second call changes nothing."""
        if member not in self._places:
            self._places[member] = len(self.members)
            self.members.append(member)
            self.fds.append(fd)

    def set_fd(self, member: M, fd: int) -> None:
        self.fds[self._places[member]] = fd

    def discard(self, member: M) -> None:
        place = self._places.pop(member, None)
        if place is not None:
            self.members[place] = None
            self.fds[place] = -1

    def compact(self) -> None:
        """Close the holes. Call it only when no frame is being sent, because places change."""
        if len(self.members) > 2 * len(self._places) + 8:
            self.fds = array("i", (self.fds[place] for place in self._places.values()))
            self.members = list(self._places)
            self._places = {member: place for place, member in enumerate(self._places)}


class Members:
    """The connections of one topic, by protocol."""

    __slots__ = ("sampled", "sse", "websocket")

    def __init__(self) -> None:
        self.sse: MemberList[Connection] = MemberList()
        self.websocket: MemberList[Connection] = MemberList()
        self.sampled: set[Connection] = set()  # those that acknowledge frames

    def __len__(self) -> int:
        return len(self.sse._places) + len(self.websocket._places)

    def __iter__(self) -> Iterator[Connection]:
        return chain(self.sse, self.websocket)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self.list_of(connection)

    def list_of(self, connection: Connection) -> MemberList[Connection]:
        return self.sse if connection.is_sse else self.websocket

    def add(self, connection: Connection) -> None:
        self.list_of(connection).add(connection, connection.direct_fd)
        if connection.is_sampled:
            self.sampled.add(connection)

    def discard(self, connection: Connection) -> None:
        self.list_of(connection).discard(connection)
        self.sampled.discard(connection)

    def compact(self) -> None:
        """Close the holes. Call it only when no frame is being sent, because places change."""
        self.sse.compact()
        self.websocket.compact()
