"""Fixtures for the tests of boards in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from polls import asking, votes
from tests.videos.acts import Stage
from tests.watching import HANG_SECONDS
from videos import likes


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[Stage]:
    """A video with its people, on the real database. Published events are kept, not sent."""
    monkeypatch.setattr("realtime.log.group_commit.WAIT_SECONDS", HANG_SECONDS)  # a busy machine is no outage
    yield Stage(monkeypatch)
    votes.group_commit.close()
    asking.group_commit.close()
    likes.group_commit.close()
