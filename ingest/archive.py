"""Recordings on their way into the bucket: what is recorded goes up while the broadcast goes on, its list comes last.

Made by the desk where there is a bucket, which asks it to `look` again and again, in a thread. A recording is in the
folder, then in both, then in the bucket alone. Its list is moved when all that it names is there, so nobody reads of a
file that is nowhere. Interrupted at any point, the next look goes on: a name never comes again with another content.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.packager.reading import read_recording
from ingest.packager.recording import RECORDING, REPLAY
from ingest.poster import POSTER
from videos.incoming import DOWNLOAD
from web.kept import BucketAway
from web.store import Folder

if TYPE_CHECKING:
    from web.bucket import Bucket, BucketFolder

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""So many files of a video go up side by side."""


class Archive:
    """Moves the recordings of a folder of pictures. One thread at a time calls it."""

    def __init__(self, media: Path, bucket: Bucket) -> None:
        self._media = media
        self._bucket = bucket
        self._there: dict[str, set[str]] = {}
        self._said: set[str] = set()
        self._is_closed = False

    def close(self) -> None:
        """Have a look that goes on end after its next file."""
        self._is_closed = True

    def look(self, open_names: set[str]) -> Mapping[str, frozenset[str]]:
        """Move what there is. Returns which files of each open video are in the bucket: its packager may let them go.

        `open_names`: the folders to which recordings are still written; their lists stay.
        """
        try:
            for folder in [*self._media.iterdir()]:
                if (folder / REPLAY).exists() or (folder / RECORDING).exists():
                    self._move(folder, is_open=folder.name in open_names)
            self._said.discard("")
        except BucketAway as away:
            self._say("", f"recordings wait for their bucket: {away}")
        self._there = {name: there for name, there in self._there.items() if name in open_names}
        return {name: frozenset(there) for name, there in self._there.items()}

    def list_of(self, name: str) -> bytes | None:
        """Return the list of a video's recording, to go on with it: it may be moved meanwhile. Raises BucketAway."""
        folder = Folder(self._media / name, make=False)
        return folder.read(RECORDING) or folder.read(REPLAY) or self._bucket.folder(name).read(REPLAY)

    def _move(self, folder: Path, *, is_open: bool) -> None:
        kept = self._bucket.folder(folder.name)
        there = self._there.get(folder.name)
        if there is None:
            there = self._there[folder.name] = {*kept.sizes()}
        is_growing = (folder / RECORDING).exists() and (is_open or not (folder / REPLAY).exists())
        listed = folder / (RECORDING if is_growing else REPLAY)
        try:
            text = listed.read_bytes()
            segments = read_recording(text.decode())
        except (FileNotFoundError, ValueError) as error:
            self._say(folder.name, f"the recording in {folder} cannot be moved: {error}")
            return
        names = dict.fromkeys(name for segment in segments for name in (segment.init, segment.name))
        self._put(kept, [folder / name for name in names if name not in there], there)
        if self._is_closed or is_open or listed.name != REPLAY:
            return
        if missing := names.keys() - there:
            self._say(folder.name, f"the recording in {folder} stays there: {len(missing)} of its files are missing")
            return
        self._put(kept, [path for path in (folder / POSTER, folder / DOWNLOAD) if path.exists()], there)
        if DOWNLOAD in there and not (folder / DOWNLOAD).exists():
            kept.delete(DOWNLOAD)  # of a broadcast that went on after its end
        kept.write(REPLAY, text)
        Folder(folder, make=False).delete(REPLAY, DOWNLOAD, *names)
        logger.info("the recording of video %s is in the bucket: %d files", folder.name, len(names))

    def _say(self, what: str, words: str) -> None:
        """Log it, once."""
        if what not in self._said:
            logger.warning(words)
        self._said.add(what)

    def _put(self, kept: BucketFolder, paths: list[Path], there: set[str]) -> None:
        """Put files into the bucket, those that are still there."""

        def put(path: Path) -> None:
            if self._is_closed:
                return
            try:
                kept.put(path)
                there.add(path.name)
            except FileNotFoundError:
                logger.debug("%s has gone", path)

        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="archive") as threads:
            for _ in threads.map(put, paths):
                pass
