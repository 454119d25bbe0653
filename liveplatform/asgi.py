"""The ASGI application: which part of the site answers a request.

Streams go to their consumers; API, media and most pages to Django without most of its middleware; static files to a
table of their paths; all else to Django as usual. A request for a host that is not ours is refused before that.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from http.cookies import SimpleCookie
from io import BytesIO
from typing import Any

from liveplatform.setup import set_up

set_up()

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.contrib.staticfiles.finders import find
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import is_valid_path

from accounts import sign_in
from accounts.pages import shared_while
from liveplatform import assets
from liveplatform.compression import StaticFiles, compress_answer, compress_page
from liveplatform.https import answer_challenge, is_challenge, is_plain, send_on
from liveplatform.shared_pages import SharedPage, SharedPages, asked_by, cookies_for
from realtime.asgi import Receive, Scope, Send
from realtime.edge import origins
from realtime.edge.handoff import ZERO_COPY
from realtime.edge.repeats import Repeatable
from realtime.edge.transport import PIECE_BYTES
from realtime.metrics import http_requests_of
from realtime.routing import (
    EVENTS_PATH,
    WEBSOCKET_PATH,
    answer_preflight,
    events_application,
    is_our_host,
    refuse,
    refuse_host,
    refuse_plain,
    websocket,
)
from videos import sending
from videos.media import RECEIVE, PassedPart
from videos.sources import PASS
from web import languages
from web.files import FilePart
from web.middleware import ERRORS
from web.turns import PAGES_AT_ONCE, InTurns, Turns

IN_THREADS = ("/admin/", "/accounts/", "/rules/", "/people/", "/notices/choices/")
"""The paths of pages with forms, which Django serves in threads. All others are async."""


class LoopHandler(ASGIHandler):
    """Django's handler with another list in place of `MIDDLEWARE`, for views that stay on the event loop.

    It leaves out three things that each hand a request over to a new thread and back: most middleware; the watch for a
    client that leaves, which a view that waits keeps by itself (RECEIVE); and the request signals, which care for the
    database connections of the request's thread. The views' own database threads care for their connections
    (realtime.log.threads); sessions and CSRF are in web.door.
    """

    def __init__(self, middleware: list[str], *, compress: Callable[[HttpResponse, Scope], None]) -> None:
        self._middleware = middleware
        self._compress = compress
        self._shared = SharedPages()
        super().__init__()

    def load_middleware(self, is_async: bool = False) -> None:
        full = settings.MIDDLEWARE
        settings.MIDDLEWARE = self._middleware
        try:
            super().load_middleware(is_async=is_async)
        finally:
            settings.MIDDLEWARE = full

    _middleware_chain: Callable[[HttpRequest], Awaitable[HttpResponseBase]]

    async def send_shared(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer with a page that others have asked for, if there is one."""
        if (asked := asked_by(scope)) is None:
            await self(scope, receive, send)
            return
        page, is_first = await self._shared.find(asked)
        if page is not None:
            headers = [*page.headers, *_raw_cookies(cookies_for(scope))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page.body})
            return
        response = None
        try:
            response = await self._respond(scope, receive)
        finally:
            if is_first:
                self._shared.made(asked, _shared_page(response) if response is not None else None)
        if response is not None:
            await self._send(scope, receive, send, response)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        response = await self._respond(scope, receive)
        if response is not None:
            await self._send(scope, receive, send, response)

    async def _respond(self, scope: Scope, receive: Any) -> HttpResponse | None:
        """Return the answer, as to a GET if it is a HEAD. None: the client has left."""
        chunks = []
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        method = scope["method"]
        asked = {**scope, RECEIVE: receive, "method": "GET" if method == "HEAD" else method}
        request, refusal = self.create_request(asked, BytesIO(b"".join(chunks)))
        response = refusal if request is None else await self._middleware_chain(request)
        assert isinstance(response, HttpResponse), "views on the event loop stream nothing"
        if method == "OPTIONS" and response.status_code == 405:
            response.status_code, response.content = 204, b""
            del response.headers["Content-Type"]
        if not settings.TRUSTED_PROXIES:
            self._compress(response, scope)
        return response

    async def _send(self, scope: Scope, receive: Any, send: Any, response: HttpResponse) -> None:
        is_head = scope["method"] == "HEAD"
        headers = _raw(response)
        is_public = response.headers.get("Cache-Control", "").startswith("public")
        headers += origins.allowance(scope, settings.LIVE_ORIGINS, is_public=is_public)
        headers += _raw_cookies(response.cookies)
        if response.status_code not in (204, 304) and "Content-Length" not in response:
            headers.append((b"Content-Length", b"%d" % len(response.content)))
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        if isinstance(response, FilePart):
            await _send_part(scope, receive, send, response, at=response.end if is_head else response.start)
        elif isinstance(response, PassedPart) and not is_head:
            await _send_pieces(receive, send, response.pieces())
        else:
            await send({"type": "http.response.body", "body": b"" if is_head else response.content})


def _raw(response: HttpResponse) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("latin1")) for name, value in response.items()]


def _raw_cookies(cookies: SimpleCookie) -> list[tuple[bytes, bytes]]:
    return [(b"Set-Cookie", cookie.OutputString().encode("ascii")) for cookie in cookies.values()]


def _shared_page(response: HttpResponse) -> SharedPage | None:
    is_current = shared_while(response)
    if response.status_code != 200 or is_current is None:
        return None
    length = (b"Content-Length", b"%d" % len(response.content))
    return SharedPage([*_raw(response), length], response.content, is_current)


async def _send_part(scope: Scope, receive: Receive, send: Send, part: FilePart, *, at: int) -> None:
    """Let the server send a part of a file. If it cannot, send pieces, each when the one before has been taken."""
    with part.file:
        if ZERO_COPY in scope.get("extensions", {}) and at < part.end:
            message = {"type": ZERO_COPY, "file": part.file, "offset": at, "count": part.end - at}
            if part.holds_until is not None:
                message["repeat"] = Repeatable(part.holds_until, http_requests_of("media", 200).inc)
            await send(message)
            return
        await _send_pieces(receive, send, _read_part(part, at))


async def _read_part(part: FilePart, at: int) -> AsyncGenerator[bytes, None]:
    part.file.seek(at)
    while at < part.end:
        piece = await asyncio.to_thread(part.file.read, min(PIECE_BYTES, part.end - at))
        if not piece:
            raise EOFError("the file is shorter than was promised")
        at += len(piece)
        yield piece


async def _send_pieces(receive: Receive, send: Send, pieces: AsyncGenerator[bytes, None]) -> None:
    """Send a body piece by piece, as long as the client is there."""
    gone = asyncio.ensure_future(receive())
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": piece, "more_body": True})
    finally:
        gone.cancel()
    await send({"type": "http.response.body"})


def _add_nosniff(headers: Any, path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"


ROOT_FILES = {
    "/favicon.ico": "img/favicon.ico",
    "/manifest.json": "manifest.json",
    "/robots.txt": "robots.txt",
    "/service-worker.js": "js/service-worker.js",
}
"""Files that browsers and search engines ask for at the root. A service worker is for all below its own path."""


def _static_files() -> StaticFiles:
    files = StaticFiles(
        folder=settings.BASE_DIR / "static",
        kept=settings.DATA_DIR / "compressed",
        max_age=0,
        allow_all_origins=False,
        add_headers_function=_add_nosniff,
    )
    for path, file in assets.files():
        files.add(settings.STATIC_URL + path, file)
    for url, path in ROOT_FILES.items():
        files.add(url, str(find(path)))
    return files


API_PATHS = ("/api/", "/media/")
PASS_HEADER = PASS.lower().encode()
OPEN_PATHS = (*API_PATHS, EVENTS_PATH)
"""Paths that pages of other origins may use, as far as `realtime.edge.origins` allows."""

WEBSOCKET_PATHS = (WEBSOCKET_PATH, sending.PATH)

ANY_HOST = ("/healthz", "/readyz", "/metrics", "/metrics/region")
"""Paths that answer to any host name: for balancers, containers and Prometheus. Who may read: realtime.scraping."""

ON_THE_LOOP = re.compile(
    r"/(videos/[^/]+/(later/|captions/[^/]+)?|channels/[^/]+/([^/.]+/)?|search/|messages/([^/]+/)?"
    r"|studio/([^/]+/(report/|minutes\.csv|comments\.csv))?|operator/(figures)?"
    r"|healthz|readyz|metrics(/region)?)?"
)
"""Paths of views that are coroutines and touch neither Django's session nor its user."""

SHARED = re.compile(r"/((videos|channels)/[^/]+/|channels/[^/]+/[^/.]+/)?")
"""The paths of pages that many may ask for at once."""

others = ASGIHandler()
in_turns = InTurns(others, Turns(PAGES_AT_ONCE))
pages = LoopHandler(settings.PAGES_MIDDLEWARE, compress=compress_page)
api = LoopHandler(settings.API_MIDDLEWARE, compress=compress_answer)
static_files = _static_files()


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    path = scope["path"]
    languages.begin(scope)
    if not scope["method"].isupper():
        scope = {**scope, "method": "UNKNOWN"}  # Django and others would take `post` for POST
    if is_challenge(scope):
        await answer_challenge(scope, send)
    elif not is_our_host(scope, any_name=path in ANY_HOST or _is_from_a_node(scope)):
        await refuse_host(send)
    elif is_plain(scope) and path not in ANY_HOST and not _is_from_a_node(scope):
        await send_on(scope, send)
    elif path.startswith(OPEN_PATHS) and origins.is_preflight(scope):
        await answer_preflight(scope, send)
    elif scope["method"] not in _methods(path) and _is_there(path):
        await _say_methods(scope, send)
    elif path == EVENTS_PATH:
        await events_application(scope, receive, send)
    elif path in WEBSOCKET_PATHS:
        await refuse_plain(send)
    elif path.startswith(API_PATHS):
        await api(scope, receive, send)
    elif path.startswith(settings.STATIC_URL) or path in ROOT_FILES:
        await static_files({**scope, "headers": [_strong(*header) for header in scope["headers"]]}, receive, send)
    elif path.startswith(IN_THREADS):
        await in_turns(scope, receive, send, needs_turn=path not in sign_in.PATHS)
    elif SHARED.fullmatch(path):
        await pages.send_shared(scope, receive, send)
    elif ON_THE_LOOP.fullmatch(path):
        await pages(scope, receive, send)
    else:
        await others(scope, receive, send)


def _is_from_a_node(scope: Scope) -> bool:
    """Whether it may be a node that asks for media, by the address under which it knows this machine."""
    return scope["path"].startswith("/media/") and any(name == PASS_HEADER for name, _ in scope["headers"])


def _strong(name: bytes, value: bytes) -> tuple[bytes, bytes]:
    """Return the header with a strong validator: a proxy that compresses makes it weak, and it is compared as text."""
    return name, value.removeprefix(b"W/") if name == b"if-none-match" else value


SITE = "*"
"""What OPTIONS asks for that means the server as a whole (RFC 9110, 9.3.7)."""
METHODS = {
    EVENTS_PATH: ("GET",),
    "/accounts/logout/": ("POST",),
    SITE: ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
}
READING = ("GET", "HEAD")


def _methods(path: str) -> tuple[str, ...]:
    """Return the methods of a path outside the API. Only pages in threads have forms."""
    return METHODS.get(path) or ((*READING, "POST") if path.startswith(IN_THREADS) else READING)


def _is_there(path: str) -> bool:
    """Whether there is such a path outside the API, which answers for its own paths."""
    if path.startswith(API_PATHS):
        return False
    if path.startswith(settings.STATIC_URL) or path in ROOT_FILES:
        return static_files.has(path)
    return path in (EVENTS_PATH, *WEBSOCKET_PATHS, SITE) or bool(is_valid_path(path))


async def _say_methods(scope: Scope, send: Send) -> None:
    """Name the methods of a path: 204 to OPTIONS, 405 to a method that the path does not have.

    Before Django checks forms: it would answer any method that a token is missing.
    """
    allow = [(b"allow", ", ".join((*_methods(scope["path"]), "OPTIONS")).encode("ascii"))]
    if scope["path"].startswith(OPEN_PATHS):
        allow += origins.allowance(scope, settings.LIVE_ORIGINS)
    if scope["method"] == "OPTIONS":
        await send({"type": "http.response.start", "status": 204, "headers": allow})
        await send({"type": "http.response.body"})
    else:
        await refuse(send, 405, *ERRORS[405], allow)


KINDS = (
    ("/api/", "api"),
    ("/media/", "media"),
    (settings.STATIC_URL, "static"),
    (EVENTS_PATH, "stream"),
    *((path, "probe") for path in ANY_HOST),
)


async def counted_http(scope: Scope, receive: Receive, send: Send) -> None:
    """Count each answer by kind and status. Of streams only failures: more would add to the cost of each frame."""
    path = scope["path"]
    kind = next((kind for start, kind in KINDS if path.startswith(start)), "page")

    async def counting(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            http_requests_of(kind, message["status"]).inc()
        await send(message)

    try:
        await http(scope, receive, send if path == EVENTS_PATH else counting)
    except Exception:
        http_requests_of(kind, 500).inc()  # the status that the server then answers
        raise


async def websockets(scope: Scope, receive: Receive, send: Send) -> None:
    """Give a broadcaster's picture to its application; all else is for the platform."""
    if is_plain(scope):
        await receive()
        await send({"type": "websocket.close"})
    elif scope["path"] == sending.PATH and is_our_host(scope):
        await sending.picture_application(scope, receive, send)
    else:
        await websocket(scope, receive, send)


application = ProtocolTypeRouter({"http": counted_http, "websocket": websockets})
