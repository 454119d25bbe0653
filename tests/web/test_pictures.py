"""The folder of pictures: closed to others, and nothing but files is read there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from web.pictures import keep_folder, open_regular


def test_what_is_no_file_is_missing(tmp_path: Path) -> None:
    """A pipe would have held a thread for ever."""
    os.mkfifo(tmp_path / "1.ts")
    (tmp_path / "2.ts").mkdir()
    for name in ("1.ts", "2.ts", "3.ts"):
        with pytest.raises(OSError):
            open_regular(tmp_path / name)


@pytest.mark.parametrize(
    ("named", "before", "after"),
    [("", None, 0o700), ("", 0o755, 0o700), ("pictures/live", None, 0o700), ("pictures", 0o755, 0o755)],
)
def test_pictures_are_kept_from_other_users_of_the_machine(
    settings: Any, tmp_path: Path, named: str, before: int | None, after: int
) -> None:
    """Some are of private videos. The folder was 0755. One that the operator has made and named stays as it is."""
    settings.DATA_DIR = tmp_path
    folder = settings.MEDIA_ROOT = tmp_path / (named or "media")
    if before is not None:
        folder.mkdir(mode=before)
    keep_folder()
    assert folder.stat().st_mode & 0o777 == after


@pytest.mark.parametrize("named", ["/etc/passwd", "/etc/passwd/live", "/proc/live"])
def test_pictures_are_in_a_folder_that_can_be_had(settings: Any, named: str) -> None:
    """A site started with any of these, said that it was ready, and had no picture for anybody."""
    settings.MEDIA_ROOT = Path(named)
    with pytest.raises(ImproperlyConfigured, match=f"^LIVE_MEDIA_DIR: {named} cannot be a folder: "):
        keep_folder()
