"""How static files and pages travel: small, and each version of a file once. Called by liveplatform.asgi.

A library may have its form in Brotli beside it (scripts/vendor.sh writes it). All other forms of static files are made
at the first start and kept in the data folder. Pages and what one reads by the API are compressed as they are answered,
unless there is a proxy, which does it.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.headers import Headers

import brotli  # type: ignore[import-untyped]
from django.conf import settings
from django.http import HttpResponse
from django.utils.cache import patch_vary_headers
from servestatic.asgi import ServeStaticASGI  # type: ignore[import-untyped]
from servestatic.responders import StaticFile  # type: ignore[import-untyped]
from servestatic.utils import parse_accept_encoding  # type: ignore[import-untyped]

from liveplatform import assets
from realtime.asgi import Receive, Scope, Send
from realtime.edge.handoff import ZERO_COPY
from realtime.edge.repeats import Repeatable
from realtime.metrics import http_requests_of

logger = logging.getLogger(__name__)

COMPRESSED_MIN_BYTES = 1_000
FOR_GOOD = b"public, max-age=31536000, immutable"
LEVEL = 4
"""A watch page of 100 KB: 16.8 KB in 0.8 ms, with zlib's own level of 6 16.3 KB in 1.4 ms."""
RANDOM_BYTES_MAX = 100
"""So much is added to what is somebody's own, so that its length says nothing of what is in it (as Django's
GZipMiddleware does).
"""
MAKING: dict[str, Callable[[bytes], bytes]] = {
    "br": partial(brotli.compress, quality=11),
    "gzip": partial(gzip.compress, compresslevel=9, mtime=0),
}
"""The codings of static files. Of 139 files Brotli makes 178 KB, gzip 211 KB; both together take 0.7 s, once."""
TEXTS = (".css", ".js", ".json", ".mjs", ".svg")


class StaticFiles(ServeStaticASGI):  # type: ignore[misc]
    """A table of files; those of `folder` with smaller forms for browsers that take them.

    `kept`: where the forms lie that are made here, named by what is in them.
    """

    def __init__(self, *, folder: Path, kept: Path, **options: Any) -> None:
        self._folder = folder
        self._kept = kept
        super().__init__(None, **options)

    def has(self, path: str) -> bool:
        return self._unversioned(path)[0] in self.files

    def _unversioned(self, path: str) -> tuple[str, str]:
        if not path.startswith(settings.STATIC_URL):
            return path, ""
        rest, version = assets.unversioned(path.removeprefix(settings.STATIC_URL))
        return settings.STATIC_URL + rest, version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file. Another version than ours, of a node before or after, gets what we have, and keeps it not."""
        path, version = self._unversioned(scope["path"])
        is_ours = version == assets.version()

        async def sending(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and is_ours and message["status"] in (200, 206, 304):
                kept = [(name, value) for name, value in message["headers"] if name != b"cache-control"]
                message["headers"] = [*kept, (b"cache-control", FOR_GOOD)]
            elif message["type"] == ZERO_COPY and (is_ours or not version):
                message["repeat"] = Repeatable(float("inf"), http_requests_of("static", 200).inc)
            await send(message)

        await super().__call__({**scope, "path": path}, receive, sending)

    def add(self, url: str, path: str) -> None:
        """Have the file at this path, unless it is the smaller form of another."""
        if self.is_compressed_variant(path):
            return
        headers = Headers([])
        self.add_mime_headers(headers, path, url)
        self.add_cache_headers(headers, path, url)
        self.add_headers_function(headers, path, url)
        self.files[url] = StaticFile(path, headers.items(), encodings=self._encodings(Path(path)))

    def _encodings(self, path: Path) -> dict[str, str]:
        """Return the coding and path of each smaller form."""
        if not path.is_relative_to(self._folder) or path.suffix not in TEXTS:
            return {}
        found = {"br": f"{path}.br"} if os.path.exists(f"{path}.br") else {}
        content = path.read_bytes()
        if len(content) >= COMPRESSED_MIN_BYTES:
            made = {coding: self._made(content, coding) for coding in MAKING if coding not in found}
            found |= {coding: form for coding, form in made.items() if form}
        return found

    def _made(self, content: bytes, coding: str) -> str:
        """Return the path of the content in this coding, "" if it cannot be written."""
        made = self._kept / f"{hashlib.sha256(content).hexdigest()[:32]}.{coding}"
        if made.exists():
            return str(made)
        writing = made.with_suffix(f".{coding}.{os.getpid()}")  # other processes of the site make it too
        try:
            self._kept.mkdir(parents=True, exist_ok=True)
            writing.write_bytes(MAKING[coding](content))
            writing.replace(made)
        except OSError as error:
            logger.warning("static files go out uncompressed: %s: %s", self._kept, error.strerror)
            return ""
        return str(made)


def takes_gzip(accept_encoding: str) -> bool:
    return "gzip" in parse_accept_encoding(accept_encoding)


def compress_page(response: HttpResponse, scope: Scope) -> None:
    """Compress a page in place, where the browser takes gzip. What is short stays as it is.

    A page that its reader may send forms from holds a CSRF token, in another disguise each time.
    """
    _compress(response, scope, hides_length=True)


def compress_answer(response: HttpResponse, scope: Scope) -> None:
    """Compress what somebody has read by the API, as JSON. An answer to an act stays as it is: it may hold a new token.

    What a page of another site has a browser ask for with cookies stays as it is, too. That page could have written
    into the answer, and would learn from its length what is in it (BREACH).
    """
    if scope["method"] not in ("GET", "HEAD") or response.headers.get("Content-Type") != "application/json":
        return
    headers = dict(scope["headers"])
    is_personal = b"cookie" in headers or b"authorization" in headers
    if b"cookie" not in headers or headers.get(b"sec-fetch-site") != b"cross-site":
        _compress(response, scope, hides_length=is_personal)


def _compress(response: HttpResponse, scope: Scope, *, hides_length: bool) -> None:
    if len(response.content) < COMPRESSED_MIN_BYTES:
        return
    patch_vary_headers(response, ("Accept-Encoding",))
    if takes_gzip(dict(scope["headers"]).get(b"accept-encoding", b"").decode("latin1")):
        response.content = _gzip(response.content, random_bytes_max=RANDOM_BYTES_MAX if hides_length else 0)
        response.headers["Content-Encoding"] = "gzip"


def _gzip(content: bytes, *, random_bytes_max: int) -> bytes:
    """Return the content compressed, with a name of random length in the head. Source: RFC 1952, 2.3."""
    made = gzip.compress(content, LEVEL, mtime=0)
    if not random_bytes_max:
        return made
    name = b"a" * secrets.randbelow(random_bytes_max) + b"\0"
    return made[:3] + bytes([gzip.FNAME]) + made[4:10] + name + made[10:]
