"""The receiving half of a relay: an ASGI application that takes signed batches and dispatches them in this region.

Hop: from a peer's sender (realtime.relay.sender) to this region's nodes, by its own look into the shared table
(realtime.dispatch.dispatcher). Events that come in here never go on to another region, because the dispatcher of a
receiver has no relay.

Promise: a batch is dispatched once, however often it comes. Bad input is an error with `{"code", "detail"}` and changes
nothing. The answer names items that are no events, and the others of their batch are taken.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from realtime import metrics
from realtime.asgi import Send
from realtime.dispatch.dispatcher import Dispatcher
from realtime.events import TopicName, now_ms, to_wire
from realtime.limits import Limited, RateLimit
from realtime.relay.batch import BODY_MAX_BYTES, HEARTBEAT, HOPS_MAX, Batch, Rejection, decode_batch, decode_digest
from realtime.relay.interest import BITMAP_BYTES
from realtime.relay.sender import EVENTS_PATH, INTEREST_PATH
from realtime.relay.signing import Keyring, Signed, Unsigned, WrongTime
from realtime.relay.table import NonceUsed, RelayTable, TooManyRequests
from realtime.scraping import REFUSAL, may_scrape
from realtime.table.presence import PresenceTable, online
from realtime.table.scripts import TableUnavailable
from realtime.table.subscriptions import SharedTable

logger = logging.getLogger(__name__)

DISPATCH_SECONDS = 1.5  # the peer waits for 2 s
WARN_SECONDS = 1.0
REJECTED_MAX = 20  # items that are named one by one
REQUESTS_PER_SECOND = 600  # of one peer
EVENTS_PER_SECOND = 100_000


class Receiver:
    """The application. `dispatcher`, `shared` and `presence` are this region's."""

    def __init__(
        self,
        keyring: Keyring,
        table: RelayTable,
        *,
        dispatcher: Dispatcher,
        shared: SharedTable,
        presence: PresenceTable,
        metrics_token: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keyring = keyring
        self._metrics_token = metrics_token
        self._table = table
        self._dispatcher = dispatcher
        self._shared = shared
        self._presence = presence
        self._clock = clock
        self._warned_at = float("-inf")
        self._requests = RateLimit(REQUESTS_PER_SECOND * 2, REQUESTS_PER_SECOND, clock)
        self._events = RateLimit(EVENTS_PER_SECOND * 2, EVENTS_PER_SECOND, clock)

    async def __call__(self, scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        path, method = scope["path"], scope["method"]
        if path == "/healthz":
            await _answer(send, 200, {"status": "ok", "region": self._keyring.own})
            return
        if path == "/metrics":
            if may_scrape((scope.get("client") or ("",))[0], scope["headers"], token=self._metrics_token):
                await _respond(send, 200, generate_latest(), CONTENT_TYPE_LATEST)
            else:
                await _respond(send, 403, REFUSAL.encode(), "text/plain")
            return
        take = {EVENTS_PATH: self._take_events, INTEREST_PATH: self._take_interest}.get(path)
        try:
            if take is None:
                raise Rejection(404, "not_found", "There is no such thing.")
            if method != "POST":
                raise Rejection(405, "method_not_allowed", "Send it with POST.")
            body = await _body(receive)
            signed = await self._authenticate(scope, method, body)
            answer = await take(signed, body)
        except Rejection as error:
            metrics.relay_refused.labels(error.code).inc()
            if error.status in (401, 403, 409):
                self._warn(f"refused a request from {scope['client'][0]}: {error.code}")
            await _answer(send, error.status, {"code": error.code, "detail": str(error)})
            return
        except (TableUnavailable, RedisError, TimeoutError, OSError) as error:
            self._warn(f"a request was not taken: {error!r}")
            await _answer(send, 503, {"code": "unavailable", "detail": "The region's Redis does not answer."})
            return
        await _answer(send, 200, answer)

    def _warn(self, text: str) -> None:
        """Log it, at most once a second, because anybody who reaches the port can be refused. Metrics count all."""
        if (now := self._clock()) - self._warned_at >= WARN_SECONDS:
            self._warned_at = now
            logger.warning("relay: %s", text)

    async def _authenticate(self, scope: Mapping[str, Any], method: str, body: bytes) -> Signed:
        """Raises Rejection, TableUnavailable."""
        headers = {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin1")
        target = scope["raw_path"].decode("latin1").partition("?")[0] + (f"?{query}" if query else "")
        try:
            signed = self._keyring.verify(headers, method=method, target=target, body=body, now=time.time())
            self._requests.take(signed.region)
            await self._table.once(signed.region, signed.nonce)
        except Unsigned as error:
            raise Rejection(
                401, "unauthorized", "The request is not signed with a key that this region has."
            ) from error
        except WrongTime as error:
            detail = "The request was signed more than 120 s from now: compare the clocks (see the Date header)."
            raise Rejection(401, "wrong_time", detail) from error
        except NonceUsed as error:
            raise Rejection(409, "replayed", "This very request was taken before.") from error
        except (TooManyRequests, Limited) as error:
            raise Rejection(429, "rate_limited", "This region takes no more of yours for now.") from error
        return signed

    async def _take_events(self, signed: Signed, body: bytes) -> dict[str, Any]:
        """Raises Rejection, TableUnavailable, RedisError."""
        relayed = now_ms()
        batch = decode_batch(body)
        if batch.origin == self._keyring.own or not 1 <= batch.hops <= HOPS_MAX:
            raise Rejection(409, "loop", "These events have been here before.")
        if batch.origin != signed.region:
            raise Rejection(403, "wrong_origin", "A region speaks for itself only.")
        try:
            self._events.take(signed.region, len(batch))
        except Limited as error:
            raise Rejection(429, "rate_limited", "This region takes no more of yours for now.") from error
        if not await self._table.is_new_batch(signed.region, batch.id):
            metrics.relay_duplicates.labels(signed.region).inc()
            return {"accepted": 0, "is_duplicate": True}
        try:
            async with asyncio.timeout(DISPATCH_SECONDS):
                await self._dispatch(batch, relayed)
        except BaseException:
            await self._table.forget_batch(signed.region, batch.id)
            raise
        metrics.relay_received.labels(signed.region).inc(len(batch))
        metrics.relay_rejected.labels(signed.region).inc(len(batch.rejected))
        rejected = [{"index": place, "code": code} for place, code in batch.rejected[:REJECTED_MAX]]
        return {"accepted": len(batch), "rejected": rejected, "rejected_count": len(batch.rejected)}

    async def _dispatch(self, batch: Batch, relayed: int) -> None:
        present: list[str] = []
        for stamps, events in batch.groups:
            present += [item[1].partition(":")[2] for item in events if item[0] == HEARTBEAT]
            news = [item for item in events if item[0] != HEARTBEAT]
            if news:
                await self._dispatcher.dispatch(news, {**stamps, "region": batch.origin, "relayed": relayed})
        if present:
            at_ms, came = await self._presence.beat(list(dict.fromkeys(present)))
            if came:
                metrics.presence_changes.inc(len(came))
                await self._dispatcher.dispatch([to_wire(online(viewer_id, at_ms)) for viewer_id in came])

    async def _take_interest(self, signed: Signed, body: bytes) -> dict[str, Any]:
        """Raises Rejection, TableUnavailable."""
        bitmap, counts = decode_digest(body, bitmap_bytes=BITMAP_BYTES)
        await self._table.keep_interest(signed.region, bitmap)
        await self._shared.note_remote(signed.region, {TopicName(topic): numbers for topic, numbers in counts.items()})
        return {"topics": len(counts)}


async def _body(receive: Callable[[], Awaitable[Any]]) -> bytes:
    """Raises Rejection, also when the peer has left."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Rejection(400, "bad_request", "The body did not come to its end.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_MAX_BYTES:
            raise Rejection(413, "too_large", f"A request body may have {BODY_MAX_BYTES} bytes at most.")
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, body: Mapping[str, Any]) -> None:
    await _respond(send, status, orjson.dumps(body), "application/json")


async def _respond(send: Send, status: int, body: bytes, content_type: str) -> None:
    headers: Sequence[tuple[bytes, bytes]] = (
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"date", formatdate(usegmt=True).encode()),  # a refused peer needs our time to see whose clock is wrong
    )
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
