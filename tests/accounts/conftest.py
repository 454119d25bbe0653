"""Fixtures for the tests of accounts: an account has things in all apps."""

from __future__ import annotations

from tests.messaging.conftest import circle
from tests.videos.conftest import clerk, root, stage

__all__ = ["circle", "clerk", "root", "stage"]
