"""Answers whose body is a file, which the server sends by itself (liveplatform.asgi)."""

from __future__ import annotations

from typing import BinaryIO

from django.http import HttpResponse


class FilePart(HttpResponse):
    """An answer whose body is the bytes of a file from `start` up to `end`, for the server to send."""

    def __init__(self, file: BinaryIO, start: int, end: int, *, status: int = 200) -> None:
        super().__init__(status=status)
        self.file = file
        self.start = start
        self.end = end
        self.holds_until: float | None = None
        """Until when (monotonic seconds) it may be sent again to whoever asks for the same."""
        self.headers["Content-Length"] = str(end - start)
