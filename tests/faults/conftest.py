"""One site for all tests of faults: each breaks something of it, and finds it whole."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import watched
from tests.rooms import Room, open_room
from tests.sites import Site, SiteFactory
from tests.watching import Watcher, eventually


@pytest.fixture(scope="package")
def one_site(site_factory: SiteFactory) -> Iterator[Site]:
    with watched(site_factory.start(env={"LIVE_LIMITS": "off"})) as site:
        yield site


@pytest.fixture
def site(one_site: Site) -> Iterator[Site]:
    """Two nodes and a dispatcher, free to be broken."""
    _mend(one_site)
    yield one_site
    _mend(one_site)


def _mend(site: Site) -> None:
    assert site.dispatcher
    for child in (site.valkey, site.dispatcher, *site.nodes):
        child.send(signal.SIGCONT)
    if site.valkey.exit_code() is not None:
        site.start_valkey()
    for index, node in enumerate(site.nodes):
        if node.exit_code() is not None:
            site.start_node(index)
    if site.dispatcher.exit_code() is not None:
        site.start_dispatcher()
    site.wait_until_ready()


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as room:
        yield room


class Talk:
    """Somebody who comments without a pause, through one node, for the length of the block."""

    def __init__(self, room: Room, *, node: int = 0) -> None:
        self.room = room
        self.node = node
        self.said: list[str] = []
        self.refused: list[int] = []
        self._is_over = asyncio.Event()

    async def __aenter__(self) -> Talk:
        self._task = asyncio.create_task(self._talk(), name="talk")
        return self

    async def __aexit__(self, *_: object) -> None:
        # Not cancelled: nobody could say whether a comment that was under way had been made.
        self._is_over.set()
        await self._task

    async def _talk(self) -> None:
        for number in itertools.count():
            text = f"comment {number}"
            answer = await self.room.try_to_comment(text, node=self.node)
            if answer.status_code == 201:
                self.said.append(text)
            else:
                self.refused.append(answer.status_code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_over.wait(), 0.05)
                return

    async def goes_on(self, comments: int = 5) -> None:
        """Return when some more comments were made."""
        enough = len(self.said) + comments
        await eventually(lambda: len(self.said) >= enough or self._task.done(), "more comments")
        assert not self._task.done(), self._task.exception()


async def fast_path_works(room: Room, viewer: Watcher) -> None:
    """Return when a heart has come through dispatcher, Redis and node: there is no other way for it."""
    before = len(viewer.named("reactions"))

    async def heart_arrives() -> bool:
        path = f"/videos/{room.video_id}/reactions"
        answer = await room.call("POST", path, {"kind": "heart", "count": 1}, person=room.people[1])
        assert answer.status_code in (202, 503)
        return len(viewer.named("reactions")) > before

    await eventually(heart_arrives, f"a heart to reach {viewer}")
