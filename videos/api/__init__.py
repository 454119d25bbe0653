"""The REST API of videos, below `/api/v1/`: parse, ask who it is, act, answer.

Hop: the first one of a like. Errors are answered by web.errors. Answers are built by representation and sent as they
are; the schemas document and check the input.
"""

from __future__ import annotations

from videos.api import captions, comments, emoji, likes, pictures, recordings, replays, screening, thumbnails, videos

ROUTERS = (
    *(videos.router, thumbnails.router, pictures.router, recordings.router, captions.router),
    *(likes.router, comments.router, screening.router, emoji.router, replays.router),
)
