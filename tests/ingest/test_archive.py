"""Recordings on their way into a bucket, with a packager that writes them and a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.archive import Archive
from ingest.download import make_download
from ingest.packager import Durations
from ingest.packager.reading import read_recording
from tests.buckets import S3Server, s3_server
from tests.ingest.packager.conftest import stream  # noqa: F401  (a fixture)
from tests.ingest.packager.kit import Broadcast
from tests.ingest.packager.streams import frames
from tests.sites import free_port
from web.bucket import Bucket, BucketFolder
from web.store import Folder

VIDEO = "0199a1c2-0000-7000-8000-000000000000"
SHORT = Durations(window=4.0)


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def bucket(server: S3Server) -> Bucket:
    return Bucket(server.new_bucket())


@pytest.fixture
def kept(bucket: Bucket) -> BucketFolder:
    return bucket.folder(VIDEO)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / VIDEO)


def test_a_recording_is_in_the_bucket_alone_when_it_has_been_moved(
    folder: Folder,
    bucket: Bucket,
    kept: BucketFolder,
    stream: bytes,  # noqa: F811
) -> None:
    broadcast = Broadcast(folder, recording=True)
    broadcast.send(stream)
    broadcast.packager.end()
    folder.write("poster.jpg", b"picture")
    before = folder.sizes()
    listed = read_recording((folder.read("replay.m3u8") or b"").decode())
    Archive(folder.path.parent, bucket).look(set())
    names = {"replay.m3u8", *(name for one in listed for name in (one.init, one.name))}
    assert kept.sizes() == {name: before[name] for name in {*names, "poster.jpg"}}
    assert not names & folder.sizes().keys()
    assert folder.read("poster.jpg") == b"picture"


def test_what_a_broadcast_has_recorded_leaves_the_disk_when_nobody_plays_it_live_any_more(
    folder: Folder,
    bucket: Bucket,
    kept: BucketFolder,
    stream: bytes,  # noqa: F811
) -> None:
    broadcast = Broadcast(folder, recording=True, durations=SHORT)
    archive = Archive(folder.path.parent, bucket)
    broadcast.send(stream)
    first = [name for name in folder.sizes() if name.endswith("-0.m4s")]
    broadcast.packager.let_go(archive.look({VIDEO})[VIDEO])
    assert first[0] in kept.sizes()
    assert "replay.m3u8" not in kept.sizes()
    broadcast.send(stream)
    broadcast.packager.let_go(archive.look({VIDEO})[VIDEO])
    broadcast.send(stream)
    broadcast.packager.end()
    archive.look(set())
    assert first[0] not in folder.sizes()
    listed = read_recording((kept.read("replay.m3u8") or b"").decode())
    assert {name for one in listed for name in (one.init, one.name)} <= kept.sizes().keys()
    assert first[0] == listed[0].name


def test_a_broadcast_that_goes_on_after_its_end_adds_to_what_is_in_the_bucket(
    folder: Folder,
    bucket: Bucket,
    kept: BucketFolder,
    stream: bytes,  # noqa: F811
) -> None:
    broadcast = Broadcast(folder, recording=True)
    broadcast.send(stream)
    broadcast.packager.end()
    archive = Archive(folder.path.parent, bucket)
    archive.look(set())
    kept.write("recording.mp4", b"of the first part")
    first = archive.list_of(VIDEO)
    assert first == kept.read("replay.m3u8")
    folder.write("replay.m3u8", first or b"")
    broadcast.restart()
    broadcast.send(stream)
    archive.look({VIDEO})
    broadcast.packager.end()
    archive.look(set())
    listed = read_recording((kept.read("replay.m3u8") or b"").decode())
    assert len(listed) > len(read_recording((first or b"").decode()))
    assert {name for one in listed for name in (one.init, one.name)} <= kept.sizes().keys()
    assert "recording.mp4" not in kept.sizes()
    assert "replay.m3u8" not in folder.sizes()


def test_a_list_is_moved_when_all_that_it_names_is_there(
    folder: Folder,
    bucket: Bucket,
    kept: BucketFolder,
    stream: bytes,  # noqa: F811
) -> None:
    broadcast = Broadcast(folder, recording=True)
    broadcast.send(stream)
    broadcast.packager.end()
    [last] = [name for name in folder.sizes() if name.endswith("-1.m4s")]
    data = folder.read(last) or b""
    folder.delete(last)
    archive = Archive(folder.path.parent, bucket)
    archive.look(set())
    assert "replay.m3u8" not in kept.sizes()
    folder.write(last, data)
    archive.look(set())
    assert "replay.m3u8" in kept.sizes()


def test_a_recording_waits_for_its_bucket(folder: Folder, stream: bytes) -> None:  # noqa: F811
    port = free_port()
    broadcast = Broadcast(folder, recording=True)
    broadcast.send(stream)
    broadcast.packager.end()
    with s3_server(port) as server:
        bucket = Bucket(server.new_bucket())
    Archive(folder.path.parent, bucket).look(set())
    assert folder.read("replay.m3u8") is not None


async def test_a_download_is_made_of_what_is_in_the_bucket(
    folder: Folder,
    bucket: Bucket,
    kept: BucketFolder,
    tmp_path: Path,
    stream: bytes,  # noqa: F811
) -> None:
    broadcast = Broadcast(folder, recording=True)
    broadcast.send(stream)
    broadcast.packager.end()
    Archive(folder.path.parent, bucket).look(set())
    assert await make_download(folder.path, kept, playlist="replay.m3u8", name="recording.mp4")
    kept.fetch("recording.mp4", tmp_path / "recording.mp4")
    assert frames(tmp_path / "recording.mp4") == 8 * 30
    assert [path.name for path in folder.path.iterdir() if path.is_dir()] == []
