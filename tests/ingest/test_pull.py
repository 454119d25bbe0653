"""Pictures that the site fetches, from a real web server with HLS and from a camera with RTSP, to its viewers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.ingest.cameras import filming
from tests.ingest.origins import film_server
from tests.ingest.test_ingest import CODECS, SOURCES, pictures, playlist
from tests.rooms import Room, is_told_of, open_room
from tests.sites import Site, SiteFactory, free_port, wait_for
from tests.watching import SseWatcher, eventually, watching


@pytest.fixture(scope="module")
def broadcasting(site_factory: SiteFactory) -> Iterator[Site]:
    """A site that may fetch from two origins on loopback."""
    web, camera = free_port(), free_port()
    env = {
        "LIVE_LIMITS": "off",
        "LIVE_PULL_ORIGINS": f"http://127.0.0.1:{web},rtsp://127.0.0.1:{camera}",
        "LIVE_PULL_NETWORKS": "127.0.0.0/8",
    }
    site = site_factory.start(nodes=1, ingest=True, env=env)
    yield site
    site.close()


@pytest.fixture
def origins(broadcasting: Site) -> list[str]:
    return broadcasting.env["LIVE_PULL_ORIGINS"].split(",")


async def fetch(room: Room, source: str) -> None:
    path = f"/videos/{room.video_id}"
    (await room.call("PATCH", path, {"source": source}, person=room.people[0])).raise_for_status()


async def test_a_playlist_is_fetched_again_when_it_ends(broadcasting: Site, origins: list[str], tmp_path: Path) -> None:
    port = int(origins[0].rpartition(":")[2])
    async with open_room(broadcasting) as room:
        async with watching(SseWatcher(broadcasting.urls[0], room.topic)) as [viewer]:
            with film_server(tmp_path, port, (*SOURCES, *CODECS)):
                await fetch(room, f"{origins[0]}/live.m3u8")
                await viewer.wait_for(lambda: "live" in pictures(viewer), "the picture")
                wait_for(lambda: playlist(broadcasting, room.video_id).count("#EXTINF") >= 3, "three segments")
            await viewer.wait_for(lambda: pictures(viewer)[-1] == "stalled", "that it stops")
            with film_server(tmp_path, port, (*SOURCES, *CODECS)):
                await viewer.wait_for(lambda: pictures(viewer)[-1] == "live", "the picture again")
                await fetch(room, "")
                await viewer.wait_for(lambda: pictures(viewer)[-1] == "stalled", "that it is fetched no more")
            assert viewer.problems == []
        answer = await room.call("GET", "/me/stream-key", person=room.people[0])
        assert f"The picture at {origins[0]} is not there" in answer.json()["trouble"]


async def test_a_camera_is_fetched(broadcasting: Site, origins: list[str], tmp_path: Path) -> None:
    port = int(origins[1].rpartition(":")[2])
    source = f"rtsp://me:secret@127.0.0.1:{port}/cam"
    async with open_room(broadcasting) as room:
        nadia = room.people[0]
        async with filming(tmp_path, port), watching(SseWatcher(broadcasting.urls[0], room.topic)) as [viewer]:
            await fetch(room, source)
            await viewer.wait_for(lambda: "live" in pictures(viewer), "the picture")
            await eventually(partial(is_told_of, room, ("avc1", "")), "the studio to know its codec")
            health = (await room.call("GET", f"/videos/{room.video_id}/picture", person=nadia)).json()
            assert health["source"] == source
            # Its password is the broadcaster's alone.
            assert "secret" not in (await room.call("GET", f"/videos/{room.video_id}")).text
            assert "secret" not in broadcasting.log("ingest")
            (await room.call("POST", f"/videos/{room.video_id}/end", person=nadia)).raise_for_status()
            await viewer.wait_for(lambda: viewer.named("video")[-1].data["video"]["status"] == "ended", "the end")


async def test_only_what_the_administrator_allows_is_fetched(broadcasting: Site, origins: list[str]) -> None:
    async with open_room(broadcasting) as room:
        path = f"/videos/{room.video_id}"
        for source in (
            "http://127.0.0.1:1/live.m3u8",
            f"{origins[0]}.example.org/",
            f"{origins[0]}@evil/",
            "file:///etc/passwd",
        ):
            answer = await room.call("PATCH", path, {"source": source}, person=room.people[0])
            assert answer.status_code == 422
            assert origins[0] in answer.json()["detail"]
