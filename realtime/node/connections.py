"""A viewer's connection, in the hands of its node.

Hop: the last one. The fan-out (realtime.node.fanout) writes to the sockets that the server (realtime.edge.server)
handed over. A reader that does not keep up has a mailbox within the bound for every peer (realtime.edge.bound). Above
that its wire cuts the connection, and the client comes back and resumes where it was. No other viewer waits for it.
"""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from realtime.events import ConnectionId, Frame, NodeId, TopicName
from realtime.identity import ANONYMOUS, Identity
from realtime.table.counting import UNCOUNTED, ViewerKey

HEARTBEAT_SECONDS = 15
TOPICS_MAX = 50  # of a connection
RETRY_MS = 2_000  # after which a client comes back
NODE_ID = re.compile(r"live\.node\.[A-Za-z0-9_]{1,64}\.[0-9a-f]{12}", re.ASCII)


class Closing(Enum):
    """Why the node closes a connection; the WebSocket close codes say to the client whether to come back."""

    UNSUPPORTED = 1003  # a message that is no text
    FAILED = 1011  # our mistake
    DRAIN = 1012  # come back, to another node
    SLOW = 4008  # come back and resume
    NONSENSE = 4400  # do not come back: only commands that made no sense
    GONE = 4404  # do not come back: the topic is deleted or no longer yours
    EXPIRED = 4401  # do not come back with the same rights
    INVALID = 4422  # do not come back: what you asked for is no topic
    TOO_OFTEN = 4429  # come back later


class Wire(Protocol):
    """How a connection reaches its viewer: realtime.edge.sockets.StreamSocket, or any ASGI server
    (realtime.edge.asgi_wire).

    `direct_fd` is the socket's descriptor while the node may write to it directly. Else it is -1: then use `write`.
    """

    direct_fd: int

    def open(self, headers: Sequence[tuple[bytes, bytes]], first: bytes) -> None:
        """Begin the answer of an event stream, with the first bytes of its body."""
        ...

    def write(self, frames: Sequence[Frame]) -> None: ...

    def answer(self, body: bytes) -> None:
        """Write a WebSocket message that is no event."""
        ...

    def ping(self) -> None:
        """Write what only shows that the line is alive: a comment (SSE) or a ping (WebSocket)."""
        ...

    def keep(self, rest: bytes) -> None:
        """Keep the rest of a frame when the kernel took only a part. `direct_fd` is -1 until the rest is written."""
        ...

    def pause(self) -> None:
        """Take no more messages from the viewer for now."""
        ...

    def resume(self) -> None: ...

    def pending_bytes(self) -> int:
        """How many bytes were written that the kernel has not yet taken."""
        ...

    def close(self, why: Closing) -> None:
        """End the stream in the protocol's own way, after what is pending."""
        ...

    def abort(self) -> None:
        """Drop the connection at once."""
        ...


class ConnectionGone(Exception):
    """No node holds the connection, or it is not this viewer's."""


class TooManyTopics(Exception):
    """The connection has `TOPICS_MAX` topics."""


class Connection:
    """One SSE or WebSocket connection, in the hands of its node.

    `key`: the viewer that it counts as. `has_ids_of_all`: an event's id names the positions of all its topics.
    """

    __slots__ = (
        "has_ids_of_all", "id", "identity", "is_sampled", "is_sse", "key", "name_all", "slot", "stale", "topics",
        "wire",
    )  # fmt: skip

    def __init__(
        self,
        id: ConnectionId,
        wire: Wire,
        *,
        is_sse: bool,
        identity: Identity = ANONYMOUS,
        key: ViewerKey = UNCOUNTED,
        has_ids_of_all: bool = True,
    ) -> None:
        self.id = id
        self.wire = wire
        self.is_sse = is_sse
        self.is_sampled = False  # acknowledges frames (realtime.node.acknowledgements)
        self.identity = identity
        self.key = key
        self.slot = hash(id) % HEARTBEAT_SECONDS
        self.topics: set[TopicName] = set()
        self.stale = False  # it missed a frame of state, and must get the newest one
        self.has_ids_of_all = has_ids_of_all and is_sse
        # Set while there are several topics: it makes frames that only this connection gets.
        self.name_all: Callable[[Sequence[Frame]], Sequence[Frame]] | None = None

    @property
    def direct_fd(self) -> int:
        """The descriptor, if frames for many may be written to it as they are. Else -1."""
        return -1 if self.name_all is not None else self.wire.direct_fd

    def write(self, frames: Sequence[Frame]) -> None:
        self.wire.write(frames if self.name_all is None else self.name_all(frames))

    def check_room(self, topic: TopicName) -> None:
        """Raises TooManyTopics if the connection may not have one more topic."""
        if len(self.topics) >= TOPICS_MAX and topic not in self.topics:
            raise TooManyTopics(topic)

    def heartbeat(self) -> None:
        """Show that the line is alive, unless something is being sent already."""
        if not self.wire.pending_bytes():
            self.wire.ping()


_FULL = (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError)


def is_full(error: OSError) -> bool:
    """Whether the kernel just has no room now. Anything else is the end of the connection."""
    return isinstance(error, _FULL) or error.errno in (errno.ENOBUFS, errno.ENOMEM)


def public_id(connection: ConnectionId, node: NodeId) -> str:
    """Return the name that a client gives any node for its connection. `parse_public_id` reads it."""
    return f"{connection}@{node}"


def parse_public_id(text: str) -> tuple[ConnectionId, NodeId]:
    """Raises ValueError for a text that is no connection's."""
    connection, at, node = text.partition("@")
    if not at or not connection or not NODE_ID.fullmatch(node):
        raise ValueError("a connection is what `hello` says")
    return ConnectionId(connection), NodeId(node)
