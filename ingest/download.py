"""A recording as one file to download: the segments put together by ffmpeg, copied, and with its index at the front.

Called by the desk, when a broadcaster asks for it. A run of ffmpeg for the whole: each part of the recording that goes
on without a break is a file of its own for it, for its times begin again. Sources: ffmpeg's documentation of the
protocol `concatf`, the demuxer `concat` and the muxer `mp4`.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.encoder import ffmpeg
from ingest.packager.playlist import Segment
from ingest.packager.reading import read_recording

if TYPE_CHECKING:
    from web.bucket import BucketFolder

logger = logging.getLogger(__name__)

WRITING = "download.tmp"
_NICE = ("nice", "-n", "10")  # the live pictures go first


async def make_download(folder: Path, kept: BucketFolder | None, *, playlist: str, name: str) -> bool:
    """Make the file `name` of a recording's list, if there is one. Returns whether it is there, whole.

    `kept`: where the recording is, if it is not in the folder any more. Then it is fetched for it.
    """
    if kept is None or (folder / playlist).exists():
        return await _make(folder, playlist=playlist, name=name)
    with tempfile.TemporaryDirectory(dir=folder) as fetched:
        there = Path(fetched)
        text = await asyncio.to_thread(_fetch, kept, there, playlist)
        if not await _make(there, playlist=playlist, name=name):
            return False
        if await asyncio.to_thread(kept.read, playlist) != text:  # deleted or trimmed meanwhile
            return False
        await asyncio.to_thread(kept.put, there / name)
    return True


def _fetch(kept: BucketFolder, there: Path, playlist: str) -> bytes | None:
    """Fetch a recording into a folder. Returns its list."""
    text = kept.read(playlist)
    if text is not None:
        (there / playlist).write_bytes(text)
        for name in dict.fromkeys(name for one in read_recording(text.decode()) for name in (one.init, one.name)):
            kept.fetch(name, there / name)
    return text


async def _make(folder: Path, *, playlist: str, name: str) -> bool:
    try:
        segments = read_recording((folder / playlist).read_text())
    except (OSError, ValueError) as error:
        logger.warning("%s: no recording to download: %s", folder.name, error)
        return False
    if not segments:
        return False
    with tempfile.TemporaryDirectory() as lists:
        command = _command(_write_lists(folder, Path(lists), segments), folder / WRITING)
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        try:
            _, words = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
    if process.returncode:
        logger.warning("%s: the download cannot be made: %s", folder.name, words.decode(errors="replace")[-300:])
        (folder / WRITING).unlink(missing_ok=True)
        return False
    try:
        (folder / WRITING).replace(folder / name)
    except FileNotFoundError:  # the recording was deleted or trimmed meanwhile
        return False
    return True


def _command(source: Path, target: Path) -> list[str]:
    return [
        *(*_NICE, ffmpeg(), "-nostdin", "-loglevel", "error", "-y"),
        *("-protocol_whitelist", "file,concatf", "-f", "concat", "-safe", "0", "-i", str(source)),
        *("-map", "0", "-c", "copy", "-movflags", "+faststart", "-f", "mp4", str(target)),
    ]


def _write_lists(folder: Path, lists: Path, segments: list[Segment]) -> Path:
    """Write a list of the files of each run, and one of those lists. Returns the latter."""
    lines = ["ffconcat version 1.0"]
    for number, run in enumerate(_runs(segments)):
        files = [run[0].init, *(segment.name for segment in run)]
        path = lists / f"{number}.txt"
        path.write_text("".join(f"file:{folder / file}\n" for file in files))
        lines += [f"file 'concatf:{path}'", f"duration {sum(segment.duration for segment in run):.3f}"]
    whole = lists / "whole.txt"
    whole.write_text("\n".join([*lines, ""]))
    return whole


def _runs(segments: list[Segment]) -> list[list[Segment]]:
    runs = [[segments[0]]]
    for before, segment in pairwise(segments):
        if segment.discontinuity or segment.init != before.init:
            runs.append([])
        runs[-1].append(segment)
    return runs
