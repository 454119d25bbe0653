"""Plain HTTP at a site that speaks HTTPS: it redirects, and answers to an authority for certificates.

Called by liveplatform.asgi for each request.
"""

from __future__ import annotations

from django.conf import settings

from host.certificates.kept import KeptCertificate
from realtime import metrics
from realtime.asgi import Scope, Send
from realtime.routing import refuse

HTTPS_PORT = 443
CHALLENGE_PATH = "/.well-known/acme-challenge/"
kept = KeptCertificate(settings.DATA_DIR)
WAITING = (
    "This site waits for its certificate, and shows its pages when it has one. This page comes again by itself.\n\n"
    "If that takes longer than a minute: the log of the site says what the certificate waits for.\n"
)
WAITING_SECONDS = 5


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
    if is_waiting():
        await _say_to_wait(send)
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


# Certificates of an authority (DOMAIN)


def is_waiting() -> bool:
    """Whether the site has a certificate of its own making alone: browsers would warn of it, and of the site."""
    if not settings.DOMAIN:
        return False
    # Imported here: it brings the server, which others that import this do not run.
    from realtime.serving import NodeServer

    return any(one.is_self_made for one in NodeServer.certificates.values())


async def _say_to_wait(send: Send) -> None:
    text = WAITING.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
        (b"cache-control", b"no-store"),
        (b"retry-after", b"%d" % WAITING_SECONDS),
        (b"refresh", b"%d" % WAITING_SECONDS),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def is_challenge(scope: Scope) -> bool:
    """Whether an authority may ask here whether the name is ours. It asks plainly, by the name that is to be proved."""
    return bool(settings.DOMAIN) and scope["path"].startswith(CHALLENGE_PATH)


async def answer_challenge(scope: Scope, send: Send) -> None:
    """Answer with what the authority wants to read, if it has asked for that. There is nothing else below the path."""
    if scope["method"] not in ("GET", "HEAD"):
        await refuse(send, 405, "method_not_allowed", "This is for GET.", [(b"allow", b"GET, HEAD")])
        return
    answer = kept.answer(scope["path"].removeprefix(CHALLENGE_PATH))
    if answer is None:
        await refuse(send, 404, "not_found", "There is no such thing.")
        return
    headers = [
        (b"content-type", b"application/octet-stream"),
        (b"content-length", b"%d" % len(answer)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer})


def count_renewals() -> None:
    """Have this process report how the renewal goes. What renews ends at once, so nobody could ask it."""
    if settings.DOMAIN:
        directory = settings.LIVE_ACME_DIRECTORY
        metrics.tls_renewal_success.labels(directory).set_function(lambda: kept.history().got_at)
        metrics.tls_renewal_failures.labels(directory).set_function(lambda: kept.history().failures)
