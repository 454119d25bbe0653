"""What the RTMP server and the rest of the ingest say to each other: who wants to send a picture, and where it goes.

The server (ingest.rtmp.server) makes a `Publish` of each encoder that asks; what admits it answers with a `Sink`, or
raises `RefusedStream`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from ingest.rtmp.health import HealthMeter


class RefusedStream(Exception):
    """The encoder gets the detail, a sentence for the broadcaster, and is cut."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Publish:
    """An encoder that wants to send a picture.

    `app` is the path of the server's address and `key` the stream key, as the broadcaster wrote them in the encoder,
    without queries. `health` goes on counting. `cut(detail)` ends the stream in words at any later time, also when
    nothing comes from the encoder. `renew()` has another file begin with the next frame, for a sink that has
    lost the first.
    """

    app: str
    key: str = field(repr=False)
    address: str
    health: HealthMeter
    cut: Callable[[str], None]
    renew: Callable[[], None]

    @property
    def video_id(self) -> UUID | None:
        """The video that the server's address names after the first part of its path; None: it names none."""
        try:
            return UUID(self.app.partition("/")[2])
        except ValueError:
            return None


class Sink(Protocol):
    """Where the picture of one encoder goes."""

    async def write(self, data: bytes) -> None:
        """Take whole FLV tags, the header of the file before the first. While it waits, the encoder waits.

        A header at the beginning of later data begins another file: what comes now is decoded in another way. May raise
        RefusedStream.
        """

    async def close(self, reason: str) -> None:
        """Learn that no more will come, and why. Called once."""


def app_and_key(path: str, name: str) -> tuple[str, str]:
    """Return app and key of what an encoder sent: its path on this server and the name of its stream.

    Encoders that have one field for the whole address may send the key as the end of the path, and no name.
    """
    app, key = (part.partition("?")[0].strip("/ ") for part in (path, name))
    if not key and "/" in app:
        app, _, key = app.rpartition("/")
    return app, key
