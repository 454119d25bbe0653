"""Requests that wait for a playlist to grow, and one look at each playlist for all who ask for it.

Called by the view of /media/. A low-latency player asks for the next part before it is there, many times a second, and
so does everybody who watches: a playlist is read once for each change, and one task looks at all of them.
Source: draft-pantos-hls-rfc8216bis, 6.2.5.2 and 6.2.6 (hinted parts).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

from django.http import HttpRequest

from realtime.background import BackgroundTasks
from videos.media import RECEIVE
from videos.playlists import ReadPlaylist, check_reach, read_playlist, wanted
from web.pictures import open_regular

LOOK_SECONDS = 0.025
WAIT_TARGETS = 3
"""So many target durations is how long a request waits at most."""
WAITERS_MAX = 5_000
KEPT_MAX = 500
LARGEST_BYTES = 256 * 1024
"""A longer playlist, of a recording, is sent from the disk like any file."""
LIVE = "live.m3u8"
RENDITION = re.compile(r"\d{3,4}p-")
"""With what the names of a smaller rendition begin, also that of its live playlist."""
DELTA = "{}-delta.m3u8"
"""The name of what is new in a playlist, where its packager writes that beside it."""

Look = Callable[[Path, ReadPlaylist | None], ReadPlaylist | None]
T = TypeVar("T")


class Hold(Protocol):
    """Waits on behalf of the viewer who asks."""

    def __call__(self, waiting: Coroutine[Any, Any, T]) -> Awaitable[T]: ...


class WaitEnded(Exception):
    """What a request waited for did not come. The text says why."""


@dataclass(eq=False, slots=True)
class _Waiter:
    is_ready: Callable[[ReadPlaylist], bool]
    until: float
    future: asyncio.Future[ReadPlaylist | None]


@dataclass(eq=False, slots=True)
class _Watched:
    """A playlist that somebody asked for. Without one: it was not there, or is too long."""

    path: Path
    playlist: ReadPlaylist | None = None
    looked_at: float = float("-inf")
    looking: asyncio.Task[None] | None = None
    waiters: set[_Waiter] = field(default_factory=set)


class PlaylistReader:
    """The playlists of this node's videos as they are now, at most `LOOK_SECONDS` old.

    One event loop owns it. `is_leaving`: whether this node is to end soon, so nobody should wait on it. `look` is
    called in a thread.
    """

    def __init__(self, *, clock: Callable[[], float], is_leaving: Callable[[], bool], look: Look | None = None) -> None:
        self._clock = clock
        self._is_leaving = is_leaving
        self._newest = look or newest
        self._watched: dict[Path, _Watched] = {}
        self._waiting = 0
        self._tasks = BackgroundTasks("playlists")
        self._looking_on: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many requests wait."""
        return self._waiting

    async def read(self, path: Path) -> ReadPlaylist | None:
        """Return the playlist as it is; None when it is not there, or too long to be kept."""
        watched = self._watch(path)
        if self._clock() - watched.looked_at >= LOOK_SECONDS:
            if watched.looking is None or watched.looking.done():
                watched.looking = self._tasks.spawn(self._look([watched]), name="read")
            await asyncio.shield(watched.looking)
        return watched.playlist

    async def wait(
        self, path: Path, is_ready: Callable[[ReadPlaylist], bool], *, target_seconds: float
    ) -> ReadPlaylist | None:
        """Return the playlist once it is ready, None when it has gone. Cancelled, it leaves nothing behind.

        Raises WaitEnded.
        """
        if len(self) >= WAITERS_MAX:
            raise WaitEnded("Too many viewers wait on this node.")
        watched = self._watch(path)
        until = self._clock() + WAIT_TARGETS * max(1.0, target_seconds)
        waiter = _Waiter(is_ready, until, asyncio.get_running_loop().create_future())
        watched.waiters.add(waiter)
        self._waiting += 1
        if self._looking_on is None or self._looking_on.done():
            self._looking_on = self._tasks.spawn(self._look_on(), name="look")
        try:
            return await waiter.future
        finally:
            watched.waiters.discard(waiter)
            self._waiting -= 1

    async def hinting(self, path: Path, name: str) -> tuple[Path, ReadPlaylist] | None:
        """Return the playlist, or the rendition that it names, that says that this part comes next."""
        playlist = await self.read(path)
        if playlist is None:
            return None
        paths = [path.with_name(rendition) for rendition in playlist.renditions] or [path]
        for each in paths:
            read = await self.read(each)
            if read is not None and read.hint == name:
                return each, read
        return None

    def _watch(self, path: Path) -> _Watched:
        watched = self._watched.pop(path, None) or _Watched(path)
        self._watched[path] = watched  # the newest is last
        if len(self._watched) > KEPT_MAX:
            idle = [each.path for each in self._watched.values() if not each.waiters and each is not watched]
            for old in idle[: len(self._watched) - KEPT_MAX]:
                del self._watched[old]
        return watched

    async def _look_on(self) -> None:
        """Look at what somebody waits for, as long as somebody does."""
        while watched := [each for each in self._watched.values() if each.waiters]:
            await self._look(watched)
            for each in watched:
                self._wake(each)
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self, watched: Sequence[_Watched]) -> None:
        at = self._clock()
        known = [(each.path, each.playlist) for each in watched]
        found = await asyncio.to_thread(lambda: [self._newest(*each) for each in known])
        for each, playlist in zip(watched, found, strict=True):
            each.playlist, each.looked_at = playlist, at

    def _wake(self, watched: _Watched) -> None:
        is_leaving, now, playlist = self._is_leaving(), self._clock(), watched.playlist
        for waiter in watched.waiters:
            if waiter.future.done():
                continue
            if playlist is None or waiter.is_ready(playlist):
                waiter.future.set_result(playlist)
            elif is_leaving:
                waiter.future.set_exception(WaitEnded("This node is shutting down."))
            elif now >= waiter.until:
                waiter.future.set_exception(WaitEnded("The broadcaster's picture does not go on."))


def newest(path: Path, known: ReadPlaylist | None) -> ReadPlaylist | None:
    """Return the playlist, read only if it has changed."""
    with contextlib.suppress(OSError), open_regular(path) as file:
        found = os.fstat(file.fileno())
        if known is not None and (found.st_mtime_ns, found.st_size) == (known.changed_ns, len(known.body)):
            return known
        if found.st_size <= LARGEST_BYTES:
            return read_playlist(file.read(LARGEST_BYTES), found.st_mtime_ns)
    return None


class Picture:
    """The files of one video in the node's own folder, as it sends them."""

    def __init__(self, folder: Path, playlists: PlaylistReader, hold: Hold) -> None:
        self._folder = folder
        self._playlists = playlists
        self._hold = hold

    async def find(self, name: str, query: Mapping[str, str]) -> BinaryIO | ReadPlaylist:
        """Return the playlist, or the open file, once it is what the query asks for.

        Raises OSError, BadDirective, WaitEnded.
        """
        path = self._folder / name
        if path.suffix == ".m3u8":
            return await self._playlist(path, query) or await _open(path)
        try:
            return await _open(path)
        except FileNotFoundError:
            hinting = None
            if path.suffix == ".m4s":
                rendition = RENDITION.match(name)
                listing = f"{rendition[0] if rendition else ''}{LIVE}"
                hinting = await self._playlists.hinting(self._folder / listing, name)
            if hinting is None:
                raise
        listed_by, playlist = hinting
        later = self._playlists.wait(
            listed_by, lambda newer: newer.hint != name, target_seconds=playlist.target_seconds
        )
        await self._hold(later)
        return await _open(path)

    async def _playlist(self, path: Path, query: Mapping[str, str]) -> ReadPlaylist | None:
        asked = wanted(query.get("_HLS_msn"), query.get("_HLS_part"))
        playlist = None
        if "_HLS_skip" in query:
            delta = path.with_name(DELTA.format(path.stem))
            if (playlist := await self._playlists.read(delta)) is not None:
                path = delta
        if playlist is None:
            playlist = await self._playlists.read(path)
        if asked is None or playlist is None:
            return playlist
        check_reach(asked, playlist)
        if asked.is_in(playlist):
            return playlist
        return await self._hold(self._playlists.wait(path, asked.is_in, target_seconds=playlist.target_seconds))


async def _open(path: Path) -> BinaryIO:
    return await asyncio.to_thread(open_regular, path)


async def while_there(request: HttpRequest, waiting: Coroutine[Any, Any, T]) -> T:
    """Wait, as long as the client does. Returns what came. Raises WaitEnded."""
    coming = asyncio.ensure_future(waiting)
    leaving = asyncio.ensure_future(request.scope[RECEIVE]())  # type: ignore[attr-defined]
    try:
        await asyncio.wait((coming, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            raise WaitEnded("The client has left.")
        return coming.result()
    finally:
        coming.cancel()
        leaving.cancel()
