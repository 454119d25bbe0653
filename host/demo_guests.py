"""Guests of the demo broadcast. While somebody watches, they like, react, comment and answer.

Started by host.demo. They are clients of the REST API, as any others, and their names say what they are. Without a
viewer they do nothing, so a demo that runs for weeks fills no table.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from host import embedded

logger = logging.getLogger(__name__)

GuestAct = Callable[[str], Awaitable[None]]

NAMES = ("Mia", "Jonas", "Amara", "Kenji", "Lucía")
MARK = " · demo"
KEPT = "demo_guests.json"
PAUSE_SECONDS = (0.6, 2.5)
ANSWER_SECONDS = 10.0
LIKES = ("like", "celebrate", "support", "love", "insightful", "funny")
REACTIONS = ("heart", "heart", "heart", "clap", "fire", "wow")
COMMENTS = (
    "Hello from Lisbon!",
    "What a sky.",
    "Is this really live?",
    "The clock is right to the second here.",
    "I could watch this for hours.",
    "Where is this?",
    "That bell every two seconds is calming.",
    "Good evening, everybody.",
    "The colours just changed, did you see it?",
    "Watching this with my tea.",
    "How far north do you have to go for this?",
    "First time here. This is beautiful.",
)
ANSWERS = ("Welcome!", "I saw it too.", "Yes, it is!", "Same here.", "Good question.", "Thank you for that.")


class DemoGuests:
    """`client` speaks to the site's API. `folder` keeps the guests' tokens, so that a restart makes no new guests."""

    def __init__(self, client: httpx.AsyncClient, video_id: Any, *, folder: Path, chance: random.Random) -> None:
        self._client = client
        self._video = f"/videos/{video_id}"
        self._kept = folder / KEPT
        self._chance = chance
        self._tokens: dict[str, str] = {}

    async def run(self, pause_seconds: tuple[float, float] = PAUSE_SECONDS) -> None:
        """Act now and then, until it is cancelled. What the site refuses is left out."""
        self._tokens = self._read()
        while True:
            await asyncio.sleep(self._chance.uniform(*pause_seconds))
            try:
                if await self._is_watched():
                    await self._act()
            except (httpx.HTTPError, OSError, ValueError, KeyError) as error:
                logger.debug("a demo guest did nothing: %s", error)

    async def _is_watched(self) -> bool:
        video = (await self._client.get(self._video)).raise_for_status().json()
        return bool(video["viewers"]["count"])

    async def _act(self) -> None:
        acts: Sequence[GuestAct] = (*[self._react] * 6, *[self._like] * 3, *[self._comment] * 2, self._answer)
        name = self._chance.choice(NAMES)
        await self._chance.choice(acts)(name)

    async def _react(self, name: str) -> None:
        kind, count = self._chance.choice(REACTIONS), self._chance.randint(1, 6)
        await self._send(name, "POST", "/reactions", {"kind": kind, "count": count})

    async def _like(self, name: str) -> None:
        await self._send(name, "PUT", "/like", {"kind": self._chance.choice(LIKES)})

    async def _comment(self, name: str) -> None:
        await self._send(name, "POST", "/comments", {"body": self._chance.choice(COMMENTS)})

    async def _answer(self, name: str) -> None:
        """Answer the newest comment that is not the guest's own."""
        newest = (await self._client.get(f"{self._video}/comments", params={"limit": 5})).raise_for_status().json()
        others = [comment for comment in newest["items"] if comment["author"]["name"] != name + MARK]
        if others:
            body = {"body": self._chance.choice(ANSWERS), "reply_to": others[0]["id"]}
            await self._send(name, "POST", "/comments", body)

    async def _send(self, name: str, method: str, path: str, body: object) -> None:
        if name not in self._tokens:
            answer = (await self._client.post("/guests", json={"name": name + MARK})).raise_for_status().json()
            self._client.cookies.clear()  # each guest acts by a token of its own
            self._tokens[name] = answer["token"]
            await asyncio.to_thread(embedded.write_private, self._kept, json.dumps(self._tokens))
        headers = {"Authorization": f"Bearer {self._tokens[name]}"}
        answered = await self._client.request(method, self._video + path, json=body, headers=headers)
        if answered.status_code == 401:  # the site has forgotten the guest: make another one next time
            del self._tokens[name]

    def _read(self) -> dict[str, str]:
        try:
            kept = json.loads(self._kept.read_text())
            return {name: str(kept[name]) for name in NAMES if name in kept}
        except (OSError, ValueError, TypeError):
            return {}


def client_of(port: int, *, host: str, allowed_hosts: list[str]) -> httpx.AsyncClient:
    """Return a client of the site on this machine, by a name that the site answers to."""
    name = next((name for name in allowed_hosts if "*" not in name and not name.startswith(".")), "localhost")
    return httpx.AsyncClient(
        base_url=f"http://{host}:{port}/api/v1", headers={"Host": name}, timeout=ANSWER_SECONDS, trust_env=False
    )
