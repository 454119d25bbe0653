"""What a playlist says: how far it is, which part comes next, what may be asked for."""

from __future__ import annotations

import pytest

from videos.playlists import BadDirective, Wanted, check_reach, read_playlist, wanted

LIVE = """#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6
#EXT-X-PART-INF:PART-TARGET=0.2
#EXT-X-MEDIA-SEQUENCE:7
#EXTINF:2.0,
1790000000000-7.m4s
#EXT-X-PART:DURATION=0.2,URI="1790000000000_80.m4s"
#EXT-X-PART:DURATION=0.2,URI="1790000000000_81.m4s"
#EXTINF:2.0,
1790000000000-8.m4s
#EXT-X-PART:DURATION=0.2,URI="1790000000000_90.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="1790000000000_91.m4s"
"""


def live(text: str = LIVE) -> bytes:
    return text.encode()


@pytest.mark.parametrize(
    ("msn", "part", "is_there"),
    [
        (7, None, True), (8, None, True), (8, 1, True), (9, 0, True),
        (8, 5, True),  # beyond the last part of a segment: the first of the next
        (9, None, False), (9, 1, False), (10, None, False), (10, 0, False),
    ],
)  # fmt: skip
def test_a_playlist_has_what_it_lists_and_all_before(msn: int, part: int | None, is_there: bool) -> None:
    assert read_playlist(live(), 1).has(msn, part) is is_there


def test_what_a_playlist_leaves_out_counts() -> None:
    """A player that knows the older segments already asks for those that are new."""
    text = LIVE.replace("#EXTINF:2.0,\n1790000000000-7.m4s\n", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n")
    assert read_playlist(live(text), 1).last_msn == read_playlist(live(), 1).last_msn == 8


def test_a_playlist_says_what_comes_next_and_how_long_one_waits() -> None:
    playlist = read_playlist(live(), 1)
    assert (playlist.hint, playlist.target_seconds, playlist.can_block) == ("1790000000000_91.m4s", 2, True)


@pytest.mark.parametrize("change", [("CAN-BLOCK-RELOAD=YES,", ""), ("#EXTM3U", "#EXTM3U\n#EXT-X-ENDLIST")])
def test_nothing_is_waited_for_where_nothing_will_come(change: tuple[str, str]) -> None:
    """A playlist of another encoder, and that of a broadcast that has ended, answer at once."""
    playlist = read_playlist(live(LIVE.replace(*change)), 1)
    check_reach(Wanted(99, None), playlist)
    assert Wanted(99, None).is_in(playlist)


def test_a_playlist_of_renditions_names_those_beside_it() -> None:
    text = '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI="sound.m3u8"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n'
    text += (
        "#EXT-X-STREAM-INF:BANDWIDTH=2\nhttps://elsewhere.example/high.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=3\n../x.m3u8\n"
    )
    assert read_playlist(text.encode(), 1).renditions == ("low.m3u8", "sound.m3u8")


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe\x00", b"#EXTM3U", b"#EXT-X-TARGETDURATION:\n#EXT-X-MEDIA-SEQUENCE:x\n", b"\n" * 1_000]
)
def test_what_is_no_playlist_says_nothing(body: bytes) -> None:
    playlist = read_playlist(body, 1)
    assert (playlist.body, playlist.target_seconds, playlist.hint, playlist.can_block) == (body, 0, "", False)


@pytest.mark.parametrize("msn", ["", "x", "-1", "1.5", "9" * 19, "\N{ARABIC-INDIC DIGIT THREE}"])
@pytest.mark.parametrize("part", [None, "1"])
def test_what_is_no_number_is_refused_in_words(msn: str | None, part: str | None) -> None:
    with pytest.raises(BadDirective, match="_HLS_"):
        wanted(msn, part)


def test_two_segments_ahead_may_be_waited_for_and_three_not() -> None:
    playlist = read_playlist(live(), 1)
    check_reach(Wanted(10, 3), playlist)
    with pytest.raises(BadDirective, match="10 at most"):
        check_reach(Wanted(11, None), playlist)


@pytest.mark.parametrize("msn", [None, "1"])
def test_a_part_is_a_part_of_a_segment(msn: str | None) -> None:
    with pytest.raises(BadDirective, match="_HLS_part"):
        wanted(msn, "x")
