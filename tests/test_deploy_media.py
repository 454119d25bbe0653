"""Pictures through nginx with the files of deploy/: kept for whoever may see the video, and for nobody else."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import HANG_SECONDS
from tests.machines import needed
from tests.rooms import Room, open_room
from tests.sites import Site, SiteFactory, answers, free_port, wait_for
from tests.test_deploy import nginx_configuration

SEGMENT = "1790000000000-0.m4s"
BODY = os.urandom(300_000)


@pytest.fixture(scope="module")
def proxied(site_factory: SiteFactory) -> Iterator[Site]:
    """A site behind a proxy."""
    needed("nginx")
    site = site_factory.start(nodes=1, env={"LIVE_LIMITS": "off", "TRUSTED_PROXIES": "1"})
    yield site
    site.close()


@pytest.fixture(scope="module")
def front(proxied: Site, checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the proxy is."""
    port = free_port()
    node = proxied.urls[0].removeprefix("http://")
    changed = {"127.0.0.1:8000": node, "listen 80 ": f"listen 127.0.0.1:{port} "}
    argv = nginx_configuration(tmp_path_factory.mktemp("nginx"), checkout / "deploy", **changed)
    with subprocess.Popen(argv) as nginx:
        url = f"http://127.0.0.1:{port}"
        try:
            wait_for(lambda: answers(f"{url}/healthz") or nginx.poll() is not None, "nginx")
            yield url
        finally:
            nginx.terminate()


def picture(site: Site, room: Room) -> Path:
    """Make the folder of the room's picture, with files that stand for one."""
    folder = site.folder / "media" / room.video_id
    folder.mkdir(parents=True)
    for name in (SEGMENT, "1790000000000_7.m4s", "recording.mp4", "poster.jpg"):
        (folder / name).write_bytes(BODY)
    (folder / "live.m3u8").write_text("#EXTM3U\n#one\n")
    return folder


async def asked(room: Room) -> float:
    """How many files the node has sent."""
    return await room.metric("live_http_requests_total", kind="media", status="200")


async def test_a_segment_is_asked_for_once_however_many_want_it(proxied: Site, front: str) -> None:
    async with open_room(proxied) as room:
        picture(proxied, room)
        before = await asked(room)
        url = f"{front}/media/{room.video_id}/{SEGMENT}"
        found = await asyncio.gather(*(room.client.get(f"{url}?{number}") for number in range(30)))
        assert {(answer.status_code, answer.content) for answer in found} == {(200, BODY)}
        assert found[0].headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert await asked(room) - before == 1
        part = await room.client.get(url, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, BODY[10:20])
        head = await room.client.head(url)
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(BODY)))
        assert await asked(room) - before == 1


async def test_a_playlist_is_new_a_moment_later(proxied: Site, front: str) -> None:
    async with open_room(proxied) as room:
        folder = picture(proxied, room)
        url = f"{front}/media/{room.video_id}/live.m3u8"
        first = await room.client.get(url)
        assert (first.text, first.headers["Cache-Control"]) == ("#EXTM3U\n#one\n", "public, no-cache")
        (folder / "live.m3u8").write_text("#EXTM3U\n#two, longer\n")
        async with asyncio.timeout(HANG_SECONDS):
            while (await room.client.get(url)).text != "#EXTM3U\n#two, longer\n":
                await asyncio.sleep(0.05)
        for query in ("_HLS_part=1", "_HLS_msn=x"):
            assert (await room.client.get(f"{url}?{query}")).status_code == 400


async def test_a_private_video_is_kept_for_nobody(proxied: Site, front: str) -> None:
    """What was kept while anybody could see it stays hidden, and what its broadcaster gets opens nothing to others."""
    async with open_room(proxied) as room:
        picture(proxied, room)
        names = (SEGMENT, "1790000000000_7.m4s", "live.m3u8", "recording.mp4", "poster.jpg")
        nadia = {"Cookie": f"sessionid={room.people[0].session}"}

        async def statuses(**headers: str) -> set[int]:
            urls = [f"{front}/media/{room.video_id}/{name}" for name in names]
            return {(await room.client.get(url, headers=headers)).status_code for url in urls}

        assert await statuses() == {200}
        change = {"visibility": "private"}
        (await room.call("PATCH", f"/videos/{room.video_id}", change, person=room.people[0])).raise_for_status()
        async with asyncio.timeout(HANG_SECONDS):
            while await statuses() != {404}:
                await asyncio.sleep(0.05)
        for _ in range(2):
            assert await statuses(**nadia) == {200}
            assert await statuses() == {404}


async def test_what_is_not_there_and_no_node_are_said_as_everywhere(proxied: Site, front: str) -> None:
    async with open_room(proxied) as room:
        picture(proxied, room)
        for path in (
            f"{room.video_id}/1790000000000-9.m4s",
            f"{room.video_id}/live-delta.m3u8",
            f"{room.video_id}/x.ts",
        ):
            assert (await room.client.get(f"{front}/media/{path}")).status_code == 404
        nowhere = "00000000-0000-7000-8000-000000000000"
        answer = await room.client.get(f"{front}/media/{nowhere}/{SEGMENT}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert (await room.client.get(f"{front}/media-right")).status_code == 404
