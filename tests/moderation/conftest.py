"""Fixtures of the moderation's tests: a video with its people, as those of videos have it."""

from __future__ import annotations

from tests.videos.conftest import clerk, root, stage

__all__ = ["clerk", "root", "stage"]
