"""The paths of the streams, `/events` (SSE) and `/ws` (WebSocket), and how a site is put together with them.

Hop: the first one of a connection. `platform` is all that a site needs in its `asgi.py`; one with more to say about
paths (liveplatform.asgi) takes the parts.
"""

from __future__ import annotations

from collections.abc import Iterable

import orjson
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from realtime.asgi import Application, Receive, Scope, Send
from realtime.edge import origins
from realtime.edge.consumers import EventStream, WebSocketStream

EVENTS_PATH = "/events"
WEBSOCKET_PATH = "/ws"
UPGRADE = [(b"upgrade", b"websocket"), (b"connection", b"upgrade"), (b"sec-websocket-version", b"13")]

events_application = EventStream.as_asgi()
websocket_application = WebSocketStream.as_asgi()


def platform(site: Application) -> ProtocolTypeRouter:
    """Return the ASGI application of a site: the streams, and `site` (Django's own) for all other paths.

    A request for a host that is not the site's gets nothing, because pages of a foreign name that leads here must not
    read the streams.
    """

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if not is_our_host(scope):
            await refuse_host(send)
        elif path == EVENTS_PATH and origins.is_preflight(scope):
            await answer_preflight(scope, send)
        elif path == EVENTS_PATH and scope["method"] != "GET":
            await refuse(send, 405, "method_not_allowed", "Streams are for GET.", [(b"allow", b"GET")])
        elif path == EVENTS_PATH:
            await events_application(scope, receive, send)
        elif path == WEBSOCKET_PATH:
            await refuse_plain(send)
        else:
            await site(scope, receive, send)

    return ProtocolTypeRouter({"http": http, "websocket": websocket})


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == WEBSOCKET_PATH and is_our_host(scope):
        await websocket_application(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close"})


def is_our_host(scope: Scope, *, any_name: bool = False) -> bool:
    """Return whether the request is for this site, by the host that it names. `any_name`: any single host will do."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    if any_name and (len(hosts) == 1 or (not hosts and scope["http_version"] == "1.0")):
        return True
    if len(hosts) != 1:
        return False
    domain, port = split_domain_port(hosts[0].decode("latin1"))
    return bool(domain) and (not port or int(port) < 65_536) and validate_host(domain, settings.ALLOWED_HOSTS)


async def answer_preflight(scope: Scope, send: Send) -> None:
    """Answer a browser that asks whether a page of another origin may send its request (CORS)."""
    headers = [*origins.allowance(scope, settings.LIVE_ORIGINS), *origins.PREFLIGHT]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body"})


async def refuse_host(send: Send) -> None:
    await refuse(send, 400, "unknown_host", "This site does not answer to that host name; see ALLOWED_HOSTS.")


async def refuse_plain(send: Send) -> None:
    """Refuse a request for the path of the WebSocket that does not ask for one."""
    await refuse(send, 426, "upgrade_required", "This is a WebSocket.", UPGRADE)


async def refuse(
    send: Send, status: int, code: str, detail: str, more_headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *more_headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps({"code": code, "detail": detail})})
