"""The bucket: recordings on an S3-compatible server, by video and name.

Made by web.kept from the settings. The ingest writes to it (ingest.archive), the API and the jobs read and delete
there, and nodes fetch from it what they do not have (videos.elsewhere). A file is seen whole: the server shows an
upload when it is complete. Live parts never go there: a write takes tens of milliseconds and costs money each, and
players ask for five parts a second.
Source: obstore's documentation; Amazon S3 API reference (DeleteObjects takes 1,000 keys).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from web.kept import BucketAway, BucketRefuses
from web.store import BucketAddress, OpenedFile

T = TypeVar("T")
CONNECT_SECONDS = 3
# A recording made one file goes up as one upload of many requests; each of them has this long.
REQUEST_SECONDS = 60
RETRIES, RETRY_SECONDS = 2, 10
DELETED_AT_ONCE = 1_000
PIECE_BYTES = 256 * 1024
# What the library says of lists only in words: another region, no rights, no such bucket.
_REFUSALS = re.compile(r"status code: (?:30[17]|40[0134])\b")


class Bucket:
    """All recordings. Methods raise BucketAway, and wait for the network: call them in a thread."""

    def __init__(self, address: BucketAddress) -> None:
        given = {
            "endpoint": address.endpoint,
            "region": address.region,
            "access_key_id": address.key,
            "secret_access_key": address.secret,
        }
        self.store = S3Store(
            address.name,
            prefix=address.prefix or None,
            config={name: value for name, value in given.items() if value},  # type: ignore[arg-type]
            client_options={
                "allow_http": address.endpoint.startswith("http:"),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=REQUEST_SECONDS),
            },
            retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        )

    def check(self) -> None:
        """Raises BucketRefuses if the settings are wrong, BucketAway if the server cannot be reached."""
        with _away():
            for _ in self.store.list(chunk_size=1):
                break

    def folders(self) -> list[str]:
        """Return the names of all folders: the ids of the videos of which something is kept."""
        with _away():
            found = self.store.list_with_delimiter()
        return [prefix.strip("/") for prefix in found["common_prefixes"]]

    def folder(self, name: object) -> BucketFolder:
        return BucketFolder(self.store, str(name))

    @asynccontextmanager
    async def open(
        self, video_id: str, name: str, *, query: str = "", start: int = 0, end: int | None = None
    ) -> AsyncIterator[OpenedFile | None]:
        """Open a file, or a part of it, on the event loop: a source of nodes (videos.sources). None: there is none."""
        part: dict[str, Any] = {}
        if end is not None:
            part = {"range": (start, end)}
        elif start:
            part = {"range": {"offset": start}}
        with _away():
            try:
                found = await self.store.get_async(f"{video_id}/{name}", options=part)  # type: ignore[arg-type]
            except FileNotFoundError:
                yield None
                return
            meta = found.meta
            changed_ns = int(meta["last_modified"].timestamp()) * 1_000_000_000
            yield OpenedFile(meta["size"], changed_ns, found.stream(PIECE_BYTES))


class BucketFolder:
    """The files of one video in the bucket: a MediaStore. Raises BucketAway."""

    def __init__(self, store: S3Store, name: str) -> None:
        self._store = store
        self._name = name

    def write(self, name: str, data: bytes) -> None:
        self._do(lambda: self._store.put(self._path(name), data))

    def put(self, path: Path) -> None:
        """Keep a file of this machine under its name, a long one in several pieces."""
        self._do(lambda: self._store.put(self._path(path.name), path))

    def read(self, name: str) -> bytes | None:
        try:
            return self._do(lambda: bytes(self._store.get(self._path(name)).bytes()))
        except FileNotFoundError:
            return None

    def fetch(self, name: str, path: Path) -> None:
        """Write a file to a path of this machine, a piece at a time. Raises FileNotFoundError, OSError."""
        with path.open("wb") as file:
            self._do(lambda: [file.write(piece) for piece in self._store.get(self._path(name)).stream(PIECE_BYTES)])

    def delete(self, *names: str) -> None:
        paths = [self._path(name) for name in names]
        for start in range(0, len(paths), DELETED_AT_ONCE):
            some = paths[start : start + DELETED_AT_ONCE]
            self._do(lambda some=some: self._store.delete(some))  # type: ignore[misc]

    def sizes(self) -> dict[str, int]:
        def listed() -> dict[str, int]:
            pages = self._store.list(f"{self._name}/", chunk_size=1_000)
            return {one["path"].rpartition("/")[2]: one["size"] for page in pages for one in page}

        return self._do(listed)

    def _path(self, name: str) -> str:
        return f"{self._name}/{name}"

    def _do(self, act: Callable[[], T]) -> T:
        with _away():
            return act()


@contextmanager
def _away() -> Iterator[None]:
    """Raise BucketAway for what a server says against it. A file that is not there is FileNotFoundError."""
    try:
        yield
    except BaseError as error:
        is_ours = isinstance(error, PermissionDeniedError | UnauthenticatedError) or _REFUSALS.search(str(error))
        raise (BucketRefuses if is_ours else BucketAway)(_words(error)) from error


def _words(error: BaseError) -> str:
    """Return the first line of the error: what follows is how it came about inside the library."""
    return str(error).strip().partition("\n")[0][:300]
