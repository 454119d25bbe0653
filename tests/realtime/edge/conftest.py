"""Rooms for the tests of what comes in over real sockets."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.rooms import Room, open_room
from tests.sites import Site


@pytest.fixture
async def here(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        made.client.cookies.clear()  # the guests' sessions: who acts says so by token
        yield made


@pytest.fixture(scope="module")
def _lobby(site: Site) -> Room:
    async def make() -> Room:
        async with open_room(site) as made:
            return made

    return asyncio.run(make())


@pytest.fixture
async def lobby(_lobby: Room) -> AsyncIterator[Room]:
    """A room for all tests that change nothing in it."""
    async with httpx.AsyncClient(verify=False, timeout=30, trust_env=False) as client:
        yield dataclasses.replace(_lobby, client=client)
