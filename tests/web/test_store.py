"""A folder whose files are seen whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from web.store import Folder, StoreFull


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "media" / "video")


def test_what_is_written_is_read_and_listed(folder: Folder) -> None:
    folder.write("live.m3u8", b"one")
    folder.write("live.m3u8", b"two")
    assert folder.read("live.m3u8") == b"two"
    assert folder.sizes() == {"live.m3u8": 3}


def test_what_is_not_there_is_nothing(folder: Folder) -> None:
    assert folder.read("live.m3u8") is None
    folder.delete("live.m3u8")


def test_what_is_deleted_is_gone(folder: Folder) -> None:
    folder.write("live.m3u8", b"one")
    folder.delete("live.m3u8")
    assert folder.sizes() == {}


def test_a_full_disk_leaves_the_older_file_and_says_so(folder: Folder, tmp_path: Path) -> None:
    """The device says that it is full, as a disk does."""
    folder.write("live.m3u8", b"one")
    (tmp_path / "media" / "video" / ".writing").symlink_to("/dev/full")
    with pytest.raises(StoreFull, match=r"There is no room for live\.m3u8 \(3 bytes\)\."):
        folder.write("live.m3u8", b"two")
    assert folder.read("live.m3u8") == b"one"
    folder.write("live.m3u8", b"two")
    assert folder.read("live.m3u8") == b"two"


def test_a_folder_that_was_deleted_is_no_full_disk(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "media" / "video").rmdir()
    with pytest.raises(FileNotFoundError):
        folder.write("live.m3u8", b"one")
