"""Numbers about an incoming stream, and the header of its file."""

from __future__ import annotations

import pytest

from ingest.rtmp import amf0, flv
from ingest.rtmp.chunks import RtmpMessage
from ingest.rtmp.flv import FlvFile
from ingest.rtmp.health import WINDOW_SECONDS, HealthMeter
from tests.ingest.rtmp.client import AUDIO, DATA, FRAME, KEYFRAME, SEQUENCE, VIDEO
from tests.kit import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> HealthMeter:
    return HealthMeter(clock=clock)


def video(meter: HealthMeter, payload: bytes, time: int = 0) -> None:
    meter.note(RtmpMessage(VIDEO, time, 1, payload))


def test_rates_are_of_the_last_whole_seconds(meter: HealthMeter, clock: Clock) -> None:
    for second in range(20):
        for frame in range(10):
            meter.receive(1_000 if second < 10 else 2_000)
            video(meter, FRAME, second * 1000 + frame * 100)
        clock.advance(1)
    found = meter.read()
    assert found.total_bytes == 300_000
    assert (found.bits_per_second, found.frames_per_second) == (160_000, 10)


def test_rates_of_a_young_stream_are_of_its_seconds(meter: HealthMeter, clock: Clock) -> None:
    meter.receive(1_000)
    clock.advance(1)
    meter.receive(1_000)
    clock.advance(1)
    assert meter.read().bits_per_second == 8_000


def test_rates_fall_when_nothing_comes(meter: HealthMeter, clock: Clock) -> None:
    meter.receive(1_000)
    video(meter, FRAME)
    clock.advance(WINDOW_SECONDS + 2)
    assert (meter.read().bits_per_second, meter.read().frames_per_second) == (0, 0)


def test_rate_of_the_window_rises_at_once(meter: HealthMeter) -> None:
    meter.receive(5_000)
    assert meter.window_bits_per_second() == 5_000 * 8 / WINDOW_SECONDS


def test_distance_of_keyframes_is_the_last_one_or_the_one_under_way(meter: HealthMeter) -> None:
    video(meter, KEYFRAME, 0)
    assert meter.read().keyframe_seconds is None
    video(meter, KEYFRAME, 2_000)
    video(meter, FRAME, 3_000)
    assert meter.read().keyframe_seconds == 2
    video(meter, FRAME, 12_000)
    assert meter.read().keyframe_seconds == 10


def test_sequence_headers_are_no_frames(meter: HealthMeter, clock: Clock) -> None:
    video(meter, SEQUENCE)
    video(meter, b"\x90hvc1")
    clock.advance(1)
    assert meter.read().frames_per_second == 0
    assert meter.read().keyframe_seconds is None


@pytest.mark.parametrize(
    ("payload", "codec"),
    [
        (FRAME, "avc1"),
        (b"\x1c\1", "hvc1"),
        (b"\xa1hvc1\0\0\0", "hvc1"),
        (b"\x93av01", "av01"),
        (b"\x96\x01avc1", "avc1"),
        (b"\x97", ""),
        (b"\x15", "?"),
    ],
)
def test_codec_of_the_picture_is_named(meter: HealthMeter, payload: bytes, codec: str) -> None:
    video(meter, payload)
    assert meter.read().video_codec == codec


@pytest.mark.parametrize(("payload", "codec"), [(b"\xaf\1", "mp4a"), (b"\x2f", ".mp3"), (b"\x90Opus", "Opus")])
def test_codec_of_the_sound_is_named(meter: HealthMeter, payload: bytes, codec: str) -> None:
    meter.note(RtmpMessage(AUDIO, 0, 1, payload))
    assert meter.read().audio_codec == codec


def test_size_of_the_picture_is_of_the_encoders_facts(meter: HealthMeter) -> None:
    meter.note(RtmpMessage(DATA, 0, 1, amf0.encode("onMetaData", {"width": 1280, "height": 720})))
    meter.note(RtmpMessage(DATA, 0, 1, b"\x03garbage"))
    meter.note(RtmpMessage(DATA, 0, 1, amf0.encode("onTextData", {"width": 1})))
    assert (meter.read().width, meter.read().height) == (1280, 720)


@pytest.mark.parametrize("width", [float("nan"), float("inf"), -1.0, 1e300, "wide", None])
def test_size_that_is_none_is_zero(meter: HealthMeter, width: amf0.Value) -> None:
    meter.note(RtmpMessage(DATA, 0, 1, amf0.encode("onMetaData", {"width": width})))
    assert meter.read().width == 0


def test_jumps_of_timestamps_are_counted_for_each_track(meter: HealthMeter) -> None:
    for time in (50_000, 50_040, 50_040, 52_000, 60_000, 59_000):
        video(meter, FRAME, time)
    meter.note(RtmpMessage(AUDIO, 0, 1, b"\xaf\1"))
    assert meter.read().timestamp_jumps == 2


def test_what_comes_before_the_frames_has_no_time(meter: HealthMeter) -> None:
    """ffmpeg sends it with 0, and begins its frames anywhere."""
    video(meter, SEQUENCE, 0)
    video(meter, FRAME, 16_776_000)
    meter.note(RtmpMessage(AUDIO, 0, 1, b"\xaf\0"))
    meter.note(RtmpMessage(AUDIO, 16_776_000, 1, b"\xaf\1"))
    assert meter.read().timestamp_jumps == 0


@pytest.mark.parametrize(
    ("facts", "flags"),
    [
        ({"videocodecid": 7, "width": 1}, 1),
        ({"audiocodecid": 10}, 4),
        ({"audiocodecid": 10, "videodatarate": 1}, 5),
        ({"encoder": "x"}, 5),
    ],
)
def test_header_of_the_file_names_the_tracks_that_the_encoder_knows(facts: dict[str, amf0.Value], flags: int) -> None:
    message = RtmpMessage(DATA, 0, 1, amf0.encode("onMetaData", facts))
    assert FlvFile().pieces(message)[0] == b"FLV\1" + bytes([flags]) + b"\0\0\0\x09\0\0\0\0"


def test_header_names_both_tracks_if_the_encoder_says_nothing() -> None:
    assert FlvFile().pieces(RtmpMessage(VIDEO, 0, 1, FRAME))[0][4] == 5


def test_tag_has_the_whole_timestamp() -> None:
    file = FlvFile()
    file.pieces(RtmpMessage(VIDEO, 0x01020303, 1, FRAME))
    head, payload, size = file.pieces(RtmpMessage(VIDEO, 0x01020304, 1, FRAME))
    assert head == b"\x09\0\0\x05\x02\x03\x04\x01\0\0\0"
    assert (payload, size) == (FRAME, b"\0\0\0\x10")


EMPTY_HEAD, HEAD, SOUND = b"\xaf\0", b"\xaf\0\x11\x90", b"\xaf\1sound"


def sound(payload: bytes) -> RtmpMessage:
    return RtmpMessage(AUDIO, 0, 1, payload)


def test_frames_wait_for_the_head_of_the_sound() -> None:
    """An encoder that copies AAC sends an empty one first: after a large frame ffmpeg had begun without it."""
    file = FlvFile()
    frames = [RtmpMessage(VIDEO, 0, 1, SEQUENCE), RtmpMessage(VIDEO, 0, 1, KEYFRAME)]
    assert [file.pieces(one) for one in (sound(EMPTY_HEAD), *frames)] == [()] * 3
    written = file.pieces(sound(HEAD))
    assert [piece for piece in written if piece in (EMPTY_HEAD, HEAD, SEQUENCE, KEYFRAME)] == [HEAD, SEQUENCE, KEYFRAME]
    assert written[0].startswith(b"FLV")
    assert SOUND in file.pieces(sound(SOUND))
    assert file.pieces(sound(EMPTY_HEAD)) == ()
    assert SOUND in file.pieces(sound(SOUND))


def test_frames_do_not_wait_for_ever_for_a_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flv, "HELD_MAX_BYTES", 2 * len(KEYFRAME))
    file = FlvFile()
    frame = RtmpMessage(VIDEO, 0, 1, KEYFRAME)
    assert [file.pieces(one) for one in (sound(EMPTY_HEAD), frame)] == [()] * 2
    assert file.pieces(frame).count(KEYFRAME) == 2
    assert KEYFRAME in file.pieces(frame)
