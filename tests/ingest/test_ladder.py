"""Smaller renditions beside the picture as it comes, made of a real encoder's picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.ingest.booth import encoders
from tests.ingest.test_ingest import CODECS, key_of, pictures, playlist, plays
from tests.rooms import open_room
from tests.sites import Site, SiteFactory, wait_for
from tests.watching import SseWatcher, watching

SOURCES = ("-re", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=10", "-re", "-f", "lavfi", "-i", "sine=r=44100")


@pytest.fixture(scope="module")
def broadcasting(site_factory: SiteFactory) -> Iterator[Site]:
    """A site that makes renditions of 120 lines, and of 720 where the picture has more."""
    site = site_factory.start(nodes=1, ingest=True, env={"LIVE_LIMITS": "off", "LIVE_LADDER": "120,720"})
    yield site
    site.close()


def starts(text: str) -> list[int]:
    """When the segments of a playlist begin, in ms since the first of them."""
    lengths = [float(found) for found in re.findall(r"^#EXTINF:([\d.]+)", text, re.MULTILINE)]
    return [round(1000 * sum(lengths[:at])) for at in range(len(lengths))]


@contextmanager
def encoding(site: Site, key: str) -> Iterator[None]:
    """Send a picture until the block ends."""
    with encoders() as start:
        start(*SOURCES, *CODECS, "-f", "flv", f"rtmp://127.0.0.1:{site.env['LIVE_RTMP_PORT']}/live/{key}")
        yield


async def test_players_may_choose(broadcasting: Site) -> None:
    async with open_room(broadcasting) as room:
        folder = broadcasting.folder / "media" / room.video_id
        with encoding(broadcasting, await key_of(room)):
            async with watching(SseWatcher(broadcasting.urls[0], room.topic)) as [viewer]:
                await viewer.wait_for(lambda: "live" in pictures(viewer), "the picture")
                path = f"/media/{room.video_id}/master.m3u8"
                assert viewer.named("video")[-1].data["video"]["playlist"] == path
                small = folder / "120p-live.m3u8"
                wait_for(lambda: small.exists() and small.read_text().count("#EXTINF") >= 4, "the small one")
                master = (await room.client.get(f"{broadcasting.urls[0]}{path}")).text
                assert re.findall(r"RESOLUTION=(\S+)\n(\S+)", master) == [
                    ("320x240", "live.m3u8"),
                    ("160x120", "120p-live.m3u8"),
                ]
                # Their keyframes, and so their segments, are at the same places.
                few = min(len(starts(small.read_text())), len(starts(playlist(broadcasting, room.video_id))))
                for one, other in zip(
                    starts(small.read_text())[:few], starts(playlist(broadcasting, room.video_id))[:few], strict=True
                ):
                    assert abs(one - other) < 150
                assert '#EXT-X-RENDITION-REPORT:URI="120p-live.m3u8"' in playlist(broadcasting, room.video_id)
                # A part that is announced is waited for.
                hint = re.findall(r'PRELOAD-HINT:TYPE=PART,URI="(.+?)"', small.read_text())[-1]
                assert (
                    await room.client.get(f"{broadcasting.urls[0]}/media/{room.video_id}/{hint}")
                ).status_code == 200
                (await room.call("POST", f"/videos/{room.video_id}/end", person=room.people[0])).raise_for_status()
                wait_for(lambda: (folder / "replay.m3u8").exists(), "the replay")
                assert plays(small) == ""
                assert not (folder / "120p-replay.m3u8").exists()
