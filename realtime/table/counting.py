"""Counts the viewers of a topic: keys of viewers, and the viewers that one node has.

Hop: beside the path. A connection brings its viewer's key (realtime.edge.handshake). The node
(realtime.node.arrivals) counts it in, and sends what has changed to the shared table (realtime.table.subscriptions) and
to the database. Two connections with one key are one viewer, on one node or on several.

The cost of what a node sends is bounded. For a big room it sends only a sample of the keys: those with 0 in the low
`level` bits. The numbers are exact all the same. Only the number of viewers who are on several nodes is estimated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import NewType, TypeVar

from realtime.table.subscriptions import Renewed, Share, Told

K = TypeVar("K")
ViewerKey = NewType("ViewerKey", int)
"""64 bits, signed, as PostgreSQL has them."""
UNCOUNTED = ViewerKey(0)

NAMES_MAX = 200  # viewers of one topic whose ids a node sends
DIRTY_MAX = 65_536  # changes of one topic that wait for the shared table; above this, all viewers are sent again
UNWRITTEN_MAX = 65_536  # new viewers of one topic that wait for the database; more than this are not remembered

KeyOf = Callable[[str], ViewerKey]


def viewer_keys(secret: str) -> KeyOf:
    """Return the function that makes a viewer's key from what they are known by. A key does not show whose it is."""
    seed = hashlib.blake2b(secret.encode(), digest_size=32, person=b"live.viewer").digest()

    def key_of(known_by: str) -> ViewerKey:
        digest = hashlib.blake2b(known_by.encode(), digest_size=8, key=seed).digest()
        return ViewerKey(int.from_bytes(digest, "big", signed=True) or 1)

    return key_of


def is_sampled(key: int, level: int) -> bool:
    """Return whether the key is in the sample that a level keeps: one in `2 ** level`."""
    return not key & ((1 << level) - 1)


class LocalViewers:
    """The viewers of one topic on one node, and the changes that are not sent yet. Every change costs O(1)."""

    __slots__ = (
        "_connections",
        "_dirty",
        "_is_lost",
        "_level",
        "_names",
        "_sampled",
        "_sent_names",
        "_unique_level",
        "_unwritten",
        "ratio",
    )  # fmt: skip

    def __init__(self) -> None:
        self._connections: dict[int, int] = {}  # key -> its connections here
        self._names: dict[str, int] = {}  # viewer id -> their connections here
        self._sent_names: frozenset[str] | None = None
        self._level = 0
        self._sampled = 0
        self._dirty: set[int] = set()  # keys of the sample that may be here or not for all that the table knows
        self._is_lost = True  # the table must get all
        self._unique_level = 0
        self._unwritten: set[int] = set()
        self.ratio = 1.0  # viewers of all nodes to the sum of the nodes' numbers, by the last answer of the table

    def __len__(self) -> int:
        """How many viewers are here, each counted once."""
        return len(self._connections)

    def enter(self, key: ViewerKey, viewer_id: str = "") -> bool:
        """Count a connection in, with `viewer_id` if it is known. Return whether there is something to send."""
        if key == UNCOUNTED:
            return False
        if viewer_id:
            self._names[viewer_id] = self._names.get(viewer_id, 0) + 1
        connections = self._connections.get(key, 0)
        self._connections[key] = connections + 1
        if connections:
            return self._names.get(viewer_id) == 1
        self._note(key, 1)
        if is_sampled(key, self._unique_level) and len(self._unwritten) < UNWRITTEN_MAX:
            self._unwritten.add(key)
        return True

    def leave(self, key: ViewerKey, viewer_id: str = "") -> bool:
        """Count a connection out that was counted in with the same arguments."""
        if key == UNCOUNTED:
            return False
        was_last = bool(viewer_id) and _take_one(self._names, viewer_id)
        if _take_one(self._connections, key):
            self._note(key, -1)
            return True
        return was_last

    def _note(self, key: int, step: int) -> None:
        if not is_sampled(key, self._level):
            return
        self._sampled += step
        if not self._is_lost:
            self._dirty.add(key)
            if len(self._dirty) > DIRTY_MAX:
                self._lose()

    def _lose(self) -> None:
        self._is_lost = True
        self._dirty.clear()

    # The shared table

    @property
    def has_news(self) -> bool:
        """Whether the table misses something: the rest of many changes, or what it has lost."""
        return bool(self._dirty) or self._is_lost

    @property
    def told(self) -> Told:
        """What the table should have, if nothing waits."""
        return Told(len(self._connections), self._level)

    def share(self, *, peak: int, most: int) -> Share:
        """Return what to send to the table now, with at most `most` keys. Then call `sent` or `not_sent`."""
        is_whole, self._is_lost = self._is_lost, False
        if is_whole:
            self._dirty = {key for key in self._connections if is_sampled(key, self._level)}
        changed = list(islice(self._dirty, most))
        self._dirty.difference_update(changed)
        here = [key in self._connections and is_sampled(key, self._level) for key in changed]
        names = frozenset(islice(self._names, NAMES_MAX))
        share = Share(
            viewers=len(self._connections),
            level=self._level,
            sampled=self._sampled,
            joined=[key for key, is_here in zip(changed, here, strict=True) if is_here],
            left=[key for key, is_here in zip(changed, here, strict=True) if not is_here],
            is_whole=is_whole,
            is_all=not self._dirty,
            names=names if is_whole or names != self._sent_names else None,
            is_named=bool(names),
            peak=peak,
            ratio=self.ratio,
        )
        self._sent_names = names
        return share

    def sent(self, answer: Renewed) -> None:
        """Take the table's answer. It may want another sample, or everything again."""
        self.ratio = answer.ratio
        if answer.is_lost:
            self._lose()
        if answer.level != self._level:
            before, self._level = self._level, answer.level
            self._sampled = 0
            for key in self._connections:
                is_in = is_sampled(key, self._level)
                self._sampled += is_in
                if not self._is_lost and is_in != is_sampled(key, before):
                    self._dirty.add(key)

    def not_sent(self, share: Share) -> None:
        """The table may have got it or not. Send the state of that time again."""
        if share.names is not None:
            self._sent_names = None
        if share.is_whole:
            self._lose()
        elif not self._is_lost:
            self._dirty.update(share.joined, share.left)
            if len(self._dirty) > DIRTY_MAX:
                self._lose()

    # The database

    @property
    def has_unwritten(self) -> bool:
        return bool(self._unwritten)

    def unwritten(self, most: int) -> list[int]:
        """Take up to `most` viewers that the database may not know. `not_written` puts them back."""
        taken = list(islice(self._unwritten, most))
        self._unwritten.difference_update(taken)
        return taken

    def written(self, level: int) -> None:
        """The database keeps the sample of that level and needs no other keys."""
        if level != self._unique_level:
            self._unique_level = level
            self._unwritten = {key for key in self._unwritten if is_sampled(key, level)}

    def not_written(self, keys: Iterable[int]) -> None:
        self._unwritten.update(keys)


def _take_one(counts: dict[K, int], key: K) -> bool:
    """Count one down. Return whether it was the last one, which is then forgotten."""
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        del counts[key]
    return not left
