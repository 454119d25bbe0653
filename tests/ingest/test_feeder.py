"""What comes in by another way than RTMP reaches our own RTMP port, with a real ffmpeg between."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ingest.encoder import AGAIN_AUDIO, AGAIN_VIDEO
from ingest.feeder import COPIED, FROM_PIPE, Feeder, codecs_after
from tests.ingest.recorded import FRAMES, pieces, recorded
from tests.ingest.rtmp.conftest import WRONG, Place
from tests.ingest.rtmp.conftest import place as place  # a fixture
from tests.ingest.rtmp.encoders import PICTURE, frames
from tests.kit import HANG_SECONDS, until
from tests.sites import free_port

PIPE = ("-f", "matroska", "-i", FROM_PIPE)


async def test_what_is_copied_comes_out_as_it_went_in(place: Place) -> None:
    feeder = Feeder(PIPE, key="key", port=place.port, codecs=("-c:v", "copy", "-an"))
    await feeder.start()
    for piece in pieces(await recorded("webm")):
        await feeder.write(piece)
    await feeder.aclose()
    assert await feeder.wait() == ""
    stream = place.streams["key"]
    await stream.closed()
    assert stream.publish.health.read().video_codec == "avc1"
    assert len(await frames(bytes(stream.data))) == FRAMES


async def test_the_refusal_is_its_last_word(place: Place) -> None:
    feeder = Feeder(("-re", *PICTURE), key="wrong", port=place.port, codecs=("-c:v", "libx264"))
    await feeder.start()
    assert await feeder.wait() == WRONG
    assert feeder.was_refused
    await feeder.aclose()


async def test_why_it_was_cut_is_its_last_word(place: Place) -> None:
    feeder = Feeder(("-re", *PICTURE), key="key", port=place.port, codecs=("-c:v", "libx264", "-tune", "zerolatency"))
    await feeder.start()
    await until(lambda: "key" in place.streams and len(place.streams["key"].data) > 0)
    place.streams["key"].publish.cut("The broadcast has ended.")
    assert await feeder.wait() == "The broadcast has ended."
    assert feeder.was_refused


async def test_without_a_server_it_says_so() -> None:
    feeder = Feeder(PICTURE, key="key", port=free_port(), codecs=("-c:v", "libx264"))
    await feeder.start()
    assert "Connection refused" in await feeder.wait()
    assert not feeder.was_refused


async def test_it_ends_when_it_is_asked_to_although_its_input_goes_on(place: Place) -> None:
    feeder = Feeder(("-re", *PICTURE), key="key", port=place.port, codecs=("-c:v", "libx264"))
    await feeder.start()
    await until(lambda: "key" in place.streams)
    await feeder.aclose()
    await place.streams["key"].closed()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no command lines to be read here")
async def test_the_key_is_in_no_command_line(place: Place) -> None:
    """Other users of the machine read command lines."""
    key = "a-key-that-nobody-else-has"
    feeder = Feeder(("-re", *PICTURE), key=key, port=place.port, codecs=("-c:v", "libx264"))
    await feeder.start()
    await until(lambda: key in place.streams)
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert any(f"rtmp://127.0.0.1:{place.port}/".encode() in line for line in lines)
    assert not any(key.encode() in line for line in lines)
    await feeder.aclose()


def test_what_rtmp_cannot_carry_is_encoded_anew() -> None:
    mp2 = "[flv @ 0x5] Tag [3][0][0][0] incompatible with output codec id '86016' ([0][0][0][0])"
    ac3 = "[flv @ 0x5] Audio codec ac3 not compatible with flv"
    mpeg2 = "[flv @ 0x5] Tag [2][0][0][0] incompatible with output codec id '2' ([0][0][0][0])"
    sound = codecs_after(mp2, COPIED)
    assert sound == codecs_after(ac3, COPIED) == (*COPIED, *AGAIN_AUDIO)
    assert codecs_after(mpeg2, sound) == (*sound, *AGAIN_VIDEO)
    assert codecs_after(mp2, sound) == sound
    assert codecs_after("Connection refused", sound) == sound


async def test_a_cancel_while_it_ends_kills_it(place: Place) -> None:
    """It went on, and nobody waited for it, where the end of ffmpeg took longer than the patience of who ends."""
    feeder = Feeder(("-re", *PICTURE, "-i", FROM_PIPE), key="key", port=place.port)
    await feeder.start()
    ending = asyncio.create_task(feeder.aclose())
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    async with asyncio.timeout(HANG_SECONDS):
        assert not feeder.was_refused
        await feeder.wait()
