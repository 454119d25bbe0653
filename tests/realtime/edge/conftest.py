"""Rooms for the tests of what comes in over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.rooms import Room, open_room
from tests.sites import Site


@pytest.fixture
async def here(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        made.client.cookies.clear()  # the guests' sessions: who acts says so by token
        yield made
