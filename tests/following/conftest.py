"""Fixtures for the tests of channels."""

from __future__ import annotations

from tests.videos.conftest import root, stage

__all__ = ["root", "stage"]
