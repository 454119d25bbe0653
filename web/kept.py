"""Where the files of a video are kept, by the settings: in its folder, and recordings in the bucket, if there is one.

Called by what reads, trims and deletes recordings, and by the jobs. Everything live is in the folder of the ingest; a
recording leaves it for the bucket (ingest.archive), so for a while it may be in both, and its list is moved last.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from web.pictures import MediaAway, folder_of
from web.store import BucketAddress, Folder

if TYPE_CHECKING:
    from web.bucket import Bucket, BucketFolder

logger = logging.getLogger(__name__)


class BucketAway(MediaAway):
    """The bucket does not answer, or does not let us in. The text says which."""


class BucketRefuses(BucketAway):
    """It answers, and does not let us in, or there is no such bucket: the settings are wrong."""


@functools.cache
def _bucket_at(address: BucketAddress) -> Bucket:
    from web.bucket import Bucket  # a large library, for those who use it

    return Bucket(address)


def bucket() -> Bucket | None:
    """Return the bucket of the recordings; None when they stay in the folder."""
    address: BucketAddress | None = settings.LIVE_BUCKET
    return None if address is None else _bucket_at(address)


def check_bucket() -> None:
    """Raises ImproperlyConfigured when the bucket does not let us in. One that is away may come back."""
    try:
        if (found := bucket()) is not None:
            found.check()
    except BucketRefuses as refused:
        raise ImproperlyConfigured(
            f"LIVE_MEDIA_STORAGE: there is no such bucket, or it does not let us in: {refused}"
        ) from refused
    except BucketAway as away:
        logger.warning("recordings cannot be moved into their bucket: %s", away)


class KeptFiles:
    """The files of one video, wherever they are: a MediaStore. Raises BucketAway, OSError."""

    def __init__(self, folder: Folder, kept: BucketFolder | None) -> None:
        self._folder = folder
        self._kept = kept

    def write(self, name: str, data: bytes) -> None:
        """Keep a file where recordings stay."""
        (self._kept or self._folder).write(name, data)

    def read(self, name: str) -> bytes | None:
        found = self._folder.read(name)
        return self._kept.read(name) if found is None and self._kept is not None else found

    def delete(self, *names: str) -> None:
        self._folder.delete(*names)
        if self._kept is not None and names:
            self._kept.delete(*names)

    def sizes(self) -> dict[str, int]:
        return {**(self._kept.sizes() if self._kept is not None else {}), **self._folder.sizes()}

    def is_to_move(self, name: str) -> bool:
        """Whether the file is in the folder, and on its way into the bucket: nobody else may change it now."""
        return self._kept is not None and self._folder.read(name) is not None


def kept_files(video_id: object) -> KeptFiles:
    """Return the files of a video."""
    found = bucket()
    folder = Folder(folder_of(video_id), make=False)
    return KeptFiles(folder, found.folder(video_id) if found is not None else None)
