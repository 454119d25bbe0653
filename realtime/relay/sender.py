"""The sending half of a relay: from this region's queues to the peers, each peer on its own.

Hop: takes what dispatchers and nodes have queued for a peer (realtime.relay.table), sends it to that peer's receiver
(realtime.relay.receiver). Several requests are under way at once. With only one, an event would wait for the whole
round trip. A peer that does not answer within `ANSWER_SECONDS` several times is left alone for a while (breaker).

Promise: at most once, out of order at worst; nobody here waits for a peer. A batch without an answer is sent again
under the same name, so the peer takes it only once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

import httpx

from realtime import metrics
from realtime.background import BackgroundTasks, Spawn
from realtime.relay.batch import encode_batch, encode_digest
from realtime.relay.interest import BITMAP_BYTES
from realtime.relay.signing import Keyring
from realtime.relay.table import RelayTable
from realtime.table.scripts import TableUnavailable

logger = logging.getLogger(__name__)

EVENTS_PATH = "/relay/v1/events"
INTEREST_PATH = "/relay/v1/interest"
ANSWER_SECONDS = 2.0
COLLECT_SECONDS = 0.005  # between two requests to a peer
IN_FLIGHT_MAX = 16
ENTRIES_MAX = 100  # in one request
ENTRIES_MAX_BYTES = 2 * 1024 * 1024
WAIT_SECONDS = 0.5
GIVE_UP_SECONDS = 10.0  # by then the peer's nodes have found the events in the database, or cannot reach it either
RETRY_SECONDS = (0.05, 0.3)
FAILURES_MAX = 3
REST_SECONDS = 0.5  # pause of the breaker, doubled with each failure
REST_MAX_SECONDS = 4.0
GATHER_SECONDS = 0.1
SEND_SECONDS = 0.25
REFRESH_SECONDS = 3.0  # a digest is sent again even if nothing has changed
WATCH_QUEUES_SECONDS = 1.0


class Unanswered(Exception):
    """The peer did not take it. `reason` is one word. `is_final`: the peer will never take it."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_final = is_final


@dataclass(slots=True)
class Breaker:
    """Whether to ask a peer that has failed. After `FAILURES_MAX` failures, one request tries again after a pause."""

    clock: Callable[[], float] = time.monotonic
    failures: int = 0
    _retry_at: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.failures >= FAILURES_MAX

    def wait_seconds(self) -> float:
        """Return how long to wait before asking. 0: ask now. An open breaker gives 0 to only one caller."""
        if not self.is_open:
            return 0.0
        now = self.clock()
        if now < self._retry_at:
            return self._retry_at - now
        self._retry_at = now + ANSWER_SECONDS  # its answer decides what comes next
        return 0.0

    def succeeded(self) -> None:
        self.failures = 0

    def failed(self) -> None:
        self.failures += 1
        rest = REST_SECONDS * 2 ** min(self.failures - FAILURES_MAX, 10)
        self._retry_at = self.clock() + min(rest, REST_MAX_SECONDS) * random.uniform(0.5, 1.0)


@dataclass(slots=True)
class Link:
    """The link to one peer, at `url`."""

    peer: str
    url: str
    keyring: Keyring
    client: httpx.AsyncClient
    breaker: Breaker = field(default_factory=Breaker)
    _in_flight: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT_MAX))

    async def post(self, path: str, body: bytes) -> None:
        """Send a signed request once. Raises Unanswered."""
        headers = self.keyring.sign(self.peer, method="POST", target=path, body=body, now=time.time())
        headers["content-type"] = "application/octet-stream"
        began = time.monotonic()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self.client.post(self.url + path, content=body, headers=headers)
        except (TimeoutError, httpx.TimeoutException):
            self._note_failure("no answer", "timeout")
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            self._note_failure(repr(error), "connection")
        if answer.status_code == 200:
            self._note_success(time.monotonic() - began)
        elif answer.status_code == 429 or answer.status_code >= 500:
            self._note_failure(f"{answer.status_code}", "refused")
        elif answer.status_code in (400, 413):  # this batch is bad, the peer is not
            logger.error("relay: %s refuses a request: %s %s", self.peer, answer.status_code, answer.text[:200])
            metrics.relay_failures.labels(self.peer, "bad").inc()
            raise Unanswered("bad", is_final=True)
        else:  # a key, a clock, a wrong address: the peer takes nothing before somebody corrects that
            self._note_failure(f"{answer.status_code} {answer.text[:200]}", "unauthorized")

    def _note_success(self, seconds: float) -> None:
        metrics.relay_seconds.labels(self.peer).observe(seconds)
        if self.breaker.is_open:
            logger.warning("relay: %s answers again", self.peer)
        self.breaker.succeeded()
        metrics.relay_open.labels(self.peer).set(0)

    def _note_failure(self, why: str, reason: str) -> NoReturn:
        was_open = self.breaker.is_open
        self.breaker.failed()
        metrics.relay_failures.labels(self.peer, reason).inc()
        if self.breaker.is_open and not was_open:
            metrics.relay_open.labels(self.peer).set(1)
            logger.warning("relay: %s does not take events, asked again now and then: %s", self.peer, why)
        raise Unanswered(reason)

    async def send(self, entries: list[bytes]) -> None:
        """Send entries as one batch, again and again for `GIVE_UP_SECONDS`. Never raises."""
        batch_id = uuid.uuid4().hex
        body = encode_batch(batch_id, self.keyring.own, entries)
        give_up_at = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < give_up_at:
            if wait := self.breaker.wait_seconds():
                await asyncio.sleep(wait)
                continue
            try:
                await self.post(EVENTS_PATH, body)
            except Unanswered as error:
                if error.is_final:
                    break
                await asyncio.sleep(random.uniform(*RETRY_SECONDS))
                continue
            metrics.relay_batches.labels(self.peer).inc()
            metrics.relay_bytes.labels(self.peer).inc(len(body))
            return
        metrics.relay_drops.labels(self.peer, "given_up").inc(len(entries))

    async def run(self, table: RelayTable, spawn: Spawn) -> None:
        """Empty the peer's queue for as long as the relay lives."""
        while True:
            await self._in_flight.acquire()
            entries: list[bytes] = []
            try:
                while not entries:
                    try:
                        entries = await table.pop(self.peer, most=ENTRIES_MAX, wait_seconds=WAIT_SECONDS)
                    except TableUnavailable:
                        metrics.table_errors.inc()
                        await asyncio.sleep(WAIT_SECONDS)
            finally:
                if not entries:
                    self._in_flight.release()
            parts = list(in_parts(entries))
            for number, part in enumerate(parts):
                if number:
                    await self._in_flight.acquire()
                spawn(self._send(part), name=f"batch to {self.peer}")
            await asyncio.sleep(COLLECT_SECONDS)

    async def _send(self, entries: list[bytes]) -> None:
        try:
            await self.send(entries)
        finally:
            self._in_flight.release()


def in_parts(entries: list[bytes]) -> list[list[bytes]]:
    """Return the entries in parts of at most `ENTRIES_MAX_BYTES`, if no single entry is larger."""
    parts: list[list[bytes]] = []
    size = 0
    for entry in entries:
        if not parts or size + len(entry) > ENTRIES_MAX_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(entry)
        size += len(entry)
    return parts


class Sender:
    """All links of a region. `peers`: name -> address, like https://relay.us.example.org."""

    def __init__(self, table: RelayTable, keyring: Keyring, peers: Mapping[str, str]) -> None:
        self._table = table
        # Redirects are not followed: a server that answers with one is not the peer. The system's certificates, and
        # those that SSL_CERT_FILE names.
        self._client = httpx.AsyncClient(
            verify=ssl.create_default_context(),
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=4 * IN_FLIGHT_MAX),
        )
        self.links = {peer: Link(peer, url, keyring, self._client) for peer, url in peers.items()}
        self._tasks = BackgroundTasks("relay")
        self._sending: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        for link in self.links.values():
            self._tasks.spawn(link.run(self._table, self._tasks.spawn), name=f"link to {link.peer}")
        self._tasks.spawn(self._send_interest(), name="interest")
        self._tasks.spawn(self._watch_queues(), name="queues")

    async def aclose(self) -> None:
        """End at once. Queued entries stay for the next relay."""
        await self._tasks.aclose()
        await self._client.aclose()

    async def _send_interest(self) -> None:
        """Send the peers what this region watches: soon after a change, and every `REFRESH_SECONDS`."""
        bitmap, sent_digest = b"", ""
        sent_at = float("-inf")
        sent: Mapping[str, tuple[int, int]] = {}
        while True:
            await asyncio.sleep(GATHER_SECONDS)
            try:
                found = await self._table.gather(sent_digest, bitmap_bytes=BITMAP_BYTES)
            except TableUnavailable:
                metrics.table_errors.inc()
                continue
            if found is None:
                continue
            is_changed = found.bitmap is not None or found.counts != sent
            since = time.monotonic() - sent_at
            if since >= REFRESH_SECONDS:
                counts = found.counts
            elif is_changed and since >= SEND_SECONDS:
                counts = {topic: count for topic, count in found.counts.items() if sent.get(topic) != count}
            else:
                continue
            bitmap = found.bitmap or bitmap  # None: the same as was sent last
            body = encode_digest(bitmap, counts)
            for link in self.links.values():
                if (last := self._sending.get(link.peer)) is None or last.done():
                    self._sending[link.peer] = self._tasks.spawn(
                        self._send_interest_to(link, body), name=f"interest to {link.peer}"
                    )
            sent_digest, sent, sent_at = found.digest, found.counts, time.monotonic()

    @staticmethod
    async def _send_interest_to(link: Link, body: bytes) -> None:
        if link.breaker.wait_seconds():
            return  # the next one
        with contextlib.suppress(Unanswered):  # counted, and sent again soon
            await link.post(INTEREST_PATH, body)

    async def _watch_queues(self) -> None:
        peers = list(self.links)
        while True:
            try:
                for peer, waiting in zip(peers, await self._table.waiting(peers), strict=True):
                    metrics.relay_waiting.labels(peer).set(waiting)
            except TableUnavailable:
                metrics.table_errors.inc()
            await asyncio.sleep(WATCH_QUEUES_SECONDS)
