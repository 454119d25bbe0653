"""Fixtures for every test: sites of real processes, and a real browser."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import inspect
import os
import re
import runpy
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import httpx
import pytest
import pytest_asyncio
from django.core.management.commands import flush
from django.db import OperationalError, connection, connections
from hypothesis import HealthCheck, settings
from psycopg.errors import DeadlockDetected
from pytest_django import DjangoDbBlocker
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from host import embedded
from realtime.log.epoch import epoch
from realtime.log.threads import backend_threads
from tests import npm, passwords, servers, template
from tests.kit import HANG_SECONDS
from tests.sites import Site, SiteFactory, free_port

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, Route

    from tests.rooms import Room

# A machine that is slow is no fault: no example has a time, nor the making of examples.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# Nor is it one when httpx waits for longer than the five seconds of its default.
_patient = inspect.signature(httpx.Client).parameters["timeout"].default
_patient.connect = _patient.read = _patient.write = _patient.pool = HANG_SECONDS
MODULES_ORIGIN = "http://page.test"
LISTED_ORIGIN = f"http://127.0.0.1:{free_port()}"
"""Of a page that the shared site lists. On the same host, for a browser adds the cookies to nothing else."""


class Running(Protocol):
    """What has logs to show when its test fails."""

    def logs(self) -> list[tuple[str, str]]: ...

    def close(self) -> None: ...


passwords.hash_quickly()

R = TypeVar("R", bound=Running)
_sites: list[Running] = []


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no outage: who wants one says when the database is late."""
    monkeypatch.setattr(backend_threads, "answer_seconds", HANG_SECONDS)


@pytest.fixture(autouse=True)
def _own_history() -> None:
    """Tables that the test before has emptied are of another epoch, and a process keeps the old one for a second."""
    epoch.forget()


KEPT_TABLES = ("django_migrations", "django_content_type", "auth_permission")
"""They are the same for all tests. Django writes them anew after each test: 100 of 135 ms."""


def _empty_tables(_: flush.Command, *, database: str, **__: Any) -> None:
    """Empty the tables, in place of Django's `flush`. Constraints are checked at the end of it, in any order.

    Threads may still write: they wait until all is empty. If one of them holds what this waits for, it comes first.
    """
    tables = sorted({*connections[database].introspection.django_table_names()} - {*KEPT_TABLES})
    lock = f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE"
    statements = "; ".join([lock, *(f"DELETE FROM {table}" for table in tables)])
    is_empty = False
    while not is_empty:
        try:
            with connections[database].cursor() as cursor:
                cursor.execute(statements)
            is_empty = True
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:  # alone it migrates as fast itself
        connection.settings_dict["TEST"]["TEMPLATE"] = template.migrated()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """End the sessions that threads still have before the database is dropped: a group commit keeps one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush.Command, "handle", _empty_tables)
        yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 60_000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(scope="session")
def site_factory() -> Iterator[SiteFactory]:
    with embedded.temporary_folder() as folder, contextlib.closing(SiteFactory(folder)) as factory:
        yield factory


@pytest.fixture(scope="session")
def site(site_factory: SiteFactory) -> Iterator[Site]:
    """A running site that the whole run shares: two nodes and a dispatcher. Leave its processes alone.

    No limits; the sample of those who acknowledge frames is everybody that a node takes into it; one listed origin.
    """
    with watched(
        site_factory.start(
            env={
                "LIVE_LIMITS": "off",
                "LIVE_SAMPLE": "1",
                "LIVE_ORIGINS": LISTED_ORIGIN,
                "LIVE_RTMP_HOST": "127.0.0.1",
                "LIVE_RTMP_PORT": str(free_port()),
            }
        )
    ) as shared:
        yield shared


@pytest.fixture(scope="module")
def _lobby(site: Site) -> Room:
    from tests.rooms import open_room

    async def make() -> Room:
        async with open_room(site) as made:
            return made

    return asyncio.run(make())


@pytest.fixture
async def lobby(_lobby: Room) -> AsyncIterator[Room]:
    """A room for all tests of a file that change nothing in it."""
    async with httpx.AsyncClient(verify=False, timeout=HANG_SECONDS, trust_env=False) as client:
        yield dataclasses.replace(_lobby, client=client)


@pytest.fixture
def start_site(site_factory: SiteFactory) -> Iterator[Callable[..., Site]]:
    """Start sites of one's own, free to be broken: `start_site(nodes=2, env={"LIVE_FRAME_MS": "10"})`."""
    with contextlib.ExitStack() as stack:

        def start(*, nodes: int = 2, env: dict[str, str] | None = None, jobs: bool = False) -> Site:
            return stack.enter_context(watched(site_factory.start(nodes=nodes, env=env, jobs=jobs)))

        yield start


@contextlib.contextmanager
def watched(running: R) -> Iterator[R]:
    """Have it until the block ends, and its logs in the report of a test that fails."""
    _sites.append(running)
    try:
        yield running
    finally:
        _sites.remove(running)
        running.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes of a failed test's sites had to say."""
    report = yield
    if report.failed and {"site", "start_site", "place", "sentinel_site"} & set(getattr(item, "fixturenames", ())):
        report.sections.extend(section for running in _sites for section in running.logs())
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the tests of one browser run in the loop that it is driven from."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)  # before the one of auto mode


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    """A client of the run's Redis, for keys that begin with something of the test's own."""
    client = Redis.from_url(os.environ["REDIS_URL"], retry=Retry(NoBackoff(), 0), socket_connect_timeout=1)
    yield client
    await client.aclose()


@pytest.fixture
def no_guesses() -> None:
    """Have no password been tried so far: the limits of sign-in outlive a test."""
    import redis

    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        if keys := client.keys("live:*:sign-in:*"):
            client.delete(*keys)


def chromium_or_skip(names: Sequence[str] = servers.CHROMIUMS) -> str:
    """Return the path of a Chromium. Without one the test is skipped, but in CI it fails."""
    found = servers.chromium(names)
    if not found:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"browser: {servers.NO_CHROMIUM}")
    return found


@pytest.fixture(scope="session")
def checkers(checkout: Path) -> Path:
    """The folder with the programs of frontend/package.json. Without npm the test is skipped, but in CI it fails."""
    try:
        return npm.checkers(checkout)
    except npm.Missing as reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"checkers: {reason}")


@pytest.fixture
def html_errors(checkers: Path, tmp_path: Path) -> npm.HtmlErrors:
    """What is wrong with the HTML of pages, given by name. Call it once: Java takes seconds to start."""

    def check(pages: dict[str, str]) -> list[str]:
        try:
            return npm.html_errors(checkers, pages, tmp_path)
        except npm.Missing as reason:
            (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"checkers: {reason}")

    return check


@contextlib.asynccontextmanager
async def launched(path: str) -> AsyncIterator[Browser]:
    """Have a headless Chromium. Its start takes a second.

    Driven by Playwright's asyncio API, for the other one blocks all later asyncio tests.
    """
    from playwright.async_api import async_playwright

    arguments = ["--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync"]
    arguments.append("--use-fake-device-for-media-stream")
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A browser that the whole run shares; each test has contexts of its own, and closes them."""
    async with launched(chromium_or_skip()) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, checkout: Path) -> AsyncIterator[Page]:
    """An empty page that can import the site's modules."""

    async def serve(route: Route) -> None:
        path = checkout / "static" / route.request.url.removeprefix(MODULES_ORIGIN).lstrip("/")
        if path.suffix == ".js":
            await route.fulfill(path=path, content_type="text/javascript")
        else:
            await route.fulfill(body="<!doctype html>", content_type="text/html")

    made = await browser.new_page()
    await made.route(f"{MODULES_ORIGIN}/**", serve)
    await made.goto(MODULES_ORIGIN)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder of this checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def packages(checkout: Path) -> list[str]:
    """The top-level packages of the site, as it is installed without its tests and benchmarks."""
    found = (path.parent.name for path in checkout.glob("*/__init__.py"))
    return sorted(name for name in found if name not in ("tests", "benchmarks"))


@pytest.fixture
def read_settings(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Read the settings anew: `read_settings(PORT="80")`."""

    def read(**variables: str) -> dict[str, Any]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        # The other files of settings, which were read with another environment.
        for name in [name for name in sys.modules if re.fullmatch(r"liveplatform\.(variables|\w+_settings)", name)]:
            monkeypatch.delitem(sys.modules, name)
        return runpy.run_path(str(checkout / "liveplatform" / "settings.py"))

    return read
