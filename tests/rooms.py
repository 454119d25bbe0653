"""A live video of a real site, and people who like and comment over REST."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import psycopg
import redis
from prometheus_client.parser import text_string_to_metric_families

from tests.sites import METRICS_TOKEN
from tests.watching import HANG_SECONDS


class AnySite(Protocol):
    """What a room needs of a running site: tests.sites.Site is one, a site of several machines another."""

    urls: list[str]
    database_url: str

    def redis(self) -> redis.Redis: ...


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    token: str
    session: str = ""


def counted(metrics: httpx.Response, name: str, **labels: str) -> float:
    """Return what a page of metrics says under this name, over all labels that are not given."""
    text = metrics.raise_for_status().text
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


@dataclass(slots=True)
class Room:
    """`urls[0]` is where things are done unless the test says otherwise. `people[0]` is the broadcaster."""

    site: AnySite
    client: httpx.AsyncClient
    people: list[Person] = field(default_factory=list)
    video_id: str = ""

    @property
    def topic(self) -> str:
        return f"video:{self.video_id}"

    async def join(self, name: str) -> Person:
        """Have somebody come as a guest."""
        response = (await self.insist("POST", "/guests", {"name": name})).raise_for_status()
        answer = response.json()
        person = Person(answer["viewer"]["id"], name, answer["token"], response.cookies["sessionid"])
        self.people.append(person)
        return person

    async def call(
        self, method: str, path: str, body: object = None, *, person: Person | None = None, node: int = 0
    ) -> httpx.Response:
        """Call a node's API; the answer may be a refusal."""
        headers = {"Authorization": f"Bearer {person.token}"} if person else {}
        answer = await self.client.request(method, f"{self.site.urls[node]}/api/v1{path}", json=body, headers=headers)
        self.client.cookies.clear()  # a guest's session: people here are known by their tokens
        return answer

    async def insist(
        self, method: str, path: str, body: object = None, *, person: Person | None = None, node: int = 0
    ) -> httpx.Response:
        """Call a node's API as a page does: again while the database has no time. Many at once are enough for that."""
        while (answer := await self.call(method, path, body, person=person, node=node)).status_code == 503:
            await asyncio.sleep(float(answer.headers["Retry-After"]))
        return answer

    async def new_video(self, title: str = "A broadcast") -> str:
        """Have the broadcaster go live with one more video; return its id."""
        nadia = self.people[0]
        video = (await self.call("POST", "/videos", {"title": title}, person=nadia)).raise_for_status().json()
        (await self.call("POST", f"/videos/{video['id']}/start", person=nadia)).raise_for_status()
        return str(video["id"])

    async def try_to_comment(
        self, body: str, *, person: Person | None = None, node: int = 0, client_id: str | None = None
    ) -> httpx.Response:
        given = {"body": body} if client_id is None else {"body": body, "client_id": client_id}
        path = f"/videos/{self.video_id}/comments"
        return await self.call("POST", path, given, person=person or self.people[-1], node=node)

    async def try_to_like(self, *, person: Person | None = None, kind: str = "like", node: int = 0) -> httpx.Response:
        path = f"/videos/{self.video_id}/like"
        return await self.call("PUT", path, {"kind": kind}, person=person or self.people[-1], node=node)

    async def comment(
        self, body: str, *, person: Person | None = None, node: int = 0, client_id: str | None = None
    ) -> dict[str, Any]:
        answer = await self.try_to_comment(body, person=person, node=node, client_id=client_id)
        answer.raise_for_status()
        comment: dict[str, Any] = answer.json()
        return comment

    async def like(self, *, person: Person | None = None, kind: str = "like", node: int = 0) -> dict[str, Any]:
        answer = (await self.try_to_like(person=person, kind=kind, node=node)).raise_for_status()
        likes: dict[str, Any] = answer.json()
        return likes

    async def metric(self, name: str, *, node: int = 0, **labels: str) -> float:
        """Return what the node has counted under this name, over all labels that are not given."""
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        return counted(await self.client.get(f"{self.site.urls[node]}/metrics", headers=headers), name, **labels)

    async def position(self, seq: int, *, topic: str | None = None) -> str:
        """Return how the site writes that place in a topic of the present epoch."""
        epoch = (await self.call("GET", f"/videos/{self.video_id}")).raise_for_status().json()["epoch"]
        return f"{topic or self.topic}@{epoch}.{seq}"

    def comments_kept(self) -> list[str]:
        """Return the texts of the video's comments, as the database has them."""
        with psycopg.connect(self.site.database_url) as connection:
            rows = connection.execute(
                "SELECT body FROM videos_comment WHERE video_id = %s AND deleted_at IS NULL ORDER BY seq",
                [self.video_id],
            )
            return [body for (body,) in rows]

    def leases(self) -> set[str]:
        """Return the nodes that the shared table names for the topic, those that are dead and not yet swept, too."""
        with contextlib.closing(self.site.redis()) as client:
            return {str(node) for node in client.zrange(f"live:local:nodes:{{{self.topic}}}", 0, -1)}


@contextlib.asynccontextmanager
async def open_room(site: AnySite, *, people: int = 2) -> AsyncIterator[Room]:
    """Have a live video on the site, with its broadcaster and some people."""
    # Unverified: reading the system's certificates takes longer than a test's calls, and nothing here is https.
    async with httpx.AsyncClient(verify=False, timeout=HANG_SECONDS, trust_env=False) as client:
        room = Room(site, client)
        # Made by another name: on a shared site some account may have this one.
        nadia = dataclasses.replace(await room.join(f"Nadia {secrets.randbelow(10**9)}"), name="Nadia")
        room.people[0] = nadia
        await asyncio.gather(*(room.join(f"Viewer {number}") for number in range(1, people)))
        with psycopg.connect(site.database_url) as connection:
            connection.execute(
                "UPDATE accounts_viewer SET is_broadcaster = true, name = 'Nadia' WHERE id = %s", [nadia.id]
            )
        room.video_id = await room.new_video()
        yield room


async def is_told_of(room: Room, codecs: tuple[str, str]) -> bool:
    """Whether the studio knows these codecs: the ingest says each second how the picture is doing."""
    health = (await room.call("GET", f"/videos/{room.video_id}/picture", person=room.people[0])).json()
    return health["encoder"] is not None and (health["encoder"]["video"], health["encoder"]["audio"]) == codecs
