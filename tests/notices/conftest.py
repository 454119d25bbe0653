"""Fixtures for the tests of notices."""

from __future__ import annotations

from tests.videos.conftest import root, stage

__all__ = ["root", "stage"]
