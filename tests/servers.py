"""Pytest plugin: real PostgreSQL and Valkey for the run, on free ports, gone with it.

Loaded by `-p` (pyproject.toml), because pytest-django reads the settings before any conftest. A running site, another
test run and the environment of a site are left alone; servers of one's own are named by TEST_DATABASE_URL and
TEST_REDIS_URL.
"""

from __future__ import annotations

import atexit
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from host import embedded, environment
from tests import template

SHARED = "TEST_SHARED"
"""The environment variable with a folder that the processes of a run share."""


def share_compressed(data: Path) -> None:
    """Have a site use the run's compressed static files, which take a second to make. `data`: its data folder."""
    shared = Path(os.environ[SHARED], "compressed")
    shared.mkdir(exist_ok=True)
    (data / "compressed").symlink_to(shared)


def _start() -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    database, redis = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    folder = stack.enter_context(embedded.throw_away(postgres=not database, valkey=not redis))
    # A site's own values must not reach the tests, its database least of all.
    for name in [name for name in os.environ if environment.is_ours(name)]:
        del os.environ[name]
    # The run starts hundreds of processes. Each would compile the project anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["DATABASE_URL"] = database or embedded.database_url(folder)
    # The processes over which the run may be spread (tests.spread) share it.
    os.environ["TEST_DATABASE_URL"] = os.environ["DATABASE_URL"]
    if template.NAME not in os.environ:
        os.environ[template.NAME] = f"template_{os.getpid()}"
        if database:
            stack.callback(template.drop, database)
    os.environ["REDIS_URL"] = redis or embedded.redis_url(folder)
    os.environ["SECRET_KEY"] = "known to everyone who reads the tests"
    os.environ["LIVE_DATA_DIR"] = str(folder / "site")
    os.environ.setdefault(SHARED, str(folder))
    (folder / "site").mkdir()
    share_compressed(folder / "site")
    return stack


_stack = _start()


def pytest_unconfigure() -> None:
    _stack.close()


def pytest_report_header() -> list[str]:
    import psycopg
    import redis

    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        postgres = str(connection.info.parameter_status("server_version"))
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        info = client.info("server")
    name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    return [f"real servers: PostgreSQL {postgres}; {name}", f"browser: {chromium() or NO_CHROMIUM}"]


NO_CHROMIUM = "none, browser tests are skipped: install Chromium or name it in CHROMIUM"


WINDOWED = ("chromium", "chromium-browser", "google-chrome")
"""Chromium with its windows, which are there but not shown."""
CHROMIUMS = ("chromium-headless-shell", *WINDOWED)
"""The first one has no windows, and costs a third less."""


def chromium(names: Sequence[str] = CHROMIUMS) -> str | None:
    """Return the path of the Chromium that browser tests use, or None."""
    import shutil

    named = os.environ.get("CHROMIUM", "")
    if named:
        return named if Path(named).exists() else None
    return next(filter(None, map(shutil.which, names)), None)
