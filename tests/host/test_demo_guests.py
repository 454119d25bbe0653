"""The guests of the demo broadcast: life while somebody watches, nothing else."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import httpx
import pytest

from host.demo_guests import KEPT, MARK, DemoGuests, client_of
from realtime.background import end
from tests.rooms import open_room
from tests.sites import Site
from tests.watching import SseWatcher, watching


async def test_guests_act_while_somebody_watches(site: Site, tmp_path: Path) -> None:
    async with open_room(site) as room, client(site) as guest:
        guests = DemoGuests(guest, room.video_id, folder=tmp_path, chance=random.Random(7))
        acting = asyncio.create_task(guests.run(pause_seconds=(0.0, 0.02)))
        try:
            async with watching(SseWatcher(site.urls[0], room.topic)) as [viewer]:
                await viewer.wait_for(lambda: {"comment", "likes", "reactions"} <= set(viewer.names), "life")
                answered = [seen.data["comment"] for seen in viewer.named("comment")]
                await viewer.wait_for(
                    lambda: any(seen.data["comment"]["reply_to"] for seen in viewer.named("comment")), "an answer"
                )
            assert all(comment["author"]["name"].endswith(MARK) for comment in answered)
            assert viewer.problems == []
        finally:
            await end(acting)
        assert (tmp_path / KEPT).stat().st_mode & 0o077 == 0


async def test_guests_are_quiet_where_nobody_watches(site: Site, tmp_path: Path) -> None:
    async with open_room(site) as room, client(site) as guest:
        asked: list[str] = []
        guest.event_hooks["request"].append(lambda request: note(asked, request))
        guests = DemoGuests(guest, room.video_id, folder=tmp_path, chance=random.Random(7))
        acting = asyncio.create_task(guests.run(pause_seconds=(0.0, 0.0)))
        async with asyncio.timeout(120):
            while len(asked) < 20:
                await asyncio.sleep(0.01)
        await end(acting)
        assert set(asked) == {"GET"}


@pytest.mark.parametrize("kept", ["", "[]", '{"Mia": 7}', '{"Mia": "an old token"}'])
async def test_guests_whom_the_site_does_not_know_come_anew(site: Site, tmp_path: Path, kept: str) -> None:
    (tmp_path / KEPT).write_text(kept)
    async with open_room(site) as room, client(site) as guest:
        guests = DemoGuests(guest, room.video_id, folder=tmp_path, chance=random.Random(7))
        acting = asyncio.create_task(guests.run(pause_seconds=(0.0, 0.02)))
        async with watching(SseWatcher(site.urls[0], room.topic)) as [viewer]:
            await viewer.wait_for(lambda: "comment" in viewer.names, "a comment")
        await end(acting)


async def note(asked: list[str], request: httpx.Request) -> None:
    asked.append(request.method)


def client(site: Site) -> httpx.AsyncClient:
    url = httpx.URL(site.urls[0])
    assert url.port is not None
    return client_of(url.port, host=url.host, allowed_hosts=["*", ".example.org", "localhost"])
