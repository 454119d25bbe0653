"""Streams that ffmpeg makes once for the tests of a module."""

from __future__ import annotations

import pytest

from tests.ingest.packager.kit import Broadcast, Shelf
from tests.ingest.packager.streams import FRAGMENTS, X264, ffmpeg, picture, sound


@pytest.fixture(scope="session")
def stream() -> bytes:
    """Eight seconds of picture and sound, a keyframe each two."""
    return ffmpeg(*picture(), *sound(), "-t", "8", *X264, "-g", "60", "-c:a", "aac", *FRAGMENTS)


@pytest.fixture(scope="session")
def rare() -> bytes:
    """Twelve seconds with a keyframe each ten."""
    return ffmpeg(*picture(), "-t", "12", *X264, "-g", "300", *FRAGMENTS)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def broadcast(shelf: Shelf) -> Broadcast:
    return Broadcast(shelf)
