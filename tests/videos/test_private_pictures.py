"""Who gets the files of a private video's picture, and for how long after the right is taken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import AsyncClient

from accounts.models import Viewer
from realtime.log.threads import backend_threads
from tests.kit import HANG_SECONDS
from tests.videos.acts import Stage, allow
from videos import broadcasts, views

run = backend_threads.run
NAMES = ("live.m3u8", "1790000000000-0.m4s", "1790000000000_0.m4s", "recording.mp4", "poster.jpg")


@pytest.fixture
def folder(stage: Stage, settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    folder = tmp_path / str(stage.video.id)
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(b"#EXTM3U\n")
    return folder


async def answers(folder: Path, viewer: Viewer | None) -> set[int]:
    """Return with what the files are answered."""
    client = AsyncClient()
    if viewer is not None:
        await client.aforce_login(viewer)
    found = set()
    for name in NAMES:
        response = await client.get(f"/media/{folder.name}/{name}")
        found.add(response.status_code)
        if (file := getattr(response, "file", None)) is not None:
            file.close()
    return found


async def test_a_video_made_private_is_gone_within_seconds(
    stage: Stage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert views.OPEN_SECONDS <= 5
    monkeypatch.setattr(views, "OPEN_SECONDS", 0.5)
    assert await answers(folder, None) == {200}
    await run(broadcasts.update_video, stage.video.id, stage.owner, visibility="private")
    async with asyncio.timeout(HANG_SECONDS):
        while await answers(folder, None) != {404}:
            await asyncio.sleep(0.05)
    assert await answers(folder, stage.viewers[0]) == {404}
    assert await answers(folder, stage.owner) == {200}


async def test_a_right_that_is_taken_ends_at_once(stage: Stage, folder: Path) -> None:
    viewer = stage.viewers[0]
    await run(broadcasts.update_video, stage.video.id, stage.owner, visibility="private")
    await run(allow, viewer, "view_video")
    assert await answers(folder, viewer) == {200}
    permission = await Permission.objects.aget(codename="view_video", content_type__app_label="videos")
    await viewer.user_permissions.aremove(permission)
    assert await answers(folder, viewer) == {404}


async def test_a_recording_is_kept_under_the_title_of_its_video(folder: Path, stage: Stage) -> None:
    """Each was named recording.mp4 (RFC 6266)."""
    await run(broadcasts.update_video, stage.video.id, stage.owner, title="Über / den See")
    response = await AsyncClient().get(f"/media/{folder.name}/recording.mp4")
    response.file.close()  # type: ignore[attr-defined]
    assert response.headers["Content-Disposition"] == "attachment; filename*=utf-8''%C3%9Cber%20den%20See.mp4"
    response = await AsyncClient().get(f"/media/{folder.name}/live.m3u8")
    assert "Content-Disposition" not in response.headers
