"""The picture of a video for its card: which files are taken, and when it is shown."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import AsyncClient
from imageio_ffmpeg import get_ffmpeg_exe

from accounts.models import Viewer
from accounts.tokens import issue_token
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos.thumbnails import SIZE, picture_urls, remove_thumbnail

run = backend_threads.run
ENCODERS = {"image/jpeg": "mjpeg", "image/png": "png", "image/webp": "libwebp"}


def drawn(kind: str, size: str = "320x200", *options: str) -> bytes:
    source = ("-f", "lavfi", "-i", f"color=red:s={size}", "-frames:v", "1", "-c:v", ENCODERS[kind], *options)
    command = [get_ffmpeg_exe(), "-nostdin", "-v", "error", *source, "-f", "image2pipe", "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


@pytest.fixture
def media(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


async def put(stage: Stage, kind: str, body: bytes, person: Viewer | None = None) -> Any:
    token = await run(issue_token, person or stage.owner)
    return await AsyncClient().generic(
        "PUT", f"/api/v1/videos/{stage.video.id}/thumbnail", body, kind, headers={"Authorization": f"Bearer {token}"}
    )


@pytest.mark.parametrize("kind", ENCODERS)
async def test_a_picture_is_made_one_of_our_size(stage: Stage, media: Path, kind: str) -> None:
    answer = await put(stage, kind, drawn(kind))
    path = answer.json()["path"]
    assert (answer.status_code, path.partition("?")[0]) == (200, f"/media/{stage.video.id}/thumbnail.jpg")
    kept = media / str(stage.video.id) / "thumbnail.jpg"
    found = subprocess.run([get_ffmpeg_exe(), "-i", kept], capture_output=True, text=True).stderr
    assert re.search(rf"Video: mjpeg.* {SIZE[0]}x{SIZE[1]}", found)
    assert kept.parent.joinpath("thumbnail.tmp").exists() is False


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("image/jpeg", b"\xff\xd8\xff" + b"no picture" * 50, 422),
        ("image/png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", 422),
        ("image/webp", b"RIFF\x00\x00\x00\x00WEBP", 422),
        ("image/gif", b"GIF89a", 415),
        ("image/svg+xml", b"<svg/>", 415),
        ("application/json", b"{}", 415),
        ("", b"", 415),
    ],
)
async def test_what_is_no_picture_is_refused(stage: Stage, media: Path, kind: str, body: bytes, status: int) -> None:
    answer = await put(stage, kind, body)
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "detail"}
    assert list(media.iterdir()) == []


async def test_a_picture_of_another_kind_than_it_says_is_refused(stage: Stage, media: Path) -> None:
    assert (await put(stage, "image/png", drawn("image/jpeg"))).status_code == 422


async def test_a_small_file_that_is_a_huge_picture_is_refused(stage: Stage, media: Path) -> None:
    """It would have taken 400 MB."""
    bomb = drawn("image/png", "10000x10000", "-pix_fmt", "monob")
    assert len(bomb) < 60_000
    assert (await put(stage, "image/png", bomb)).status_code == 422


async def test_only_its_broadcaster_chooses_it(stage: Stage, media: Path) -> None:
    assert (await put(stage, "image/png", drawn("image/png"), stage.viewers[0])).status_code == 403
    assert list(media.iterdir()) == []


def shown(id: str, status: str) -> str:
    """Return the picture of a video in this status, "" for none."""
    return picture_urls([{"id": id, "status": status, "playlist": ""}]).get(id, "")


def test_while_it_is_live_the_stream_shows_what_there_is(stage: Stage, media: Path) -> None:
    """Before and after, it is what the broadcaster chose."""
    id = str(stage.video.id)
    (media / id).mkdir()
    assert shown(id, "upcoming") == ""
    for number, name in enumerate(("poster.jpg", "thumbnail.jpg")):
        (media / id / name).write_bytes(b"x")
        os.utime(media / id / name, (number, number))
    assert shown(id, "live") == f"/media/{id}/poster.jpg?t=0"
    for status in ("upcoming", "ended"):
        assert shown(id, status) == f"/media/{id}/thumbnail.jpg?t=1"
    remove_thumbnail(stage.video.id)
    assert shown(id, "ended") == f"/media/{id}/poster.jpg?t=0"
