"""How fast a room is clean again after an attack: `./run benchmarks/attack.py`.

A site of its own with two nodes. In a room that has stood for ten minutes honest viewers, each at an address of their
own, watch by event streams and write now and then. Then attackers come, as guests from few addresses (127.0.1.x), and
write as fast as `--rate` says: alike, or each something else. The channel has the shield, or its moderator presses
"Close the gate" when the alarm comes. The attack goes on for `--seconds`.

Measured, from the attack's first comment: the alarm, as the moderator's stream brings it; the closed gate; and then how
long it takes until no honest screen holds a comment of the attack. Attackers, viewers and site share the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import httpx
import orjson
import psycopg

from benchmarks.ingest_client import Parser, durable_site, write_figures
from tests.e2e.conftest import Broadcaster, make_broadcaster
from tests.sites import Site

STANDS_SECONDS = 600
CALM_SECONDS = 3.0
HONEST_EVERY_SECONDS = 15.0
"""So often each honest viewer writes, on average."""
HANG_SECONDS = 60.0
COME_AT_ONCE, TRIES = 8, 20
SLOTS = 32
"""Comments of the attack that are under way at the same time."""
WORDS = [
    "window", "orange", "hundred", "yellow", "castle", "river", "planet", "garden", "silver", "thunder", "market",
    "bottle", "winter", "camera", "forest", "music", "letter", "island", "doctor", "pepper", "rocket", "summer",
]  # fmt: skip
TEXTS = {
    "alike": lambda number: f"Follow STREAMER{number} on the 0ther platform n0w",
    "different": lambda number: f"{' '.join(random.choices(WORDS, k=random.randint(1, 6)))} {number}",
}


@dataclass
class Stream:
    """What somebody hears by an event stream. `attackers`: whose comments are of the attack."""

    attackers: set[str]
    events: dict[str, float] = field(default_factory=dict)
    """When the first event of each name came since `forget`."""
    shown: set[str] = field(default_factory=set)
    """The comments of the attack that are on the screen."""
    clean_at: float = 0.0
    seen: int = 0

    async def read(self, url: str, topic: str, token: str = "") -> None:
        """Hear until cancelled."""
        address = urlsplit(url)
        assert address.hostname
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1 << 24)
        credentials = f"Authorization: Bearer {token}\r\n" if token else ""
        writer.write(
            f"GET /events?topic={quote(topic)} HTTP/1.1\r\nHost: {address.netloc}\r\n{credentials}\r\n".encode()
        )
        try:
            while True:
                self._take(await reader.readuntil(b"\n\n"))
        finally:
            writer.close()

    def _take(self, frame: bytes) -> None:
        lines = dict(line.split(b": ", 1) for line in frame.splitlines() if b": " in line)
        name = lines.get(b"event", b"").decode()
        self.events.setdefault(name, time.monotonic())
        if name not in ("comment", "comment_deleted"):
            return
        comment = orjson.loads(lines[b"data"])["comment"]
        if name == "comment" and comment["author"]["id"] in self.attackers:
            self.shown.add(comment["id"])
            self.seen += 1
        elif name == "comment_deleted" and comment["id"] in self.shown:
            self.shown.remove(comment["id"])
            self.clean_at = time.monotonic()


@dataclass
class Crowd:
    """People who write, and how it was answered: by status."""

    site: Site
    video_id: str
    addresses: Sequence[str]
    tokens: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    answers: dict[int, int] = field(default_factory=dict)
    began: float = 0.0
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def at_their_addresses(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for address in self.addresses:
                transport = httpx.AsyncHTTPTransport(local_address=address, verify=False)
                client = httpx.AsyncClient(transport=transport, timeout=HANG_SECONDS, base_url=self.site.urls[0])
                self.clients.append(await stack.enter_async_context(client))
            yield

    @property
    def refused(self) -> int:
        return sum(count for status, count in self.answers.items() if 400 <= status < 500)

    @property
    def unavailable(self) -> int:
        """How many comments found the site overloaded."""
        return sum(count for status, count in self.answers.items() if status >= 500)

    def _client(self, number: int) -> httpx.AsyncClient:
        return self.clients[number % len(self.clients)]

    async def _guest(self, number: int, name: str) -> dict[str, Any]:
        client, answer = self._client(number), None
        for _ in range(TRIES):
            answer = await client.post("/api/v1/guests", json={"name": name, "video": self.video_id})
            if answer.status_code != 503:
                break
            await asyncio.sleep(float(answer.headers.get("Retry-After", 1)))  # the machine is busy
        assert answer is not None
        client.cookies.clear()
        guest: dict[str, Any] = answer.raise_for_status().json()
        return guest

    async def come(self, names: Sequence[str]) -> None:
        """Become guests, one after the other at each address."""

        door = asyncio.Semaphore(COME_AT_ONCE)

        async def at(first: int) -> None:
            for number in range(first, len(names), len(self.clients)):
                async with door:
                    guest = await self._guest(number, names[number])
                self.tokens[number] = guest["token"]
                self.ids.add(guest["viewer"]["id"])

        self.tokens = [""] * len(names)
        await asyncio.gather(*(at(first) for first in range(len(self.clients))))

    async def write(self, number: int, body: str) -> None:
        who = number % len(self.tokens)
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        self.began = self.began or time.monotonic()
        path = f"/api/v1/videos/{self.video_id}/comments"
        answer = await self._client(who).post(path, json={"body": body}, headers=headers)
        self.answers[answer.status_code] = self.answers.get(answer.status_code, 0) + 1

    async def write_at(self, rate: float, bodies: Iterator[str], slots: int) -> None:
        """Write until cancelled, at a rate that does not depend on how fast the answers come."""
        started, numbers = time.monotonic(), itertools.count()

        async def send() -> None:
            for number in numbers:
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                await self.write(number, next(bodies))

        await asyncio.gather(*(send() for _ in range(slots)))


def let_stand(site: Site, video_id: str, honest: Crowd) -> None:
    """Say in the database that the broadcast, and those who are there, have been there for ten minutes."""
    with psycopg.connect(site.database_url) as connection:
        connection.execute(
            "UPDATE videos_video SET started_at = started_at - make_interval(secs => %s) WHERE id = %s",
            [STANDS_SECONDS, video_id],
        )
        connection.execute(
            "UPDATE accounts_viewer SET date_joined = date_joined - make_interval(secs => %s)"
            " WHERE id = ANY(%s::uuid[])",
            [STANDS_SECONDS, list(honest.ids)],
        )


async def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"attack: {what} did not come")
        await asyncio.sleep(0.005)


async def press(broadcaster: Broadcaster, channel: str) -> None:
    """Close the gate, as the button does."""
    headers = {"Authorization": f"Bearer {broadcaster.token}"}
    url = f"{broadcaster.site.urls[0]}/api/v1/channels/{channel}/gate"
    async with httpx.AsyncClient(timeout=HANG_SECONDS, trust_env=False) as client:
        (await client.put(url, json={}, headers=headers)).raise_for_status()


async def attack(site: Site, broadcaster: Broadcaster, texts: str, *, has_shield: bool, options: Any) -> dict[str, Any]:
    """Let one room be attacked; return what was measured."""
    channel, video_id = broadcaster.call("GET", "/me")["viewer"]["id"], broadcaster.new_video(title="A room")
    if has_shield:
        broadcaster.call("PATCH", f"/channels/{channel}/rules", {"shield": True})
    honest = Crowd(site, video_id, [f"127.0.2.{n + 1}" for n in range(min(options.honest, 250))])
    attackers = Crowd(site, video_id, [f"127.0.1.{n + 1}" for n in range(options.addresses)])
    screens, desk = [Stream(attackers.ids) for _ in range(options.honest)], Stream(attackers.ids)
    numbers = itertools.count()
    async with contextlib.AsyncExitStack() as stack:
        for crowd in (honest, attackers):
            await stack.enter_async_context(crowd.at_their_addresses())
        await honest.come([f"{broadcaster.username} viewer {n}" for n in range(options.honest)])
        await asyncio.to_thread(let_stand, site, video_id, honest)
        reading = [desk.read(site.urls[0], f"moderation:{channel}", broadcaster.token)]
        reading += [each.read(site.urls[n % len(site.urls)], f"video:{video_id}") for n, each in enumerate(screens)]
        tasks = [asyncio.create_task(each) for each in reading]
        stack.callback(lambda: [task.cancel() for task in tasks])
        await until(lambda: all("hello" in each.events for each in (desk, *screens)), "hello")
        calm = (TEXTS["different"](n) for n in numbers)
        tasks.append(asyncio.create_task(honest.write_at(options.honest / HONEST_EVERY_SECONDS, calm, 4)))
        await asyncio.sleep(CALM_SECONDS)
        await attackers.come([f"{broadcaster.username} attacker {n}" for n in range(options.attackers)])
        bodies = (TEXTS[texts](n) for n in numbers)
        tasks.append(asyncio.create_task(attackers.write_at(options.rate, bodies, SLOTS)))
        if "alarm" in desk.events:
            raise SystemExit("attack: the alarm came before the attack")
        await until(lambda: "alarm" in desk.events, "the alarm")
        pressed = time.monotonic()
        if not has_shield:
            await press(broadcaster, channel)
        await until(lambda: "gate" in desk.events, "the closed gate")
        closed = desk.events["gate"]
        await asyncio.sleep(max(0.0, attackers.began + options.seconds - time.monotonic()))
        for task in tasks[len(reading) :]:
            task.cancel()
        await asyncio.gather(*tasks[len(reading) :], return_exceptions=True)
        await until(lambda: not any(each.shown for each in screens), "a clean room")
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()
    clean = max(each.clean_at for each in screens)
    return {
        "alarm after s": round(desk.events["alarm"] - attackers.began, 2),
        "gate closed after s": round(closed - attackers.began, 2),
        "clean s after that": round(clean - (closed if has_shield else pressed), 2),
        "comments of the attack": attackers.answers.get(201, 0),
        "refused": attackers.refused,
        "on the fullest screen": max(each.seen for each in screens),
        "honest comments": honest.answers.get(201, 0),
        "honest refused": honest.refused,
        "unavailable": honest.unavailable + attackers.unavailable,
    }


ATTACKS = {
    f"{texts}, {'shield' if has_shield else 'moderator'}": (texts, has_shield)
    for texts, has_shield in itertools.product(TEXTS, (True, False))
}


async def run(site: Site, options: Any) -> dict[str, dict[str, Any]]:
    found = {}
    for number, name in enumerate(options.only or ATTACKS):
        broadcaster = await asyncio.to_thread(make_broadcaster, site, f"nadia{number}")
        texts, has_shield = ATTACKS[name]
        found[name] = await attack(site, broadcaster, texts, has_shield=has_shield, options=options)
    return found


def main() -> int:
    parser = Parser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--honest", type=int, default=50, help="viewers who were there before")
    parser.add_argument("--attackers", type=int, default=200)
    parser.add_argument("--addresses", type=int, default=20, help="from which the attackers come")
    parser.add_argument("--rate", type=float, default=50.0, help="comments of the attack a second")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each attack goes on")
    parser.add_argument("--only", action="append", choices=ATTACKS, help="this attack; may be given several times")
    parser.add_argument("--json", metavar="FILE", help="write the figures there; - is standard output")
    options = parser.parse_args()
    if min(options.honest, options.attackers, options.rate, options.seconds) <= 0 or not 0 < options.addresses <= 250:
        parser.error("honest, attackers, rate and seconds are more than 0, addresses are 1 to 250")
    with durable_site(nodes=2) as site:
        site.start_dispatcher()
        found = asyncio.run(run(site, options))
    table = sys.stderr if options.json == "-" else sys.stdout
    for name, figures in found.items():
        print(name, file=table)
        for what, value in figures.items():
            print(f"  {what:24} {value}", file=table)
    write_figures(found, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
