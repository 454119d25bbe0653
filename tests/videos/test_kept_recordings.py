"""Recordings that are in a bucket: what a broadcaster and the jobs do with them is done there."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient

from accounts.models import Viewer
from accounts.tokens import issue_token
from realtime.log.threads import backend_threads
from tests.buckets import S3Server, s3_server
from tests.sites import free_port
from tests.videos.acts import Stage
from tests.videos.test_recordings import BEGAN_MS, ended, listed
from videos import broadcasts, incoming, removal
from videos.cleaning import clear_pictures, clear_recordings
from videos.keys import key_of
from videos.recorded import read_recorded
from videos.recordings import delete_recording, recording_of, trim_recording
from web.bucket import Bucket, BucketFolder
from web.refusals import Conflict


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture
def folder(stage: Stage, settings: Any, tmp_path: Path) -> Path:
    """The folder of a video that has ended."""
    settings.MEDIA_ROOT = tmp_path
    found = incoming.find(key_of(stage.owner))
    broadcasts.start_video(stage.video.id, stage.owner)
    incoming.finish(found, has_recording=True)
    folder = tmp_path / str(stage.video.id)
    folder.mkdir()
    (folder / "poster.jpg").write_bytes(b"x")
    return folder


@pytest.fixture
def kept(stage: Stage, folder: Path, server: S3Server, settings: Any) -> BucketFolder:
    """Its recording, in the bucket."""
    settings.LIVE_BUCKET = server.new_bucket()
    kept = Bucket(settings.LIVE_BUCKET).folder(stage.video.id)
    for name in read_recorded(listed()).files:
        kept.write(name, b"x" * 100)
    kept.write("poster.jpg", b"x")
    kept.write("recording.mp4", b"x")
    kept.write("replay.m3u8", listed().encode())
    return kept


def test_it_is_read_trimmed_and_deleted(stage: Stage, kept: BucketFolder) -> None:
    found = recording_of(stage.video.id, stage.owner)
    assert (found.ready, found.seconds, found.bytes) == (True, 12.0, 800)
    assert found.download == f"/media/{stage.video.id}/recording.mp4"
    trim_recording(stage.video.id, stage.owner, from_ms=BEGAN_MS + 3_000, to_ms=BEGAN_MS + 8_000)
    left = read_recorded((kept.read("replay.m3u8") or b"").decode())
    assert left.seconds == 6.0
    assert kept.sizes().keys() == {*left.files, "replay.m3u8", "poster.jpg"}
    delete_recording(stage.video.id, stage.owner)
    assert kept.sizes().keys() == {"poster.jpg"}


def test_it_is_not_trimmed_on_its_way(stage: Stage, folder: Path, kept: BucketFolder) -> None:
    """The longer list would have come after the shorter one."""
    (folder / "replay.m3u8").write_text(listed())
    with pytest.raises(Conflict, match="is being moved"):
        trim_recording(stage.video.id, stage.owner, from_ms=BEGAN_MS, to_ms=BEGAN_MS + 2_000)


def test_it_stays_as_long_as_the_setting_says(stage: Stage, kept: BucketFolder, settings: Any) -> None:
    ended(stage, days_ago=400)
    settings.LIVE_KEEP_SEGMENTS_HOURS = 0
    before = kept.sizes()
    settings.LIVE_RECORDINGS_DAYS = 401
    assert (clear_pictures(), clear_recordings(), kept.sizes()) == (0, 0, before)
    settings.LIVE_RECORDINGS_DAYS = 399
    assert (clear_recordings(), [*kept.sizes()]) == (1, ["poster.jpg"])


async def test_a_bucket_that_is_away_is_not_taken_for_the_database(
    stage: Stage, kept: BucketFolder, settings: Any
) -> None:
    settings.LIVE_BUCKET = dataclasses.replace(settings.LIVE_BUCKET, endpoint=f"http://127.0.0.1:{free_port()}")
    token = await backend_threads.run(issue_token, stage.owner)
    answer = await AsyncClient().get(
        f"/api/v1/videos/{stage.video.id}/recording", headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.json()) == (
        503,
        {"code": "unavailable", "detail": "The picture is on a machine that does not answer."},
    )
    assert answer.headers["Retry-After"] == "1"


def test_what_a_bucket_that_was_away_still_has_is_deleted_later(
    stage: Stage, kept: BucketFolder, settings: Any
) -> None:
    settings.LIVE_KEEP_SEGMENTS_HOURS = 0
    delete_recording(stage.video.id, stage.owner)
    kept.write("1790000000000-1.m4s", b"came late")
    ended(stage, days_ago=1)
    assert clear_pictures() == 1
    assert [*kept.sizes()] == ["poster.jpg"]


def test_nothing_of_a_deleted_video_stays(stage: Stage, kept: BucketFolder) -> None:
    removal.delete_video(stage.video.id, Viewer.objects.create_superuser("root"))
    assert kept.sizes() == {}
    kept.write("1790000000000-1.m4s", b"came late")
    assert clear_pictures() == 1
    assert kept.sizes() == {}
