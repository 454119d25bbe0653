"""The picture of a person: sent, shown to everybody, taken away."""

from __future__ import annotations

import asyncio
import struct
import subprocess
from typing import Any

import pytest
from django.test import Client

from accounts import removal
from accounts.models import Portrait, Viewer
from accounts.tokens import issue_token
from realtime.events import Durable
from tests.videos.acts import Stage
from videos import likes
from web.ffmpeg import ffmpeg

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture(scope="module")
def png() -> bytes:
    source = ("-f", "lavfi", "-i", "testsrc=size=40x20", "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "pipe:1")
    return subprocess.run([ffmpeg(), "-loglevel", "error", *source], capture_output=True, check=True).stdout


def call(method: str, who: Viewer, data: bytes = b"", kind: str = "image/png") -> Any:
    return Client().generic(
        method, "/api/v1/me/portrait", data, kind, headers={"Authorization": f"Bearer {issue_token(who)}"}
    )


def size_of(jpeg: bytes) -> tuple[int, int]:
    at = jpeg.index(b"\xff\xc0")
    height, width = struct.unpack(">2H", jpeg[at + 5 : at + 9])
    return width, height


@pytest.fixture
def owner(stage: Stage) -> Viewer:
    Viewer.objects.filter(pk=stage.owner.pk).update(is_guest=False, username="nadia")
    stage.owner.refresh_from_db()
    return stage.owner


def test_picture_is_made_square_and_shown(owner: Viewer, png: bytes) -> None:
    path = call("PUT", owner, png).json()["path"]
    seen = Client().get(path)
    assert (seen.headers["Content-Type"], size_of(seen.content)) == ("image/jpeg", (256, 256))
    channel = Client().get(f"/channels/{owner.pk}/", follow=True).content.decode()
    assert f'src="{path}"' in channel
    mine = Client()
    mine.force_login(owner)
    assert f'src="{path}"' in mine.get("/accounts/").content.decode()
    assert call("DELETE", owner).status_code == 204
    assert Client().get(path).status_code == 404


def test_what_is_not_there_is_taken_away_without_news(stage: Stage, owner: Viewer, png: bytes) -> None:
    """Each time, all who saw the person would have heard of it."""
    asyncio.run(likes.comment(stage.video.id, owner, "Hello"))
    call("PUT", owner, png)
    heard = []
    for _ in range(2):
        assert call("DELETE", owner).status_code == 204
        heard.append([event.name for event in stage.events if isinstance(event, Durable)])
    assert heard == [["comment", "author", "author"]] * 2


def test_what_is_no_picture_is_refused(owner: Viewer, png: bytes) -> None:
    assert call("PUT", owner, png[:60]).json()["code"] == "bad_picture"
    assert call("PUT", owner, b"<svg/>").json()["code"] == "bad_picture"
    assert call("PUT", owner, png, "image/gif").status_code == 415
    assert not Portrait.objects.exists()


def test_guest_has_no_picture_and_it_goes_with_the_account(stage: Stage, owner: Viewer, png: bytes) -> None:
    assert call("PUT", stage.viewers[0], png).status_code == 403
    path = call("PUT", owner, png).json()["path"]
    removal.ask_for_erasure(owner)
    assert Client().get(path).status_code == 404, "at once"
    assert removal.erase_next()
    assert not Portrait.objects.exists()
