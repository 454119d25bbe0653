"""The folder of all pictures (`MEDIA_ROOT`). It is closed to other users of the machine, and only files are read there.

Called by the processes that serve pictures or put them into a backup.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from realtime.log.store import StoreUnavailable

logger = logging.getLogger(__name__)


class MediaAway(StoreUnavailable):
    """A machine that has pictures does not answer."""


def keep_folder() -> None:
    """Make the folder of all pictures. No other user of the machine can enter it, because some are of private videos.

    If LIVE_MEDIA_DIR names a folder that exists already, its mode stays. Raises `ImproperlyConfigured` if there cannot
    be such a folder.
    """
    folder = Path(settings.MEDIA_ROOT)
    is_new = not folder.exists()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(f"LIVE_MEDIA_DIR: {folder} cannot be a folder: {error.strerror}") from error
    try:
        if is_new or folder == settings.DATA_DIR / "media":
            folder.chmod(0o700)
    except OSError as error:
        logger.warning("%s cannot be kept from other users: %s", folder, error.strerror)


def folder_of(video_id: object) -> Path:
    """Return the folder of a video's pictures."""
    return Path(settings.MEDIA_ROOT) / str(video_id)


def free_bytes(folder: Path) -> int:
    """Return how much room there is in a folder. Asks the disk, which may take a while. Raises OSError."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read it. Raises OSError, also for a path that is no file."""
    # Without this, opening a pipe would wait for its other end.
    file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)  # noqa: SIM115  (the answer closes it)
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(path)
    return file
