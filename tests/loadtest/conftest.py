"""Fixtures for the load generator's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.loadtest.fake_site import FakeSite


@pytest.fixture
async def fake() -> AsyncIterator[FakeSite]:
    async with FakeSite() as site:
        yield site
