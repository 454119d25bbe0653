"""Fixtures for the tests of direct messages in this process."""

from __future__ import annotations

import pytest

from tests.messaging.circle import Circle


@pytest.fixture
def circle(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Circle:
    """Viewers on the real database. Published events are kept, not sent."""
    return Circle(monkeypatch)
