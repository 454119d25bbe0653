"""A site whose disk for pictures is full after some seconds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from ingest.broadcast import FULL
from tests.ingest.test_ingest import Encode, encode, key_of, pictures, playlist, replay, segments  # noqa: F401
from tests.rooms import open_room
from tests.sites import Site, SiteFactory, wait_for
from tests.watching import SseWatcher, watching


@pytest.fixture(scope="module")
def broadcasting(site_factory: SiteFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with an ingest, and 1 MB for its pictures."""
    disk = tmp_path_factory.mktemp("disk")
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]).returncode:
        pytest.skip("a disk of its own cannot be mounted here")
    env = {"LIVE_LIMITS": "off", "LIVE_MEDIA_DIR": str(disk), "LIVE_RESERVE_MB": "0"}
    site = site_factory.start(nodes=1, ingest=True, env=env)
    (site.folder / "media").symlink_to(disk)
    yield site
    site.close()
    subprocess.run(["umount", "--lazy", disk], check=True)


async def test_the_picture_goes_on_and_the_video_ends(broadcasting: Site, encode: Encode) -> None:  # noqa: F811
    async with open_room(broadcasting) as room:
        nadia = room.people[0]
        async with watching(SseWatcher(broadcasting.urls[0], room.topic)) as [viewer]:
            encode(await key_of(room))
            await viewer.wait_for(lambda: "live" in pictures(viewer), "the picture")
            wait_for(lambda: FULL in broadcasting.log("ingest"), "that the disk is full")
            full = segments(playlist(broadcasting, room.video_id))
            wait_for(lambda: not set(full) & set(segments(playlist(broadcasting, room.video_id))), "another window")
            health = (await room.call("GET", f"/videos/{room.video_id}/picture", person=nadia)).json()
            assert (health["state"], health["trouble"]) == ("live", FULL)
            (await room.call("POST", f"/videos/{room.video_id}/end", person=nadia)).raise_for_status()
            await viewer.wait_for(lambda: replay(viewer) != "", "the replay")
        served = await room.client.get(f"{broadcasting.urls[0]}{replay(viewer)}")
        assert set(full) & set(segments(served.text))
        assert "Traceback" not in broadcasting.log("ingest")
