"""The file of a backup: what is written is read; a file that is not whole, or has something else in it, is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from host import archive
from host.archive import BackupReader, Manifest
from host.errors import Unusable
from tests.host.backups import MANIFEST, PICTURES, written


def test_what_was_written_is_read(tmp_path: Path) -> None:
    with BackupReader(written(tmp_path / "site.tar")) as read:
        assert read.manifest == MANIFEST
        assert read.open(archive.SECRET_KEY).read() == b"k" * 50
        assert read.take_media(tmp_path / "media") == len(PICTURES)
    assert {f"media/{path.relative_to(tmp_path / 'media')}" for path in (tmp_path / "media").glob("*/*")} == {*PICTURES}
    assert (tmp_path / "media/a/7.ts").read_bytes() == PICTURES["media/a/7.ts"]


def test_file_that_was_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "site.tar").read_bytes()
    # Behind the sums come empty blocks only.
    end = whole.rindex(b"sums.json") + 1024
    cut = tmp_path / "cut.tar"
    for length in range(0, end, 2_039):
        cut.write_bytes(whole[:length])
        with pytest.raises(Unusable, match=f"^{cut} is no backup, or not a whole one"):
            BackupReader(cut)


@pytest.mark.parametrize("spoiled", [b"PGDMP", b"seven", b"kkkk", b"poster.jpg", b"0001_initial"])
def test_file_that_was_spoiled_is_refused(tmp_path: Path, spoiled: bytes) -> None:
    path = written(tmp_path / "site.tar")
    path.write_bytes(path.read_bytes().replace(spoiled, spoiled[:-1] + b"!", 1))
    with pytest.raises(Unusable, match="not a whole one"):
        BackupReader(path)


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


@pytest.mark.parametrize(
    "foreign",
    [
        member("media/../../evil"),
        member("/etc/cron.d/evil"),
        member("media//etc/evil"),
        member("media/.restored/evil"),
        member("media/a/7.ts"),
        member("evil"),
        member("media/a/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("media/a/link", tarfile.LNKTYPE, "secret_key"),
        member("media/a/pipe", tarfile.FIFOTYPE),
        member("media/a", tarfile.DIRTYPE),
    ],
    ids=lambda made: f"{made.name} {made.type!r}",
)
def test_file_with_something_else_in_it_is_refused(tmp_path: Path, foreign: tarfile.TarInfo) -> None:
    path = written(tmp_path / "site.tar")
    with tarfile.open(path, "a") as tar:
        tar.addfile(foreign, io.BytesIO())
    with pytest.raises(Unusable, match="not a whole one: it has something else in it"):
        BackupReader(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 10_240])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "site.tar"
    with pytest.raises(Unusable, match=f"^{path} cannot be read: No such file"):
        BackupReader(path)
    path.write_bytes(content)
    with pytest.raises(Unusable, match="not a whole one"):
        BackupReader(path)


def test_newer_file_is_refused_by_its_release(tmp_path: Path) -> None:
    newer = Manifest(archive.FORMAT + 1, "7.0", "2031", 25, 25, {})
    with pytest.raises(Unusable, match=r"made by a newer release, 7\.0$"):
        BackupReader(written(tmp_path / "site.tar", newer))


def test_half_hidden_and_foreign_files_are_no_pictures(tmp_path: Path) -> None:
    for name in ("a/1.ts", "a/2.ts.tmp", "a/.hidden", ".restored/a/1.ts"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a/link.ts").symlink_to("/etc/passwd")
    assert [name for name, _ in archive.walk(tmp_path)] == ["media/a/1.ts"]
