"""The folder of all pictures (`MEDIA_ROOT`): closed to other users of the machine, and nothing but files is read there.

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

logger = logging.getLogger(__name__)


def keep_folder() -> None:
    """Make the folder of all pictures one that no other user of the machine can enter: some are of private videos.

    A folder that LIVE_MEDIA_DIR names, and that is there already, is not ours to change. Raises `ImproperlyConfigured`
    when it cannot be a folder.
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


def open_regular(path: Path) -> BinaryIO:
    """Open a file to be read. Raises OSError, also for what is no file."""
    # Not to wait for the other end, if it is a pipe.
    file = open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0)  # noqa: SIM115  (the answer closes it)
    if not S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(path)
    return file
