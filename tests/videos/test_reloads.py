"""Requests that wait for a playlist to grow: who is answered when, by how many looks, and what is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pytest
from django.test import RequestFactory

from tests.kit import Clock, until
from videos.media import RECEIVE
from videos.playlists import BadDirective, ReadPlaylist
from videos.reloads import Picture, PlaylistReader, WaitEnded, newest, while_there

T = TypeVar("T")
HEAD = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES\n#EXT-X-MEDIA-SEQUENCE:0\n"


class Broadcast:
    """A folder with a playlist that grows part by part, and the node that serves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.is_leaving = False
        self.looks = 0
        self.playlists = PlaylistReader(clock=self.clock, is_leaving=lambda: self.is_leaving, look=self._look)

    def _look(self, path: Path, known: ReadPlaylist | None) -> ReadPlaylist | None:
        self.looks += 1
        return newest(path, known)

    def write(self, parts: int, *, name: str = "live.m3u8") -> None:
        """Write the playlist with so many parts of its first segment, as a packager does: whole, or not at all."""
        lines = [f'#EXT-X-PART:DURATION=0.2,URI="1790000000000_{part}.m4s"\n' for part in range(parts)]
        hint = f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1790000000000_{parts}.m4s"\n'
        (self.folder / "new").write_text(HEAD + "".join(lines) + hint)
        (self.folder / "new").rename(self.folder / name)

    async def find(self, name: str = "live.m3u8", **query: str) -> ReadPlaylist | BinaryIO:
        return await Picture(self.folder, self.playlists, self._hold).find(name, query)

    async def ask(self, name: str = "live.m3u8", **query: str) -> asyncio.Task[ReadPlaylist | BinaryIO]:
        """Ask for something that is not there yet; return once the request waits."""
        before = len(self.playlists)
        task = asyncio.create_task(self.find(name, **query))
        await until(lambda: len(self.playlists) > before or task.done())
        assert not task.done()
        return task

    async def _hold(self, waiting: Coroutine[Any, Any, T]) -> T:
        return await waiting


@pytest.fixture
async def broadcast(tmp_path: Path) -> AsyncIterator[Broadcast]:
    made = Broadcast(tmp_path)
    made.write(1)
    yield made
    assert len(made.playlists) == 0, "nobody waits for ever"


async def test_a_request_ahead_is_answered_as_soon_as_its_part_is_listed(broadcast: Broadcast) -> None:
    waiting = await broadcast.ask(_HLS_msn="0", _HLS_part="1")
    broadcast.write(2)
    playlist = await waiting
    assert isinstance(playlist, ReadPlaylist) and b"_1.m4s" in playlist.body
    assert await broadcast.find(_HLS_msn="0", _HLS_part="1") is playlist, "it is there now"
    assert await broadcast.find() is playlist


async def test_a_part_is_held_back_once_it_is_announced_and_no_other_is(broadcast: Broadcast) -> None:
    name = "1790000000000_1.m4s"
    for other in ("1790000000000_2.m4s", "1790000000000-0.m4s", "1790000000000_1.ts"):
        with pytest.raises(FileNotFoundError):
            await broadcast.find(other)
    waiting = await broadcast.ask(name)
    (broadcast.folder / name).write_bytes(b"part")
    broadcast.write(2)
    file = await waiting
    assert not isinstance(file, ReadPlaylist)
    with file:
        assert file.read() == b"part"


async def test_a_part_that_was_announced_and_never_made_is_missing(broadcast: Broadcast) -> None:
    waiting = await broadcast.ask("1790000000000_1.m4s")
    broadcast.write(2)
    with pytest.raises(FileNotFoundError):
        await waiting


async def test_who_knows_the_playlist_gets_what_is_new_in_it(broadcast: Broadcast) -> None:
    """Half an hour of segments is 100 KB, and a player asks five times a second."""
    assert await broadcast.find(_HLS_skip="YES") is await broadcast.find(), "none is written: the whole is always right"
    broadcast.clock.advance(seconds=1)
    broadcast.write(2, name="live-delta.m3u8")
    waiting = await broadcast.ask(_HLS_msn="0", _HLS_part="2", _HLS_skip="YES")
    broadcast.write(4, name="live.m3u8")
    broadcast.write(3, name="live-delta.m3u8")
    delta = await waiting
    assert isinstance(delta, ReadPlaylist) and delta.next_parts == 3


async def test_a_part_of_a_rendition_is_announced_by_its_own_playlist(broadcast: Broadcast) -> None:
    broadcast.write(3, name="low.m3u8")
    (broadcast.folder / "live.m3u8").write_text("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n")
    waiting = await broadcast.ask("1790000000000_3.m4s")
    (broadcast.folder / "1790000000000_3.m4s").write_bytes(b"part")
    broadcast.write(4, name="low.m3u8")
    file = await waiting
    assert not isinstance(file, ReadPlaylist)
    file.close()


async def test_two_hundred_viewers_are_one_look(broadcast: Broadcast) -> None:
    """Each of them would have read the file by itself, many times a second."""
    waiting = [await broadcast.ask(_HLS_msn="0", _HLS_part="1") for _ in range(200)]
    before = broadcast.looks
    broadcast.write(2)
    answers = await asyncio.gather(*waiting)
    assert broadcast.looks - before <= 2, "one may have been under way"
    assert len({id(answer) for answer in answers}) == 1


async def test_a_playlist_that_many_ask_for_is_read_once_while_it_is_new(broadcast: Broadcast) -> None:
    for _ in range(10):
        await broadcast.find("live.m3u8")
    assert broadcast.looks == 1
    broadcast.clock.advance(seconds=1)
    first = await broadcast.find("live.m3u8")
    assert broadcast.looks == 2
    broadcast.write(2)
    broadcast.clock.advance(seconds=1)
    assert await broadcast.find("live.m3u8") is not first


async def test_a_viewer_who_leaves_waits_no_longer(broadcast: Broadcast) -> None:
    left = asyncio.Event()
    request = RequestFactory().get("/")

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    request.scope = {RECEIVE: receive}  # type: ignore[attr-defined]
    waiting = broadcast.playlists.wait(broadcast.folder / "live.m3u8", lambda _: False, target_seconds=1)
    held = asyncio.create_task(while_there(request, waiting))
    await until(lambda: len(broadcast.playlists) == 1)
    left.set()
    with pytest.raises(WaitEnded):
        await held
    await until(lambda: len(broadcast.playlists) == 0)


async def test_a_picture_that_stands_still_is_said_after_three_target_durations(broadcast: Broadcast) -> None:
    waiting = await broadcast.ask(_HLS_msn="0", _HLS_part="1")
    broadcast.clock.advance(seconds=2.9)
    looks = broadcast.looks
    await until(lambda: broadcast.looks > looks + 1)
    assert not waiting.done()
    broadcast.clock.advance(seconds=0.2)
    with pytest.raises(WaitEnded, match="does not go on"):
        await waiting


async def test_a_node_that_is_to_end_sends_those_who_wait_away(broadcast: Broadcast) -> None:
    waiting = await broadcast.ask(_HLS_msn="1")
    broadcast.is_leaving = True
    with pytest.raises(WaitEnded, match="shutting down"):
        await waiting


async def test_a_playlist_that_is_deleted_answers_those_who_wait_for_it(broadcast: Broadcast) -> None:
    waiting = await broadcast.ask(_HLS_msn="1")
    (broadcast.folder / "live.m3u8").unlink()
    with pytest.raises(FileNotFoundError):
        await waiting


async def test_what_is_too_far_ahead_is_a_mistake(broadcast: Broadcast) -> None:
    with pytest.raises(BadDirective):
        await broadcast.find(_HLS_msn="2")


async def test_a_long_playlist_is_sent_from_the_disk(broadcast: Broadcast) -> None:
    """That of a recording of a day would be kept in the memory of each node."""
    (broadcast.folder / "replay.m3u8").write_bytes(b"#EXTM3U\n" * 50_000)
    file = await broadcast.find("replay.m3u8")
    assert not isinstance(file, ReadPlaylist)
    file.close()
