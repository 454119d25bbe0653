"""What the periodic jobs delete of pictures, and what they leave alone."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.guests import create_guest
from accounts.models import Viewer
from accounts.tasks import forget_guests, forget_sessions
from liveplatform.celery import app
from realtime import tasks as platform_tasks  # noqa: F401  (makes its jobs known)
from videos import broadcasts, removal
from videos.models import Video
from videos.tasks import clear_pictures

pytestmark = pytest.mark.django_db

SEGMENTS = {"live.m3u8", "7.ts", "init.mp4", "8.m4s", "9.ts.tmp"}


def video_of(owner: Viewer, **fields: Any) -> Video:
    return Video.objects.create(owner=owner, title="A video", **fields)


@pytest.fixture
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


def pictures_of(media: Path, video: Video, *, hours_old: float = 30) -> Path:
    folder = media / str(video.id)
    folder.mkdir(parents=True)
    at = time.time() - hours_old * 3600
    for name in (*SEGMENTS, "poster.jpg", "notes.txt"):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (at, at))
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_old_segments_of_ended_videos_go_and_nothing_else(media: Path) -> None:
    """Nothing ever removed them: disks filled. The poster stays, for the page of recent videos shows it."""
    now, owner = timezone.now(), create_guest("Owner")
    ended = {"status": "ended", "started_at": now}
    over = pictures_of(media, video_of(owner, **ended, ended_at=now - timedelta(hours=25)))
    kept = [
        pictures_of(media, video_of(owner, **ended, ended_at=now - timedelta(hours=23))),
        pictures_of(media, video_of(owner, **ended, ended_at=now - timedelta(hours=25)), hours_old=1),
        pictures_of(media, video_of(owner, status="live", started_at=now - timedelta(days=2))),
        pictures_of(media, video_of(owner, status="upcoming")),
        pictures_of(media, Video(owner=owner)),
    ]
    shared = video_of(owner, **ended, ended_at=now - timedelta(hours=25))
    kept.append(pictures_of(media, shared))
    video_of(owner, status="live", started_at=now, playlist=f"/media/{shared.id}/live.m3u8")
    (media / "not-a-video").mkdir()
    assert clear_pictures() == len(SEGMENTS)
    assert names(over) == {"poster.jpg", "notes.txt"}
    assert [names(folder) for folder in kept] == [{*SEGMENTS, "poster.jpg", "notes.txt"}] * len(kept)
    assert (media / "not-a-video").exists()


def test_segments_are_kept_for_as_long_as_the_setting_says(media: Path, settings: Any) -> None:
    now = timezone.now()
    video = video_of(create_guest("Owner"), status="ended", started_at=now, ended_at=now - timedelta(seconds=1))
    folder = pictures_of(media, video, hours_old=0.01)
    assert clear_pictures() == 0
    settings.LIVE_KEEP_SEGMENTS_HOURS = 0
    assert clear_pictures() == len(SEGMENTS)
    assert names(folder) == {"poster.jpg", "notes.txt"}


def test_deleted_video_takes_its_pictures_along_everywhere(
    media: Path, django_capture_on_commit_callbacks: Any
) -> None:
    """31 files of a deleted video stayed for ever. Other machines and regions may have a folder of it, too."""
    staff = Viewer.objects.create_superuser("root")
    video = broadcasts.create_video(staff, title="A video")
    folder = pictures_of(media, video)
    with django_capture_on_commit_callbacks(execute=True):
        removal.delete_video(video.id, staff)
    assert not folder.exists()
    pictures_of(media, video)
    assert clear_pictures() == 1
    assert not folder.exists()


def run_all_jobs() -> None:
    """Run what beat runs."""
    app.loader.import_default_modules()
    for entry in app.conf.beat_schedule.values():
        app.tasks[entry["task"]]()


def test_all_jobs_of_the_schedule_run_with_nothing_to_do(media: Path) -> None:
    run_all_jobs()
    assert clear_pictures() == forget_guests() == forget_sessions() == 0
