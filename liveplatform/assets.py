"""The addresses of static files. Each names the version of all of them, so that a browser keeps them for good.

One version for all, and not one for each file: scripts name each other by where they lie, and must fit together.
`/static/v-0123456789ab/js/hub.js` is `/static/js/hub.js` of that version.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator

from django.contrib.staticfiles.finders import get_finders
from django.contrib.staticfiles.storage import StaticFilesStorage

PREFIX = "v-"


def files() -> Iterator[tuple[str, str]]:
    """Find all static files: the path below STATIC_URL, and where the file lies."""
    for finder in get_finders():
        for path, storage in finder.list([]):
            yield path, storage.path(path)


@functools.cache
def version() -> str:
    """Return what is another one when any file has changed, as one part of a path."""
    found = hashlib.sha256()
    for path, file in sorted(files()):
        with open(file, "rb") as opened:
            found.update(f"{path}\n{hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
    return PREFIX + found.hexdigest()[:12]


def unversioned(path: str) -> tuple[str, str]:
    """Return a path below STATIC_URL without the version that it names, and that version; "" if it names none."""
    first, slash, rest = path.partition("/")
    return (rest, first) if slash and first.startswith(PREFIX) else (path, "")


class VersionedStorage(StaticFilesStorage):
    """Gives the tag `static` the addresses of this version."""

    def url(self, name: str | None) -> str:
        return super().url(f"{version()}/{name}")
