"""Going live from a page: `/ws/picture`, the WebSocket by which a broadcaster's browser sends what it records.

Hop: between the studio's page (static/js/studio/camera.js) and the ingest (ingest.pages). A node passes the bytes on
and keeps nothing: while the ingest does not take them, nothing is read from the browser. What may be sent, by whom, and
the close codes are in docs/protocol.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.conf import settings

from accounts.models import Viewer
from realtime import metrics
from realtime.asgi import Receive, Scope, Send
from realtime.background import end
from realtime.edge import tickets
from realtime.edge.admission import enter_limits, identify, leave_limits, open_node
from realtime.edge.handshake import Refusal, Request
from realtime.identity import Identity
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from realtime.node.process import process
from realtime.node.rights import RIGHTS_SECONDS
from videos import keys
from web.addresses import reachable
from web.refusals import Forbidden

PATH = "/ws/picture"
SILENT_SECONDS = 10.0
CONNECT_SECONDS = 5.0
LINE_MAX_BYTES = 16_384
CODES = {401: 4401, 403: 4403, 404: 4404, 422: 4422, 429: 4429, 503: 1012}
"""The close code for each status of a refusal."""
GONE = "The site's ingest has gone."
CUT, FAILED, NONSENSE, DRAIN, SILENT = 4409, 1011, 4400, 1012, 4408

_TYPE = re.compile(r'video/(webm|x-matroska|mp4)(?:;\s*codecs="?([\w., -]*)"?)?', re.ASCII | re.IGNORECASE)
_COPIED = ("avc1", "h264", "hvc1", "hev1", "av01")


@dataclass(frozen=True, slots=True)
class BrowserRecording:
    """What a browser records, by its MIME type. `is_copied`: its picture needs not be encoded again."""

    container: str
    is_copied: bool

    @classmethod
    def parse(cls, type: str) -> BrowserRecording:
        """Raises Refusal."""
        if (found := _TYPE.fullmatch(type)) is None:
            raise Refusal(422, "invalid", "type is what the browser records: video/webm or video/mp4, with its codecs.")
        codecs = (found[2] or "").lower().replace(" ", "").split(",")
        return cls("mp4" if found[1].lower() == "mp4" else "webm", any(each.startswith(_COPIED) for each in codecs))


@dataclass(frozen=True, slots=True)
class _Ending:
    """Why the node ends it."""

    close_code: int
    code: str
    detail: str

    @classmethod
    def of(cls, refusal: Refusal) -> _Ending:
        return cls(CODES[refusal.status], refusal.code, refusal.detail)


async def picture_application(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of `/ws/picture`, from the handshake to the end."""
    await receive()
    try:
        request = Request.parse(scope)
        open_node()
        identity = await _identity(request)
        with _within_limits(request):
            recording = BrowserRecording.parse(parse_qs(scope["query_string"].decode("ascii")).get("type", [""])[0])
            line = {"key": await _key(identity), "container": recording.container, "is_copied": recording.is_copied}
            reader, writer = await _connect()
            try:
                writer.write(orjson.dumps(line) + b"\n")
                await send({"type": "websocket.accept"})
                await send(_event("accepted", {"is_copied": recording.is_copied}))
                if (ending := await _relay(receive, send, reader, writer, identity)) is not None:
                    await _end(send, ending)
            finally:
                writer.close()
    except Refusal as refusal:
        metrics.refused.labels(refusal.code).inc()
        if refusal.code != "foreign_origin":
            await send({"type": "websocket.accept"})
            await _end(send, _Ending.of(refusal))
        else:
            await send({"type": "websocket.close"})


@contextlib.contextmanager
def _within_limits(request: Request) -> Iterator[None]:
    """Count it as a stream of theirs. Raises Refusal."""
    taken = enter_limits(request) if settings.LIVE_LIMITS else None
    try:
        yield
    finally:
        leave_limits(taken)


async def _identity(request: Request) -> Identity:
    """Return who sends, by the rules of the other sockets. Raises Refusal."""
    if request.ticket:
        try:
            identity = tickets.read(request.ticket).identity
        except tickets.BadTicket as error:
            raise Refusal(401, "bad_ticket", "The ticket is not valid or has expired.") from error
        # A ticket may be older than the right that it was made with.
        await _recognize(identity)
    elif request.is_foreign:
        raise Refusal(403, "foreign_origin", "Pages of another origin need a ticket.")
    else:
        identity = await identify(request.credentials)
    if not identity.viewer_id:
        raise Refusal(401, "unauthenticated", "Sign in to send a picture.")
    return identity


async def _recognize(identity: Identity) -> None:
    """Raises Refusal for a viewer who is banned, has signed out or has a new password."""
    try:
        if await process.node().rights.recognize(identity) is None:
            raise Refusal(401, "unauthenticated", "You are not signed in any more.")
    except StoreUnavailable as error:
        raise Refusal(503, "unavailable", "The database is away.") from error


async def _key(identity: Identity) -> str:
    """Return the key of who sends: a page needs none. Raises Refusal."""

    def find() -> str:
        return keys.key_of(Viewer.objects.get(id=identity.viewer_id))

    try:
        return await backend_threads.run(find)
    except Forbidden as error:
        raise Refusal(403, "forbidden", str(error)) from error
    except StoreUnavailable as error:
        raise Refusal(503, "unavailable", "The database is away.") from error


async def _connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a way to the ingest. Raises Refusal."""
    if not settings.LIVE_PAGE_PORT:
        raise Refusal(404, "not_found", "This site takes no picture from a page.")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(
                reachable(settings.LIVE_PAGE_HOST), settings.LIVE_PAGE_PORT, limit=LINE_MAX_BYTES
            )
    except OSError as error:
        raise Refusal(503, "no_ingest", "The site's ingest does not run.") from error


async def _relay(
    receive: Receive,
    send: Send,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    identity: Identity,
) -> _Ending | None:
    """Pass on until one side ends. Returns None when the page has."""
    ways = [
        asyncio.create_task(_from_page(receive, writer), name="picture from the page"),
        asyncio.create_task(_from_ingest(reader, send), name="words of the ingest"),
        asyncio.create_task(_watch(identity), name="who sends"),
    ]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        # What the ingest says is more than that it reads no more.
        return next(way for way in reversed(ways) if way in done).result()
    finally:
        await end(*ways)


async def _from_page(receive: Receive, writer: asyncio.StreamWriter) -> _Ending | None:
    while True:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                message = await receive()
        except TimeoutError:
            return _Ending(SILENT, "silent", f"Nothing came from the page for {SILENT_SECONDS:g} s.")
        if message["type"] == "websocket.disconnect":
            return None
        if not (data := message.get("bytes")):
            return _Ending(NONSENSE, "malformed", "A message is a piece of the recording, as bytes.")
        writer.write(data)
        try:
            await writer.drain()
        except OSError:
            await asyncio.sleep(CONNECT_SECONDS)  # for the ingest's last words
            return _Ending(DRAIN, "no_ingest", GONE)


async def _from_ingest(reader: asyncio.StreamReader, send: Send) -> _Ending:
    try:
        async for line in reader:
            said = orjson.loads(line)
            if "taken" not in said:
                is_refused = said["is_refused"]
                return _Ending(CUT if is_refused else FAILED, "refused" if is_refused else "failed", said["detail"])
            await send(_event("taken", {"bytes": said["taken"]}))
    except (OSError, ValueError):
        pass
    return _Ending(DRAIN, "no_ingest", GONE)


async def _watch(identity: Identity) -> _Ending:
    """Look again and again whether they are still signed in, and this node serves."""
    while True:
        await asyncio.sleep(RIGHTS_SECONDS)
        try:
            open_node()
            await _recognize(identity)
        except Refusal as refusal:
            if refusal.code not in ("unavailable", "full"):
                return _Ending.of(refusal)


async def _end(send: Send, ending: _Ending) -> None:
    """Say why, and close. A browser shows no text of a close."""
    await send(_event("refused", {"code": ending.code, "detail": ending.detail}))
    await send({"type": "websocket.close", "code": ending.close_code})


def _event(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"type": "websocket.send", "text": orjson.dumps({"event": name, "data": data}).decode()}
