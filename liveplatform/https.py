"""Plain HTTP at a site that speaks HTTPS: it redirects. Called by liveplatform.asgi for each request."""

from __future__ import annotations

from django.conf import settings

from realtime.asgi import Scope, Send
from realtime.routing import refuse

HTTPS_PORT = 443


def is_plain(scope: Scope) -> bool:
    """Whether a request or WebSocket came without TLS to a site that has it. Proxies say for themselves how it came."""
    return settings.LIVE_TLS_CERT is not None and scope["scheme"] in ("http", "ws")


async def send_on(scope: Scope, send: Send) -> None:
    """Answer with the same address by HTTPS. Calls of the API and what carries something are refused.

    A program that was only sent on would go on to send its token plainly, and nobody would notice.
    """
    if scope["method"] not in ("GET", "HEAD") or scope["path"].startswith("/api/"):
        await refuse(send, 403, "https_only", "This site speaks HTTPS: begin the address with https://")
        return
    headers = [(b"location", _secure_address(scope)), (b"content-length", b"0"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 308, "headers": headers})
    await send({"type": "http.response.body"})


def _secure_address(scope: Scope) -> bytes:
    host: bytes = dict(scope["headers"])[b"host"]
    name = host[: host.rindex(b"]") + 1] if host.startswith(b"[") else host.partition(b":")[0]
    port = b"" if settings.LIVE_TLS_PORT == HTTPS_PORT else b":%d" % settings.LIVE_TLS_PORT
    query = b"?" + scope["query_string"] if scope["query_string"] else b""
    return b"https://%b%b%b%b" % (name, port, scope["raw_path"], query)
