"""Files of videos in a bucket, on a real S3 server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.buckets import S3Server, s3_server
from tests.sites import free_port
from web.bucket import Bucket
from web.kept import BucketAway, check_bucket, kept_files
from web.store import BucketAddress

VIDEO = "0199a1c2-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def address(server: S3Server) -> BucketAddress:
    return server.new_bucket()


@pytest.fixture
def bucket(address: BucketAddress) -> Bucket:
    return Bucket(address)


def test_what_is_written_is_read_and_listed(bucket: Bucket, tmp_path: Path) -> None:
    folder = bucket.folder(VIDEO)
    assert (folder.read("replay.m3u8"), folder.sizes(), bucket.folders()) == (None, {}, [])
    folder.write("replay.m3u8", b"one")
    folder.write("replay.m3u8", b"three")
    (tmp_path / "recording.mp4").write_bytes(b"x" * 12_000_000)  # several pieces
    folder.put(tmp_path / "recording.mp4")
    assert folder.read("replay.m3u8") == b"three"
    assert folder.sizes() == {"replay.m3u8": 5, "recording.mp4": 12_000_000}
    assert bucket.folders() == [VIDEO]
    folder.fetch("recording.mp4", tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"x" * 12_000_000


def test_what_is_deleted_is_gone(bucket: Bucket) -> None:
    folder = bucket.folder(VIDEO)
    for name in ("1790000000000-0.m4s", "1790000000000-1.m4s", "poster.jpg"):
        folder.write(name, b"x")
    folder.delete("1790000000000-0.m4s", "1790000000000-1.m4s", "never.m4s")
    assert folder.sizes() == {"poster.jpg": 1}


async def test_a_part_of_a_file_is_read(bucket: Bucket) -> None:
    bucket.folder(VIDEO).write("recording.mp4", b"0123456789")

    async def part(start: int, end: int | None) -> tuple[int, bytes]:
        async with bucket.open(VIDEO, "recording.mp4", start=start, end=end) as opened:
            assert opened is not None and opened.changed_ns > 0
            return opened.size, b"".join([bytes(piece) async for piece in opened.pieces])

    assert await part(0, None) == (10, b"0123456789")
    assert await part(4, None) == (10, b"456789")
    assert await part(4, 6) == (10, b"45")
    async with bucket.open(VIDEO, "none.mp4") as opened:
        assert opened is None


def test_the_settings_are_checked_at_the_start(address: BucketAddress, settings: Any) -> None:
    settings.LIVE_BUCKET = address
    check_bucket()
    settings.LIVE_BUCKET = dataclasses.replace(address, name="there-is-none")
    with pytest.raises(ImproperlyConfigured, match=r"^LIVE_MEDIA_STORAGE: .* 404 Not Found"):
        check_bucket()


def test_a_server_that_is_away_is_no_reason_not_to_start(address: BucketAddress, settings: Any) -> None:
    """The live pictures need no bucket."""
    settings.LIVE_BUCKET = dataclasses.replace(address, endpoint=f"http://127.0.0.1:{free_port()}")
    check_bucket()
    with pytest.raises(BucketAway):
        kept_files(VIDEO).sizes()
