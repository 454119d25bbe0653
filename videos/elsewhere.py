"""The files of pictures that this node has not got: fetched once, however many viewers ask, and kept for a while.

Called by the view of /media/ when the node's own folder does not have a file. Segments and parts never change, and stay
on the disk (videos.cached). Playlists and posters are asked for again soon: they stay in memory for a moment.
A request that waits for the next part is held by the other node, one for all viewers here who wait for the same.
What is larger than `LARGE_BYTES`, a recording made one file, is passed on as it comes.
Source: RFC 9111 (what a shared cache may do); nginx's `proxy_cache_lock` is the same idea.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import BinaryIO
from urllib.parse import urlencode

from django.conf import settings

from videos.cached import FileCache
from videos.media import LargeFile, never_changes
from videos.playlists import ReadPlaylist
from videos.sources import Source, SourceAway
from web.kept import bucket
from web.pictures import MediaAway
from web.store import OpenedFile

logger = logging.getLogger(__name__)

DIRECTIVES = ("_HLS_msn", "_HLS_part", "_HLS_skip")
CHANGING = (".m3u8", ".jpg")
CHANGING_SECONDS = 0.25
"""So old may be what is in memory, what is not there included."""
KEPT_SECONDS = 3600.0
"""So long a segment stays: what was deleted for good must not be here for ever."""
CHANGING_MAX_BYTES = 8 * 1024 * 1024
LARGE_BYTES = 64 * 1024 * 1024
LARGE_SECONDS = 5.0
KNOWN_MAX = 1_000
FETCHES_MAX = 500
"""So many fetches are under way at once; most of them wait for a part to come."""


Found = ReadPlaylist | LargeFile | None
"""What is in memory. None: it is not there."""
_NOTHING: tuple[float, Found] = (float("-inf"), None)
Key = tuple[str, str, str]
"""Video, name, query."""


class Elsewhere:
    """`sources` are asked in turn. One event loop owns it."""

    def __init__(self, sources: Sequence[Source], cache: FileCache, *, clock: Callable[[], float]) -> None:
        self._sources = sources
        self._cache = cache
        self._clock = clock
        self._known: dict[Key, tuple[float, Found]] = {}
        self._fetching: dict[Key, asyncio.Task[None]] = {}

    async def find(self, video_id: str, name: str, query: Mapping[str, str]) -> ReadPlaylist | LargeFile | BinaryIO:
        """Return the file as it is elsewhere.

        Raises FileNotFoundError, MediaAway, and what a source says to a request that waits.
        """
        asked = urlencode({name: query[name] for name in DIRECTIVES if name in query}) if name.endswith(".m3u8") else ""
        key = (video_id, name, asked)
        if (file := await self._cache.open(_kept_name(key))) is not None:
            return file
        if self._known.get(key, _NOTHING)[0] <= self._clock():
            await self._fetch_once(key)
            if (file := await self._cache.open(_kept_name(key))) is not None:
                return file
        found = self._known.get(key, _NOTHING)[1]
        if found is None:
            raise FileNotFoundError(name)
        return found

    async def _fetch_once(self, key: Key) -> None:
        """Fetch it, or wait for the fetch that is under way. Others wait for it too: it ends when it has come."""
        task = self._fetching.get(key)
        if task is None:
            if len(self._fetching) >= FETCHES_MAX:
                raise SourceAway("Too much is fetched at the same time.")
            task = self._fetching[key] = asyncio.create_task(self._fetch(key), name=f"fetch {key[1]}")
            task.add_done_callback(lambda done: self._forget(key, done))
        await asyncio.shield(task)

    def _forget(self, key: Key, task: asyncio.Task[None]) -> None:
        del self._fetching[key]
        if not task.cancelled():
            task.exception()  # those who wait have it; and there may be none left

    async def _fetch(self, key: Key) -> None:
        video_id, name, query = key
        is_away: MediaAway | None = None
        for source in self._sources:
            try:
                async with source.open(video_id, name, query=query) as opened:
                    if opened is not None:
                        await self._take(key, source, opened)
                        return
            except MediaAway as away:
                logger.warning("%s of video %s cannot be fetched: %s", name, video_id, away)
                is_away = away
        if is_away is not None:
            raise is_away
        self._cache.drop(_kept_name(key))
        if name.endswith(CHANGING):  # not of parts: somebody who asks too early must not hide one that comes
            self._know(key, None, seconds=CHANGING_SECONDS)

    async def _take(self, key: Key, source: Source, opened: OpenedFile) -> None:
        video_id, name, _ = key
        if name.endswith(CHANGING):
            self._know(key, await _whole(name, opened), seconds=CHANGING_SECONDS)
        elif opened.size > LARGE_BYTES:
            pieces = functools.partial(_pieces, source, video_id, name)
            self._know(key, LargeFile(opened.size, opened.changed_ns, pieces), seconds=LARGE_SECONDS)
        else:
            try:
                seconds = KEPT_SECONDS if never_changes(name) else CHANGING_SECONDS
                await self._cache.keep(_kept_name(key), opened, seconds=seconds)
            except OSError as error:
                raise SourceAway(f"{name} cannot be kept here: {error.strerror}") from error

    def _know(self, key: Key, found: Found, *, seconds: float) -> None:
        now = self._clock()
        if len(self._known) >= KNOWN_MAX:
            self._known = {key: known for key, known in self._known.items() if known[0] > now}
        if len(self._known) >= KNOWN_MAX:
            self._known.clear()
        self._known[key] = now + seconds, found


def _kept_name(key: Key) -> str:
    return f"{key[0]}-{key[1]}"


async def _whole(name: str, opened: OpenedFile) -> ReadPlaylist:
    if opened.size > CHANGING_MAX_BYTES:
        raise SourceAway(f"{name} has {opened.size} bytes")
    body = b"".join([bytes(piece) async for piece in opened.pieces])
    return ReadPlaylist(body, opened.changed_ns)


async def _pieces(source: Source, video_id: str, name: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
    async with source.open(video_id, name, start=start, end=end) as opened:
        if opened is None:
            raise SourceAway(f"{name} has gone")
        async for piece in opened.pieces:
            yield bytes(piece)


@functools.cache
def elsewhere() -> Elsewhere | None:
    """Return where this node gets what it has not got, by the settings; None: it has everything that there is."""
    sources: list[Source] = []
    if settings.LIVE_MEDIA_FROM:
        from videos.other_node import OtherNode

        sources += [OtherNode(url) for url in settings.LIVE_MEDIA_FROM]
    if (kept := bucket()) is not None:
        sources.append(kept)
    if not sources:
        return None
    cache = FileCache(
        settings.DATA_DIR / "media-cache", max_bytes=settings.LIVE_MEDIA_CACHE_MB * 1024 * 1024, clock=time.monotonic
    )
    return Elsewhere(sources, cache, clock=time.monotonic)
