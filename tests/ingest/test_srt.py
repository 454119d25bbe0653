"""From a real encoder that sends SRT to the site's viewers. What happens behind it is that of RTMP (test_ingest)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.ingest.booth import encoders
from tests.ingest.test_ingest import CODECS, SOURCES, pictures, playlist
from tests.rooms import Room, is_told_of, open_room
from tests.sites import Site, SiteFactory, wait_for
from tests.watching import SseWatcher, eventually, watching

OFTEN = "kmrefreshrate=64&kmpreannounce=24"
"""The encoder changes the key of its stream after so many packets, and sends it that many before."""
Encode = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def broadcasting(site_factory: SiteFactory) -> Iterator[Site]:
    """A site with an ingest, which takes SRT at the number of RTMP's port."""
    site = site_factory.start(nodes=1, ingest=True, env={"LIVE_LIMITS": "off"})
    yield site
    site.close()


@pytest.fixture
def encode() -> Iterator[Encode]:
    """Send a picture to an address, as OBS does."""
    with encoders() as start:

        def encode(address: str, *codecs: str) -> subprocess.Popen[bytes]:
            return start(*SOURCES, *(codecs or CODECS), "-f", "mpegts", address)

        yield encode


async def address_of(room: Room) -> str:
    answer = (await room.call("GET", "/me/stream-key", person=room.people[0])).raise_for_status().json()
    address = str(answer["servers"]["srt"])
    assert answer["key"] in address
    return address


def shows(site: Site, video_id: str) -> bool:
    return "#EXTINF" in playlist(site, video_id)


async def trouble(room: Room) -> str:
    answer = await room.call("GET", "/me/stream-key", person=room.people[0])
    return str(answer.raise_for_status().json()["trouble"])


async def test_a_picture_comes_and_goes(broadcasting: Site, encode: Encode) -> None:
    async with open_room(broadcasting) as room:
        address = await address_of(room)
        async with watching(SseWatcher(broadcasting.urls[0], room.topic)) as [viewer]:
            first = encode(f"{address}&{OFTEN}")
            await viewer.wait_for(lambda: "live" in pictures(viewer), "the picture")
            wait_for(lambda: playlist(broadcasting, room.video_id).count("#EXTINF") >= 3, "three segments")
            await eventually(partial(is_told_of, room, ("avc1", "mp4a")), "the studio to know its codecs")
            first.kill()
            await viewer.wait_for(lambda: "stalled" in pictures(viewer), "that it stops")
            encode(address)
            await viewer.wait_for(lambda: pictures(viewer)[-1] == "live", "the picture again")
            assert viewer.problems == []


async def test_two_send_at_once(broadcasting: Site, encode: Encode) -> None:
    """Many encoders on one port: each has its own ffmpeg behind it."""
    async with open_room(broadcasting) as one, open_room(broadcasting) as other:
        for room in (one, other):
            encode(await address_of(room))
        for room in (one, other):
            wait_for(partial(shows, broadcasting, room.video_id), "the picture")


async def test_a_wrong_passphrase_is_refused(broadcasting: Site, encode: Encode) -> None:
    async with open_room(broadcasting) as room:
        address = await address_of(room)
        assert encode(f"{address[:-1]}x").wait(120) != 0
        assert "encoder from 127.0.0.1 refused: The passphrase is not the stream key" in broadcasting.log("ingest")
        assert "The passphrase is not the stream key" in await trouble(room)
        assert encode(address.partition("&")[0]).wait(120) != 0
        assert "The encoder sent no passphrase" in await trouble(room)
        assert address[-32:] not in broadcasting.log("ingest")
        assert playlist(broadcasting, room.video_id) == ""


async def test_an_encoder_is_cut_when_its_key_is_replaced(broadcasting: Site, encode: Encode) -> None:
    async with open_room(broadcasting) as room:
        sending = encode(await address_of(room))
        wait_for(lambda: "#EXTINF" in playlist(broadcasting, room.video_id), "the picture")
        (await room.call("POST", "/me/stream-key", person=room.people[0])).raise_for_status()
        assert sending.wait(120) != 0


async def test_sound_that_rtmp_cannot_carry_is_encoded_anew_when_it_comes_again(
    broadcasting: Site, encode: Encode
) -> None:
    async with open_room(broadcasting) as room:
        address = await address_of(room)
        broadcasters = (*CODECS[: CODECS.index("-c:a")], "-c:a", "mp2")
        assert encode(address, *broadcasters).wait(120) != 0
        encode(address, *broadcasters)
        await eventually(partial(is_told_of, room, ("avc1", "mp4a")), "the studio to know its codecs")
        wait_for(partial(shows, broadcasting, room.video_id), "the picture")
