"""The packager on streams of ffmpeg: every list that a player would read keeps the rules, and every name is new."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from django.urls import resolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.packager import Durations, MalformedBox, Packager
from tests.ingest.packager.kit import START, Broadcast, Shelf
from tests.ingest.packager.rules import check, check_all, parse
from tests.ingest.packager.streams import FRAGMENTS, X264, cut, ffmpeg, picture, pieces, sound
from videos.media import caching

Change = Callable[[list[bytes]], list[bytes]]


def test_lists_keep_the_rules_from_the_first_part_to_the_end(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    broadcast.send(stream)
    broadcast.packager.end()
    last = check_all(shelf.lists)
    assert [segment.seconds for segment in last.whole] == pytest.approx([0.2, 1.8, 2.0, 2.0, 2.0], abs=0.02)
    assert len(shelf.lists) == 40  # one for each part but the first, and one for the end


def test_each_segment_is_its_parts(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    broadcast.send(stream)
    for segment in parse(shelf.live).whole:
        assert shelf.files[segment.name] == b"".join(shelf.files[part["URI"]] for part in segment.parts)
        assert segment.part_seconds == pytest.approx(segment.seconds, abs=0.001)


def test_segments_begin_with_keyframes(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    broadcast.send(stream)
    independent = [["INDEPENDENT" in part for part in segment.parts] for segment in parse(shelf.live).segments[2:]]
    assert independent == [[True, *[False] * 9]] * 3


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(places=st.lists(st.integers(0), max_size=30))
def test_files_are_the_same_however_the_stream_is_cut(stream: bytes, places: list[int]) -> None:
    stores = (Shelf(), Shelf())
    for store, stretches in zip(stores, ([stream], cut(stream, places)), strict=True):
        packager = Packager(store, clock=lambda: START)
        for stretch in stretches:
            packager.feed(stretch)
    assert stores[0].files == stores[1].files


@pytest.mark.parametrize(
    ("sources", "even"),
    [
        ((*sound(), "-c:a", "aac"), True),
        ((*sound(), "-c:a", "libopus"), True),
        ((*picture(), *X264, "-g", "60"), True),
        ((*picture(rate=24), *sound(), *X264, "-g", "48", "-bf", "2", "-c:a", "aac"), True),
        ((*picture(rate=25), *sound(), *X264, "-g", "50", "-c:a", "aac"), True),
        ((*picture(rate=60), *X264, "-g", "120"), True),
        ((*picture(rate=8), *sound(), *X264, "-g", "16", "-c:a", "aac"), False),
        (("-itsoffset", "0.05", *picture(), *sound(), *X264, "-g", "60", "-c:a", "aac"), False),
    ],
    ids=["sound", "opus", "picture", "film", "pal", "fast", "slow", "sound first"],
)
def test_streams_of_any_kind_keep_the_rules(
    broadcast: Broadcast, shelf: Shelf, sources: tuple[str, ...], even: bool
) -> None:
    broadcast.send(ffmpeg(*sources, "-t", "5", *FRAGMENTS))
    broadcast.packager.end()
    last = check_all(shelf.lists, even=even)
    assert sum(segment.seconds for segment in last.whole) == pytest.approx(5, abs=0.15)
    assert [segment.discontinuity for segment in last.whole] == [0] * len(last.whole)


@pytest.mark.parametrize(("late", "missing"), [("1.4", 1.4), ("5", 2.0)], ids=["soon", "late"])
def test_sound_before_the_first_keyframe_is_left_out_for_a_while(
    broadcast: Broadcast, shelf: Shelf, late: str, missing: float
) -> None:
    """A recording began with up to two seconds of sound and a black picture."""
    sources = (*sound(), "-itsoffset", late, *picture(), "-map", "0:a", "-map", "1:v")
    broadcast.send(ffmpeg(*sources, *X264, "-g", "60", "-c:a", "aac", "-t", "8", *FRAGMENTS))
    assert broadcast.packager.has_begun
    broadcast.packager.end()
    last = check_all(shelf.lists, even=False)
    assert sum(segment.seconds for segment in last.whole) == pytest.approx(8 - missing, abs=0.45)


def test_keyframes_that_come_rarely_are_named_and_segments_end_without_them(
    broadcast: Broadcast, shelf: Shelf, rare: bytes
) -> None:
    """A segment then ends at the limit, and another one begins at the keyframe, however short the last one was."""
    broadcast.send(rare)
    last = check_all(shelf.lists)
    assert [segment.seconds for segment in last.whole] == pytest.approx([0.2, 4.4, 4.4, 1.0], abs=0.05)
    assert ["INDEPENDENT" in segment.parts[0] for segment in last.segments[2:]] == [False, False, True]
    assert broadcast.reports == [
        "Keyframes come more than 4 s apart, so viewers wait for their first picture."
        " Set the encoder's keyframe interval to 2 s."
    ]


def test_another_encoder_goes_on_in_the_same_list(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    broadcast.send(stream[: len(stream) // 2])
    broadcast.packager.discontinue()
    broadcast.now += 7
    broadcast.send(stream)
    last = check_all(shelf.lists)
    changes = [segment.discontinuity for segment in last.segments]
    assert sorted(changes) == changes and set(changes) == {0, 1}
    assert len({segment.init for segment in last.segments}) == 2
    assert len({part["URI"].split("_")[0] for segment in last.segments for part in segment.parts}) == 2


def test_a_second_head_is_another_encoder(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    broadcast.send(stream)
    broadcast.send(stream)
    assert {segment.discontinuity for segment in check(shelf.live).segments} == {0, 1}


@pytest.mark.parametrize(
    "change",
    [lambda cut: [*cut[:16], *cut[26:]], lambda cut: [*cut[:26], *cut[6:]]],
    ids=["forward", "back"],
)
def test_time_that_jumps_is_a_discontinuity(broadcast: Broadcast, shelf: Shelf, stream: bytes, change: Change) -> None:
    broadcast.send(stream, change=change)
    broadcast.packager.end()
    last = check_all(shelf.lists)
    assert {segment.discontinuity for segment in last.segments} == {0, 1}
    assert len({segment.init for segment in last.segments}) == 1


def test_a_fragment_that_is_missing_is_no_discontinuity(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    broadcast.send(stream, change=lambda cut: [*cut[:16], *cut[17:]])
    broadcast.packager.end()
    last = check_all(shelf.lists)
    assert {segment.discontinuity for segment in last.segments} == {0}
    assert sum(segment.seconds for segment in last.whole) == pytest.approx(8, abs=0.05)


def test_a_picture_that_stood_still_is_a_discontinuity_of_no_length(
    broadcast: Broadcast, shelf: Shelf, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The encoder lost its network for twenty seconds. The last frame before it reaches to the first one after it:
    no segment is listed as that long.
    """
    stood = "trim=duration=5,setpts='PTS+gte(N,75)*20/TB'"
    data = ffmpeg(*picture(), "-vf", stood, "-fps_mode", "passthrough", *X264, "-g", "60", *FRAGMENTS)
    broadcast.send(data)
    broadcast.packager.end()
    last = check_all(shelf.lists)
    assert {segment.discontinuity for segment in last.segments} == {0, 1}
    assert sum(segment.seconds for segment in last.whole) == pytest.approx(5, abs=0.1)


def test_dates_are_as_steady_as_the_media_however_it_arrives(shelf: Shelf, stream: bytes) -> None:
    broadcast = Broadcast(shelf)
    for number, piece in enumerate(pieces(stream)):
        broadcast.now = START + 0.2 * number + (0.7 if number % 3 == 2 else 0.0)
        broadcast.packager.feed(piece)
    dates = [segment.date for segment in parse(shelf.live).segments]
    assert [date[17:] for date in dates[:2]] == ["20.000Z", "20.200Z"]
    assert [date[17:] for date in dates[2:]] == ["22.000Z", "24.000Z", "26.000Z"]


def test_a_stream_that_comes_later_for_good_has_later_dates(shelf: Shelf, stream: bytes) -> None:
    broadcast = Broadcast(shelf)
    for number, piece in enumerate(pieces(stream)):
        broadcast.now = START + 0.2 * number + (1.5 if number > 15 else 0.0)
        broadcast.packager.feed(piece)
    assert [segment.date[17:] for segment in parse(shelf.live).segments][-2:] == ["24.000Z", "27.500Z"]


def test_the_master_playlist_has_codecs_size_and_rate(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    broadcast.send(stream)
    *_, info, name = shelf.files["master.m3u8"].decode().splitlines()
    assert name == "live.m3u8"
    assert 'CODECS="avc1.42c00b,mp4a.40.2",RESOLUTION=160x90' in info
    assert 50_000 < int(info.split("BANDWIDTH=")[1].split(",")[0]) < 500_000


def test_names_do_not_come_again_after_a_restart(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    """Also when the clock has gone back meanwhile."""
    broadcast.send(stream)
    before = dict(shelf.files)
    broadcast.now = START - 60
    broadcast.restart()
    broadcast.send(stream)
    lists = {"live.m3u8", "live-delta.m3u8", "master.m3u8"}
    assert {name: data for name, data in shelf.files.items() if name in before.keys() - lists} == {
        name: data for name, data in before.items() if name not in lists
    }


def test_names_are_those_that_the_site_serves_and_caches(broadcast: Broadcast, shelf: Shelf, stream: bytes) -> None:
    broadcast.send(stream)
    broadcast.packager.end()
    for name in shelf.files:
        assert resolve(f"/media/{uuid4()}/{name}").url_name == "media"
        assert caching(name).endswith("immutable") == (not name.endswith(".m3u8"))


def test_a_restart_goes_on_with_numbers_parts_and_discontinuities(
    broadcast: Broadcast, shelf: Shelf, stream: bytes
) -> None:
    """The parts that were no segment yet become one: players have them already."""
    broadcast.send(stream, change=lambda cut: cut[:26])
    broadcast.restart()
    broadcast.send(stream, change=lambda cut: cut[:26])
    broadcast.restart()
    broadcast.packager.end()
    check_all(shelf.lists[:24])
    last = check_all(shelf.lists[24:])
    assert [segment.discontinuity for segment in last.whole] == [0, 0, 0, 0, 1, 1, 1, 1]
    lengths = [segment.seconds for segment in last.whole if segment.discontinuity]
    assert lengths[:2] == pytest.approx([0.2, 1.8], abs=0.02), "players need a whole one to begin"
    assert sum(segment.seconds for segment in last.whole) == pytest.approx(10, abs=0.1)
    for segment in last.whole:
        assert segment.name in shelf.files


def test_the_window_moves_and_numbers_rise_with_it(shelf: Shelf, stream: bytes) -> None:
    broadcast = Broadcast(shelf, durations=Durations(window=12))
    for _ in range(6):
        broadcast.send(stream)
        broadcast.packager.discontinue()
    last = check_all(shelf.lists)
    assert int(last.tags["#EXT-X-MEDIA-SEQUENCE"]) > 12
    assert int(last.tags["#EXT-X-DISCONTINUITY-SEQUENCE"]) >= 3
    assert 12 <= sum(segment.seconds for segment in last.whole) < 14.1


def test_a_delta_is_the_list_without_what_is_far_from_its_end(
    broadcast: Broadcast, shelf: Shelf, stream: bytes
) -> None:
    for _ in range(6):
        broadcast.send(stream)
    text = shelf.files["live-delta.m3u8"].decode()
    head, skip, tail = re.split(r"(#EXT-X-SKIP:SKIPPED-SEGMENTS=\d+\n)", text)
    assert shelf.live.startswith(head)
    assert shelf.live.endswith(re.sub(r"^#EXT-X-MAP.*\n", "", tail))
    whole, delta = check(shelf.live), check(text)
    assert len(whole.segments) - len(delta.segments) == int(skip.split("=")[1])
    assert delta.segments[0].sequence == whole.segments[-len(delta.segments)].sequence
    seconds = [segment.seconds or segment.part_seconds for segment in delta.segments]
    assert sum(seconds[1:]) < 24 <= sum(seconds)


def test_a_fragment_that_lasts_too_long_is_refused_in_words(broadcast: Broadcast) -> None:
    one = ffmpeg(*picture(), "-t", "6", *X264, "-g", "300", *FRAGMENTS[:4], "pipe:1")
    with pytest.raises(MalformedBox, match=r"A fragment lasts 6\.0 s; the limit is 4\."):
        broadcast.packager.feed(one)


def test_a_fragment_that_cannot_be_moved_is_refused_in_words(broadcast: Broadcast) -> None:
    flags = ("-f", "mp4", "-movflags", "+frag_keyframe+empty_moov", "pipe:1")
    with pytest.raises(MalformedBox, match="cannot be moved"):
        broadcast.packager.feed(ffmpeg(*picture(), "-t", "1", *X264, *flags))


def test_an_encoder_that_died_in_the_middle_of_a_box_leaves_nothing_of_it(
    broadcast: Broadcast, shelf: Shelf, stream: bytes
) -> None:
    broadcast.packager.feed(stream[: len(stream) // 2])
    broadcast.packager.discontinue()
    broadcast.send(stream)
    check(shelf.live)


def test_fragments_without_a_head_are_refused_in_words(stream: bytes) -> None:
    with pytest.raises(MalformedBox, match="without a head"):
        Packager(Shelf()).feed(pieces(stream)[1])


@given(st.integers(0), st.binary(min_size=1, max_size=4))
def test_a_damaged_stream_is_refused_or_packaged(stream: bytes, place: int, damage: bytes) -> None:
    """Nothing but MalformedBox comes out of the packager, whichever bytes of heads are wrong."""
    head, fragment, *_ = pieces(stream)
    data = bytearray(head + fragment)
    place %= len(head) + 300
    data[place : place + len(damage)] = damage
    try:
        Packager(Shelf(), durations=Durations()).feed(bytes(data))
    except MalformedBox as error:
        assert str(error).endswith(".")
