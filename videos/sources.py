"""Where a node gets what it has not got itself: from the nodes of the ingest's machine, over HTTP, and from the bucket.

Called by videos.elsewhere. A node asks another one as a viewer would, with a pass of its own (`PASS`): rights are
checked by the node that the viewer asks. A request with a pass is answered from that machine's folder, never from
elsewhere, so nodes cannot ask in a circle. The other source is the bucket itself (web.bucket).
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from django.core.signing import BadSignature, TimestampSigner

from web.pictures import MediaAway
from web.store import OpenedFile

PASS = "Live-Media"
PASS_SECONDS = 120

_passes = TimestampSigner(salt="videos.sources")


class SourceAway(MediaAway):
    """Where a file should come from does not answer."""


def make_pass(video_id: str) -> str:
    return _passes.sign(video_id)


def has_pass(value: str | None, video_id: str) -> bool:
    """Whether a node of this site asks for files of the video."""
    try:
        return value is not None and _passes.unsign(value, max_age=PASS_SECONDS) == video_id
    except BadSignature:
        return False


class Source(Protocol):
    """Raises MediaAway."""

    def open(
        self, video_id: str, name: str, *, query: str = "", start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[OpenedFile | None]:
        """Open a file, or a part of it; None: it is not there. `query`: what a playlist is asked for."""
        ...
