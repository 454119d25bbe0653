"""Guests of the demo broadcast. While somebody watches, they like, react, comment, answer, vote and ask. Their
broadcaster opens a poll now and then, and answers questions.

Started by host.demo. They are clients of the REST API, as any others, and their names say what they are. Without a
viewer they do nothing, so a demo that runs for weeks fills no table.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
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
POLL_SECONDS = 120
POLL_EVERY_SECONDS = 600
POLLS = (
    ("Which colour do you like best?", ("Green", "Violet", "Red")),
    ("How is the bell?", ("Right as it is", "Too loud", "Which bell?")),
    ("Where do you watch from?", ("Europe", "The Americas", "Asia", "Elsewhere")),
)
QUESTIONS = (
    "How is this picture made?",
    "Can I send a picture of my own?",
    "Does the clock come from the server?",
    "How many people can watch at once?",
)
QUESTIONS_WAITING = 2
ANSWERING_SECONDS = 30
ANSWERS = ("Welcome!", "I saw it too.", "Yes, it is!", "Same here.", "Good question.", "Thank you for that.")


class DemoGuests:
    """`client` speaks to the site's API. `folder` keeps the guests' tokens, so that a restart makes no new guests.

    `host_token`: of the broadcaster.
    """

    def __init__(
        self, client: httpx.AsyncClient, video_id: Any, *, folder: Path, chance: random.Random, host_token: str
    ) -> None:
        self._client = client
        self._video = f"/videos/{video_id}"
        self._kept = folder / KEPT
        self._chance = chance
        self._tokens: dict[str, str] = {}
        self._host = {"Authorization": f"Bearer {host_token}"}

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
        acts: Sequence[GuestAct] = (
            *[self._react] * 6,
            *[self._like] * 3,
            *[self._comment] * 2,
            self._answer,
            self.act_on_board,
        )
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

    async def act_on_board(self, name: str) -> None:
        """Do one thing with what is beside the picture: the broadcaster where it is due, else the guest."""
        found = await self._client.get(f"{self._video}/board")
        board = found.json()["snapshot"] if found.is_success else {"poll": None, "questions": None}
        now_ms, poll, asking = time.time() * 1000, board["poll"], board["questions"]
        if poll is None or now_ms - poll["opened_at_ms"] > POLL_EVERY_SECONDS * 1000:
            question, options = self._chance.choice(POLLS)
            await self._act_as_host(
                "POST", "/polls", {"question": question + MARK, "options": options, "seconds": POLL_SECONDS}
            )
        elif asking is None or not asking["is_open"]:
            await self._act_as_host("PUT", "/questions", {"is_open": True})
        elif (answering := asking["answering"]) is not None:
            if now_ms - answering["answering_at_ms"] > ANSWERING_SECONDS * 1000:
                await self._act_as_host("PUT", f"/questions/{answering['id']}/state", {"state": "answered"})
        else:
            await self._ask_or_vote(name, poll)

    async def _ask_or_vote(self, name: str, poll: dict[str, Any]) -> None:
        """Ask while few questions wait; else vote, and have the one with most votes answered now and then."""
        listed = (await self._client.get(f"{self._video}/questions")).raise_for_status().json()["snapshot"]
        waiting, votes = listed["questions"], listed["votes"]["kinds"]
        if len(waiting) < QUESTIONS_WAITING:
            known = {question["body"] for question in waiting}
            body = self._chance.choice([text for text in QUESTIONS if text not in known])
            await self._send(name, "POST", "/questions", {"body": body})
            return
        first = max(waiting, key=lambda question: int(votes.get(str(question["id"]), 0)))
        if int(votes.get(str(first["id"]), 0)) > 1:
            await self._act_as_host("PUT", f"/questions/{first['id']}/state", {"state": "answering"})
            return
        question = self._chance.choice(waiting)
        await self._send(name, "PUT", f"/questions/{question['id']}/vote", None)
        option = self._chance.choice(poll["options"])
        await self._send(name, "PUT", f"/polls/{poll['id']}/vote", {"option": option["id"]})

    async def _act_as_host(self, method: str, path: str, body: object) -> None:
        await self._client.request(method, self._video + path, json=body, headers=self._host)

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


def client_of(address: str, *, allowed_hosts: list[str]) -> httpx.AsyncClient:
    """Return a client of the site on this machine, by a name that the site answers to.

    `address`: like `https://127.0.0.1:8443`. Its certificate is for a name, or none's, and so is not asked for.
    """
    name = next((name for name in allowed_hosts if "*" not in name and not name.startswith(".")), "localhost")
    return httpx.AsyncClient(
        base_url=f"{address}/api/v1", headers={"Host": name}, timeout=ANSWER_SECONDS, trust_env=False, verify=False
    )
