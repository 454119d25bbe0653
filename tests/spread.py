"""Pytest plugin: a run of all tests is spread over a few processes, because much of it is waiting.

Each process has the tests of one file at a time, and a Valkey and sites of its own; PostgreSQL they share
(tests.servers). Named tests all run in the one process; `-n 0` has the whole run do so.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

# Two cores have enough to do with what six have to compute: much of it is waiting.
PROCESSES = 6
# One site for all of them, which is started once; but for those that make their own.
TOGETHER = "tests/faults"
APART = tuple(f"{TOGETHER}/test_{name}.py" for name in ("machines", "vanished", "sentinel", "postgres"))
# What takes longest, so that nobody is left alone with it at the end; what waits beside what computes.
FIRST = (
    TOGETHER,
    "tests/regions/test_regions.py",
    *APART,
    "tests/e2e/test_watch.py",
    "tests/host/test_serve.py",
    "tests/e2e/test_inbox.py",
    "tests/messaging/test_presence.py",
    "tests/host/test_regions.py",
    "tests/loadtest/test_command.py",
    "tests/test_checks.py",
    "tests/web/test_openapi.py",
    "tests/test_benchmarks.py",
    "tests/walk/test_walk.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return over how many processes the run is spread; 0: it is not."""
    is_whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    # Tests empty it: each process needs its own.
    return PROCESSES if is_whole and "TEST_REDIS_URL" not in os.environ else 0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        places = {unit: place for place, unit in enumerate(FIRST)}
        items.sort(key=lambda item: places.get(_unit(item.nodeid), len(places)))


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return _Units(config, log)


class _Units(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        return _unit(nodeid)


def _unit(nodeid: str) -> str:
    """Return the name of what one process does in one go."""
    file = nodeid.partition("::")[0]
    return TOGETHER if file.startswith(f"{TOGETHER}/") and file not in APART else file
