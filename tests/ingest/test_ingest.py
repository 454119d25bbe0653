"""From a real encoder to the site's viewers, by the ingest's own process."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.encoder import ffmpeg
from tests.ingest.booth import encoders
from tests.rooms import Room, open_room
from tests.sites import Site, SiteFactory, wait_for
from tests.watching import SseWatcher, watching

SOURCES = ("-re", "-f", "lavfi", "-i", "testsrc2=s=160x90:r=10", "-re", "-f", "lavfi", "-i", "sine=r=44100")
CODECS = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10", "-threads", "1", "-c:a", "aac")


@pytest.fixture(scope="module")
def broadcasting(site_factory: SiteFactory) -> Iterator[Site]:
    """A site with an ingest."""
    site = site_factory.start(nodes=1, ingest=True, env={"LIVE_LIMITS": "off"})
    yield site
    site.close()


Encode = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def encode(broadcasting: Site) -> Iterator[Encode]:
    """Send a picture with a key, as OBS does."""
    with encoders() as start:

        def encode(key: str) -> subprocess.Popen[bytes]:
            address = f"rtmp://127.0.0.1:{broadcasting.env['LIVE_RTMP_PORT']}/live/{key}"
            return start(*SOURCES, *CODECS, "-f", "flv", address)

        yield encode


async def key_of(room: Room) -> str:
    answer = (await room.call("GET", "/me/stream-key", person=room.people[0])).raise_for_status().json()
    assert answer["servers"]["rtmp"].endswith("/live")
    return str(answer["key"])


def pictures(viewer: SseWatcher) -> list[str]:
    return [seen.data["video"]["picture"]["state"] for seen in viewer.named("video")]


def playlist(site: Site, video_id: str) -> str:
    path = site.folder / "media" / video_id / "live.m3u8"
    return path.read_text() if path.exists() else ""


async def test_a_picture_comes_stops_comes_back_and_stays(broadcasting: Site, encode: Encode) -> None:
    async with open_room(broadcasting) as room:
        key = await key_of(room)
        async with watching(SseWatcher(broadcasting.urls[0], room.topic)) as [viewer]:
            first = encode(key)
            await viewer.wait_for(lambda: "live" in pictures(viewer), "the picture")
            path = f"/media/{room.video_id}/live.m3u8"
            assert viewer.named("video")[-1].data["video"]["playlist"] == path
            wait_for(lambda: playlist(broadcasting, room.video_id).count("#EXTINF") >= 3, "three segments")
            served = await room.client.get(f"{broadcasting.urls[0]}{path}")
            assert "#EXT-X-PART-INF" in served.text
            health = (await room.call("GET", f"/videos/{room.video_id}/picture", person=room.people[0])).json()
            assert (health["state"], health["encoder"]["video"]) == ("live", "avc1")
            first.kill()
            await viewer.wait_for(lambda: "stalled" in pictures(viewer), "that it stops")
            encode(key)
            await viewer.wait_for(lambda: pictures(viewer)[-1] == "live", "the picture again")
            wait_for(lambda: "#EXT-X-DISCONTINUITY\n" in playlist(broadcasting, room.video_id), "the second encoder")
            await room.call("POST", f"/videos/{room.video_id}/end", person=room.people[0])
            await viewer.wait_for(lambda: replay(viewer) != "", "the replay")
            assert viewer.problems == []
        recorded = await room.client.get(f"{broadcasting.urls[0]}{replay(viewer)}")
        assert recorded.text.endswith("#EXT-X-ENDLIST\n")
        assert plays(broadcasting.folder / "media" / room.video_id / "replay.m3u8") == ""
        assert (await downloaded(room))[4:8] == b"ftyp"


async def downloaded(room: Room) -> bytes:
    """Ask for the recording as one file; return its beginning."""
    path, nadia = f"/videos/{room.video_id}/recording", room.people[0]
    (await room.call("POST", f"{path}/download", person=nadia)).raise_for_status()
    while not (found := (await room.call("GET", path, person=nadia)).json())["download"]:
        assert found["is_making"]
    url = f"{room.site.urls[0]}{found['download']}"
    part = await room.client.get(url, headers={"Range": "bytes=0-7"})
    assert (part.status_code, part.headers["content-type"]) == (206, "video/mp4")
    return part.content


def segments(text: str) -> list[str]:
    return re.findall(r"^\d+-\d+\.m4s$", text, re.MULTILINE)


def replay(viewer: SseWatcher) -> str:
    found = str(viewer.named("video")[-1].data["video"]["playlist"])
    return found if found.endswith("/replay.m3u8") else ""


def plays(path: Path) -> str:
    """Return what ffmpeg says against a playlist; nothing: all of it can be decoded."""
    done = subprocess.run([ffmpeg(), "-v", "error", "-i", path, "-f", "null", "-"], capture_output=True, text=True)
    return done.stderr


async def test_a_wrong_key_is_refused(broadcasting: Site, encode: Encode) -> None:
    async with open_room(broadcasting) as room:
        key = await key_of(room)
        refused = encode(f"{key[:-1]}x")
        assert refused.wait(120) != 0
        assert "encoder from 127.0.0.1 refused: The stream key is wrong" in broadcasting.log("ingest")
        assert key not in broadcasting.log("ingest")
        assert playlist(broadcasting, room.video_id) == ""


async def test_an_encoder_is_cut_when_its_key_is_replaced(broadcasting: Site, encode: Encode) -> None:
    async with open_room(broadcasting) as room:
        sending = encode(await key_of(room))
        wait_for(lambda: "#EXTINF" in playlist(broadcasting, room.video_id), "the picture")
        (await room.call("POST", "/me/stream-key", person=room.people[0])).raise_for_status()
        assert sending.wait(120) != 0


async def test_a_second_encoder_waits_until_the_first_is_silent(broadcasting: Site, encode: Encode) -> None:
    """Each would cut the other for ever: encoders come back by themselves."""
    async with open_room(broadcasting) as room:
        key = await key_of(room)
        first = encode(key)
        wait_for(lambda: "#EXTINF" in playlist(broadcasting, room.video_id), "the picture")
        assert encode(key).wait(120) != 0
        assert first.poll() is None
        first.send_signal(signal.SIGSTOP)
        async with watching(SseWatcher(broadcasting.urls[0], room.topic)) as [viewer]:
            await viewer.wait_for(lambda: pictures(viewer)[-1:] == ["stalled"], "that it stops")
            third = encode(key)
            await viewer.wait_for(lambda: pictures(viewer)[-1] == "live", "the picture again")
            assert third.poll() is None
        wait_for(lambda: "#EXT-X-DISCONTINUITY\n" in playlist(broadcasting, room.video_id), "the second encoder")


async def test_a_broadcaster_may_try_the_picture_before(broadcasting: Site, encode: Encode) -> None:
    """What is sent before the click is shown to them, and is no part of the recording."""
    async with open_room(broadcasting) as room:
        nadia = room.people[0]
        (await room.call("POST", f"/videos/{room.video_id}/end", person=nadia)).raise_for_status()
        plan = {"title": "Later", "starts_itself": False}
        video = (await room.call("POST", "/videos", plan, person=nadia)).raise_for_status().json()
        async with watching(SseWatcher(broadcasting.urls[0], video["topic"])) as [viewer]:
            encode(await key_of(room))
            await viewer.wait_for(lambda: "live" in pictures(viewer), "the picture")
            assert viewer.named("video")[-1].data["video"]["status"] == "upcoming"
            wait_for(lambda: playlist(broadcasting, video["id"]).count("#EXTINF") >= 3, "three segments")
            tried = segments(playlist(broadcasting, video["id"]))
            (await room.call("POST", f"/videos/{video['id']}/start", person=nadia)).raise_for_status()
            wait_for(lambda: len(segments(playlist(broadcasting, video["id"]))) >= len(tried) + 3, "more of it")
            (await room.call("POST", f"/videos/{video['id']}/end", person=nadia)).raise_for_status()
            await viewer.wait_for(lambda: replay(viewer) != "", "the replay")
        recorded = segments((broadcasting.folder / "media" / video["id"] / "replay.m3u8").read_text())
        assert recorded
        assert not set(tried[:-1]) & set(recorded)


async def test_an_ingest_that_is_killed_goes_on_where_it_was(broadcasting: Site, encode: Encode) -> None:
    """Names never repeat, and numbers never go back: players have both."""
    async with open_room(broadcasting) as room:
        key = await key_of(room)
        encode(key)
        wait_for(lambda: playlist(broadcasting, room.video_id).count("#EXTINF") >= 3, "three segments")
        assert broadcasting.ingest is not None
        broadcasting.ingest.kill()
        before = playlist(broadcasting, room.video_id)
        async with watching(SseWatcher(broadcasting.urls[0], room.topic)) as [viewer]:
            broadcasting.start_ingest()
            await viewer.wait_for(lambda: "stalled" in pictures(viewer), "that it stops")
            encode(key)
            await viewer.wait_for(lambda: pictures(viewer)[-1] == "live", "the picture again")
        wait_for(lambda: "#EXT-X-DISCONTINUITY\n" in playlist(broadcasting, room.video_id), "the second encoder")
        names = re.findall(r"^\d.*-\d+\.m4s$", before, re.MULTILINE)
        assert names
        assert (
            names == re.findall(r"^\d.*-\d+\.m4s$", playlist(broadcasting, room.video_id), re.MULTILINE)[: len(names)]
        )
