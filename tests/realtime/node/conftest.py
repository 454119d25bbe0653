"""Parts of a node, on fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from realtime.node.node import Node
from tests.kit import Clock
from tests.realtime.fakes import VIDEO, FakeStore, FakeTable
from tests.realtime.node.shared import OTHER, make_node


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def table(clock: Clock) -> FakeTable:
    return FakeTable(clock=clock)


@pytest.fixture
def store() -> FakeStore:
    fake = FakeStore()
    fake.create(VIDEO)
    fake.create(OTHER)
    return fake


@pytest.fixture
async def node(table: FakeTable, store: FakeStore, clock: Clock) -> AsyncIterator[Node]:
    made = make_node(table, store, clock)
    yield made
    await made.aclose()
