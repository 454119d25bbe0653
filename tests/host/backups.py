"""A backup without a site: what the tests of the file's format and of restore write and read."""

from __future__ import annotations

from pathlib import Path

from host import archive
from host.archive import BackupWriter, Manifest

MANIFEST = Manifest(1, "0.1.0", "2026-11-29T08:00:00+00:00", 18, 18, {"videos": ["0001_initial"]})
PICTURES = {"media/a/7.ts": b"seven" * 9_000, "media/a/poster.jpg": b"poster", "media/b/live.m3u8": b""}


def written(path: Path, manifest: Manifest = MANIFEST) -> Path:
    with path.open("wb") as file, BackupWriter(file, manifest) as writer:
        writer.add(archive.DATABASE, b"PGDMP" * 1_000)
        writer.add(archive.SECRET_KEY, b"k" * 50)
        for name, data in PICTURES.items():
            writer.add(name, data)
    return path
