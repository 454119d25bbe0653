"""A node, or the proxy before several, on the machine of an ingest: what is asked of it over HTTP.

Made by videos.elsewhere where LIVE_MEDIA_FROM names one. Imported only then: a client costs a start 100 ms.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

import httpx

from videos.playlists import BadDirective
from videos.reloads import WaitEnded
from videos.sources import PASS, SourceAway, make_pass
from web.store import OpenedFile

CONNECT_SECONDS = 3.0
# A node holds a request for 24 s at most (videos.reloads).
ANSWER_SECONDS = 30.0
CONNECTIONS_MAX = 200
PIECE_BYTES = 64 * 1024
_VALIDATOR = re.compile(r'(?:W/)?"([0-9a-f]{1,16})-[0-9a-f]{1,16}"')


class OtherNode:
    """A source (videos.sources). `url`: `http://node-1:8000`.

    Also raises what the other node says to a request that waits for a playlist: WaitEnded, BadDirective.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def open(
        self, video_id: str, name: str, *, query: str = "", start: int = 0, end: int | None = None
    ) -> AsyncIterator[OpenedFile | None]:
        headers = {PASS: make_pass(video_id), "Accept-Encoding": "identity"}
        if start or end is not None:
            headers["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        url = f"{self._url}/media/{video_id}/{name}" + (f"?{query}" if query else "")
        try:
            async with self._clients().stream("GET", url, headers=headers) as answer:
                if answer.status_code in (200, 206):
                    yield OpenedFile(_size(answer), _changed_ns(answer), answer.aiter_bytes(PIECE_BYTES))
                elif answer.status_code == 404:
                    yield None
                else:
                    await answer.aread()
                    raise _refusal(answer)
        except (httpx.TransportError, httpx.StreamError) as error:
            raise SourceAway(f"{self._url}: {error!r}") from error

    def _clients(self) -> httpx.AsyncClient:
        """Return the connections to it. Made by the loop that uses them."""
        if self._client is None:
            self._client = httpx.AsyncClient(
                verify=ssl.create_default_context(),
                timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
                follow_redirects=False,
                trust_env=False,
                limits=httpx.Limits(max_connections=CONNECTIONS_MAX),
            )
        return self._client


def _refusal(answer: httpx.Response) -> Exception:
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = ""
    if answer.status_code == 400 and detail:
        return BadDirective(detail)
    if answer.status_code == 503 and detail:
        return WaitEnded(detail)
    return SourceAway(f"{answer.url.host} answered {answer.status_code}")


def _size(answer: httpx.Response) -> int:
    """Return the size of the whole file."""
    whole = answer.headers.get("Content-Range", "").rpartition("/")[2] or answer.headers.get("Content-Length", "")
    if not whole.isdigit():
        raise SourceAway(f"{answer.url.host} does not say how long {answer.url.path} is")
    return int(whole)


def _changed_ns(answer: httpx.Response) -> int:
    """Return when the file changed, as exactly as its validator says (videos.media)."""
    if (found := _VALIDATOR.fullmatch(answer.headers.get("ETag", ""))) is not None:
        return int(found[1], 16)
    try:
        return int(parsedate_to_datetime(answer.headers["Last-Modified"]).timestamp()) * 1_000_000_000
    except (KeyError, ValueError):
        return 0
