"""The guests of the demo broadcast: life while somebody watches, nothing else."""

from __future__ import annotations

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from host.demo_guests import KEPT, MARK, NAMES, QUESTIONS_WAITING, DemoGuests, client_of
from realtime.background import end
from tests.rooms import Room, open_room
from tests.sites import Site
from tests.watching import SseWatcher, watching


async def read_board(room: Room) -> dict[str, Any]:
    found: dict[str, Any] = (await room.call("GET", f"/videos/{room.video_id}/board")).json()["snapshot"]
    return found


async def test_guests_act_while_somebody_watches(site: Site, tmp_path: Path) -> None:
    async with open_room(site) as room, client(site) as guest:
        guests = guests_of(room, guest, tmp_path)
        acting = asyncio.create_task(guests.run(pause_seconds=(0.0, 0.02)))
        try:
            async with watching(SseWatcher(site.urls[0], room.topic)) as [viewer]:
                await viewer.wait_for(lambda: {"comment", "likes", "reactions"} <= set(viewer.names), "life")
                await viewer.wait_for(
                    lambda: any(seen.data["video"]["has_board"] for seen in viewer.named("video")), "a board"
                )
                while (poll := (await read_board(room))["poll"]) is None:  # a question may have come first
                    await asyncio.sleep(0.02)
                answered = [seen.data["comment"] for seen in viewer.named("comment")]
                await viewer.wait_for(
                    lambda: any(seen.data["comment"]["reply_to"] for seen in viewer.named("comment")), "an answer"
                )
            assert all(comment["author"]["name"].endswith(MARK) for comment in answered)
            assert viewer.problems == []
        finally:
            await end(acting)
        assert poll["question"].endswith(MARK)
        assert (tmp_path / KEPT).stat().st_mode & 0o077 == 0


async def test_guests_ask_and_one_question_is_answered(site: Site, tmp_path: Path) -> None:
    async with open_room(site) as room, client(site) as guest:
        guests = guests_of(room, guest, tmp_path)
        board: dict[str, Any] = {}
        for number in itertools.count():
            await guests.act_on_board(NAMES[number % len(NAMES)])
            board = await read_board(room)
            if board["questions"] and board["questions"]["answering"]:
                break
        assert board["questions"]["answering"]["author"]["name"].endswith(MARK)
        listed = (await room.call("GET", f"/videos/{room.video_id}/questions")).json()["snapshot"]
        assert len(listed["questions"]) == QUESTIONS_WAITING
        assert board["votes"]["total"] > 0


async def test_guests_are_quiet_where_nobody_watches(site: Site, tmp_path: Path) -> None:
    async with open_room(site) as room, client(site) as guest:
        asked: list[str] = []
        guest.event_hooks["request"].append(lambda request: note(asked, request))
        guests = guests_of(room, guest, tmp_path)
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
        guests = guests_of(room, guest, tmp_path)
        acting = asyncio.create_task(guests.run(pause_seconds=(0.0, 0.02)))
        async with watching(SseWatcher(site.urls[0], room.topic)) as [viewer]:
            await viewer.wait_for(lambda: "comment" in viewer.names, "a comment")
        await end(acting)


def guests_of(room: Room, guest: httpx.AsyncClient, folder: Path) -> DemoGuests:
    token = room.people[0].token
    return DemoGuests(guest, room.video_id, folder=folder, chance=random.Random(7), host_token=token)


async def note(asked: list[str], request: httpx.Request) -> None:
    asked.append(request.method)


def client(site: Site) -> httpx.AsyncClient:
    return client_of(site.urls[0], allowed_hosts=["*", ".example.org", "localhost"])
