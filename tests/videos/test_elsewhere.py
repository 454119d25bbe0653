"""Files that a node fetches: each once, for so long, and no more of them than its disk may hold."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.kit import Clock
from videos.cached import FileCache
from videos.elsewhere import LARGE_BYTES, Elsewhere
from videos.media import LargeFile
from videos.playlists import ReadPlaylist
from videos.sources import SourceAway
from web.store import OpenedFile

VIDEO = "0199a1c2-0000-7000-8000-000000000000"
SEGMENT = "1790000000000-0.m4s"
CHANGED_NS = 1_790_000_000_123_456_789


class Machine:
    """Another machine, with these files. `asked` counts what it was asked for; `is_open`: it answers."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.is_away = False

    @asynccontextmanager
    async def open(
        self, video_id: str, name: str, *, query: str = "", start: int = 0, end: int | None = None
    ) -> AsyncIterator[OpenedFile | None]:
        self.asked[f"{name}?{query}" if query else name] += 1
        await self.is_open.wait()
        if self.is_away:
            raise SourceAway("away")
        data = self.files.get(name)
        size = 0 if data is None else self.sizes.get(name, len(data))
        yield None if data is None else OpenedFile(size, CHANGED_NS, _pieces(data[start:end]))


async def _pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(data), 4):
        yield data[at : at + 4]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def cache(tmp_path: Path, now: Clock) -> FileCache:
    return FileCache(tmp_path / "cache", max_bytes=25, clock=now)


@pytest.fixture
def node(machine: Machine, cache: FileCache, now: Clock) -> Elsewhere:
    return Elsewhere([machine], cache, clock=now)


async def get(node: Elsewhere, name: str, **query: str) -> bytes:
    found = await node.find(VIDEO, name, query)
    if isinstance(found, ReadPlaylist):
        return found.body
    assert not isinstance(found, LargeFile)
    return read(found)


def read(file: BinaryIO) -> bytes:
    with file:
        return file.read()


async def test_what_many_want_is_fetched_once(node: Elsewhere, machine: Machine) -> None:
    machine.files = {SEGMENT: b"0123456789", "live.m3u8": b"#EXTM3U"}
    machine.is_open.clear()
    asked = [asyncio.create_task(get(node, name)) for name in (SEGMENT, "live.m3u8") for _ in range(20)]
    gone = asyncio.create_task(get(node, SEGMENT))
    await asyncio.sleep(0)
    gone.cancel()
    machine.is_open.set()
    assert {*await asyncio.gather(*asked)} == {b"0123456789", b"#EXTM3U"}
    assert machine.asked == {SEGMENT: 1, "live.m3u8": 1}


async def test_what_waits_for_the_next_part_is_another_playlist(node: Elsewhere, machine: Machine) -> None:
    machine.files = {"live.m3u8": b"#EXTM3U"}
    for query in ({}, {"_HLS_msn": "7"}, {"_HLS_msn": "7", "_HLS_part": "1"}, {"_HLS_msn": "7", "other": "1"}):
        await get(node, "live.m3u8", **query)
    assert machine.asked == {"live.m3u8": 1, "live.m3u8?_HLS_msn=7": 1, "live.m3u8?_HLS_msn=7&_HLS_part=1": 1}


async def test_a_segment_stays_and_what_may_change_is_asked_for_again(
    node: Elsewhere, machine: Machine, now: Clock
) -> None:
    """A name without a time in it may come back with another content."""
    machine.files = {SEGMENT: b"one", "live.m3u8": b"one", "poster.jpg": b"one", "segment-1.ts": b"one"}
    assert {await get(node, name) for name in machine.files} == {b"one"}
    machine.files = dict.fromkeys(machine.files, b"other")
    assert {await get(node, name) for name in machine.files} == {b"one"}
    now.advance(seconds=1)
    assert {name: await get(node, name) for name in machine.files} == {
        **dict.fromkeys(machine.files, b"other"),
        SEGMENT: b"one",
    }
    machine.files.clear()
    now.advance(seconds=1)
    for name in ("live.m3u8", "segment-1.ts"):
        with pytest.raises(FileNotFoundError):
            await get(node, name)


async def test_who_asks_too_early_hides_no_part(node: Elsewhere, machine: Machine) -> None:
    with pytest.raises(FileNotFoundError):
        await get(node, SEGMENT)
    machine.files[SEGMENT] = b"here"
    assert await get(node, SEGMENT) == b"here"


async def test_a_file_is_as_old_as_it_is_elsewhere(node: Elsewhere, machine: Machine, cache: FileCache) -> None:
    """Its validators are the same on all nodes."""
    machine.files[SEGMENT] = b"0123456789"
    with await node.find(VIDEO, SEGMENT, {}) as file:  # type: ignore[union-attr]
        assert os.fstat(file.fileno()).st_mtime_ns == CHANGED_NS


async def test_the_disk_holds_so_much_and_what_was_wanted_longest_ago_goes(
    node: Elsewhere, machine: Machine, cache: FileCache
) -> None:
    names = [f"179000000000{number}-init.mp4" for number in range(3)]
    machine.files = dict.fromkeys(names, b"0123456789")
    for name in (names[0], names[1], names[0], names[2], names[0], names[1]):
        assert await get(node, name) == b"0123456789"
        assert cache.bytes <= 25
    assert machine.asked == {names[0]: 1, names[1]: 2, names[2]: 1}


async def test_a_file_that_is_cut_short_is_not_kept(node: Elsewhere, machine: Machine) -> None:
    machine.files[SEGMENT], machine.sizes[SEGMENT] = b"0123", 10
    with pytest.raises(SourceAway, match="4 of 10 bytes"):
        await get(node, SEGMENT)
    machine.files[SEGMENT] = b"0123456789"
    assert await get(node, SEGMENT) == b"0123456789"


async def test_a_large_file_is_passed_on(node: Elsewhere, machine: Machine, cache: FileCache) -> None:
    machine.files["recording.mp4"], machine.sizes["recording.mp4"] = b"0123456789", LARGE_BYTES + 1
    found = await node.find(VIDEO, "recording.mp4", {})
    assert isinstance(found, LargeFile)
    assert b"".join([piece async for piece in found.pieces(2, 7)]) == b"23456"
    assert cache.bytes == 0


async def test_machines_are_asked_in_turn(machine: Machine, cache: FileCache, now: Clock) -> None:
    first = Machine()
    node = Elsewhere([first, machine], cache, clock=now)
    machine.files[SEGMENT] = b"0123456789"
    first.is_away = True
    assert await get(node, SEGMENT) == b"0123456789"
    with pytest.raises(SourceAway):  # it may be there
        await get(node, "1790000000000-1.m4s")
    first.is_away = False
    with pytest.raises(FileNotFoundError):
        await get(node, "1790000000000-1.m4s")


async def test_what_a_killed_process_has_left_is_removed(tmp_path: Path, machine: Machine, now: Clock) -> None:
    machine.files[SEGMENT] = b"0123456789"
    left = tmp_path / "cache" / "left"
    left.mkdir(parents=True)
    (left / ".lock").touch()
    for _ in range(2):  # two that live leave each other alone
        await get(Elsewhere([machine], FileCache(tmp_path / "cache", max_bytes=25, clock=now), clock=now), SEGMENT)
    assert not left.exists()
    assert len(list((tmp_path / "cache").glob(f"*/{VIDEO}-{SEGMENT}"))) == 2
