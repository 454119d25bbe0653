"""Files that have left the playlist and stay a while: a player may still ask for what it has read there.

Called by the packager. Their time is counted in media that was published since, so it stands still with the picture.
Source: draft-pantos-hls-rfc8216bis, section 6.2.2.
"""

from __future__ import annotations

import heapq
import math

from web.store import MediaStore


class Retention:
    """Deletes each file when its time has come."""

    def __init__(self, store: MediaStore) -> None:
        self._store = store
        self._published_seconds = 0.0
        self._due: list[tuple[float, str]] = []

    def retire(self, name: str, *, stays_seconds: float) -> None:
        """Delete the file after so much further media."""
        heapq.heappush(self._due, (self._published_seconds + stays_seconds, name))

    def publish(self, seconds: float) -> None:
        """Count media, and delete what is due. Raises OSError."""
        self._published_seconds += seconds
        self._delete_until(self._published_seconds)

    def sweep(self) -> None:
        """Delete all of them now. Raises OSError."""
        self._delete_until(math.inf)

    def _delete_until(self, moment: float) -> None:
        while self._due and self._due[0][0] <= moment:
            self._store.delete(self._due[0][1])
            heapq.heappop(self._due)
