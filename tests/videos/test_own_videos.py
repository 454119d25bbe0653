"""A broadcaster's own videos in the API: the list of them, and how one is deleted for good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.test import AsyncClient

from accounts.models import Viewer
from accounts.tokens import issue_token
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos import broadcasts, likes
from videos.models import Comment, DeletedVideo, Video

run = backend_threads.run


async def call(method: str, path: str, person: Viewer | None) -> Any:
    """Call the API as somebody."""
    headers = {"Authorization": f"Bearer {await run(issue_token, person)}"} if person else {}
    return await AsyncClient().generic(method, f"/api/v1{path}", headers=headers)


async def test_a_broadcaster_has_a_list_of_all_their_videos(stage: Stage) -> None:
    """The studio read its whole page again to find a video that an encoder had opened."""
    made = [stage.video.id]
    for visibility in ("private", "unlisted"):
        video = await run(broadcasts.create_video, stage.owner, title=visibility, visibility=visibility)
        made.append(video.id)
    found = (await call("GET", "/me/videos?limit=2", stage.owner)).json()
    rest = (await call("GET", f"/me/videos?limit=2&cursor={found['next']}", stage.owner)).json()
    assert [item["id"] for item in found["items"] + rest["items"]] == [str(id) for id in reversed(made)]
    assert rest["next"] is None
    assert (await call("GET", "/me/videos", stage.viewers[0])).json()["items"] == []
    assert (await call("GET", "/me/videos", None)).status_code == 401


async def test_a_broadcaster_deletes_a_video_with_all_that_belongs_to_it(
    stage: Stage, settings: Any, tmp_path: Path
) -> None:
    """Only the administration could."""
    settings.MEDIA_ROOT = tmp_path
    (tmp_path / str(stage.video.id)).mkdir()
    (tmp_path / str(stage.video.id) / "replay.m3u8").write_bytes(b"x")
    await likes.like(stage.video.id, stage.viewers[0], "love")
    await likes.comment(stage.video.id, stage.viewers[0], "hello")
    path = f"/videos/{stage.video.id}"
    assert (await call("DELETE", path, stage.viewers[0])).status_code == 403
    assert await Video.objects.aexists()
    assert (await call("DELETE", path, stage.owner)).status_code == 204
    assert not await Video.objects.aexists()
    assert not await Comment.objects.aexists()
    assert await DeletedVideo.objects.filter(id=stage.video.id).aexists()
    assert list(tmp_path.iterdir()) == []
    assert (await call("DELETE", path, stage.owner)).status_code == 404
