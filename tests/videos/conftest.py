"""Fixtures for the backend's tests in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accounts.models import Viewer
from tests.console import Console
from tests.videos.acts import Stage
from tests.watching import HANG_SECONDS
from videos.likes import group_commit


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[Stage]:
    """A video with its people, on the real database. Published events are kept, not sent."""
    monkeypatch.setattr("realtime.log.group_commit.WAIT_SECONDS", HANG_SECONDS)  # a busy machine is no outage
    yield Stage(monkeypatch)
    group_commit.close()


@pytest.fixture
def root(stage: Stage) -> Console:
    return Console(Viewer.objects.create_superuser("root"))


@pytest.fixture
def clerk(stage: Stage) -> Console:
    """Staff without any permission."""
    return Console(Viewer.objects.create_user("clerk", is_staff=True))
