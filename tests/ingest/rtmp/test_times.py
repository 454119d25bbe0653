"""Times of frames that go on, whatever their encoder says."""

from __future__ import annotations

import itertools

from hypothesis import example, given
from hypothesis import strategies as st

from ingest.rtmp.times import SteadyTimes

SOUND, PICTURE = 8, 9


def mended(*frames: tuple[int, int]) -> list[int]:
    times = SteadyTimes()
    return [times.steady(kind, time) for kind, time in frames]


def test_times_in_order_stay_as_they_are() -> None:
    frames = [(PICTURE, 90_000), (SOUND, 90_010), (PICTURE, 90_040), (SOUND, 90_033), (PICTURE, 91_900)]
    assert mended(*frames) == [time for _, time in frames]


def test_a_picture_that_stands_still_does_not_jump() -> None:
    """The sound says how time went meanwhile."""
    sound = [(SOUND, 100 * number) for number in range(100)]
    assert mended((PICTURE, 0), *sound, (PICTURE, 9_900))[-1] == 9_900


def test_tracks_that_jump_by_the_same_stay_together() -> None:
    found = mended((PICTURE, 5_000), (SOUND, 5_010), (PICTURE, 5_040), (PICTURE, 0), (SOUND, 15), (PICTURE, 40))
    assert found == [5_000, 5_010, 5_040, 5_080, 5_095, 5_120]


def test_a_track_that_jumps_alone_goes_on_where_it_was() -> None:
    found = mended((PICTURE, 0), (SOUND, 0), (PICTURE, 40), (SOUND, 20), (PICTURE, 90_000), (SOUND, 40))
    assert found == [0, 0, 40, 20, 80, 40]


def test_a_track_that_begins_far_from_the_other_is_put_beside_it() -> None:
    """It kept its own time, and later took the other's: it jumped by days."""
    found = mended((SOUND, 2**31 + 1), (PICTURE, 1), (SOUND, 0), (PICTURE, 0), (PICTURE, 40))
    assert found == [2**31 + 1, 2**31 + 1, 2**31 + 1, 2**31 + 1, 2**31 + 41]


@example([(SOUND, 2**31 + 1), (PICTURE, 1), (SOUND, 0), (PICTURE, 0)])
@given(st.lists(st.tuples(st.sampled_from((SOUND, PICTURE)), st.integers(0, 2**32 - 1))))
def test_no_track_ever_goes_back(frames: list[tuple[int, int]]) -> None:
    found = list(zip((kind for kind, _ in frames), mended(*frames), strict=True))
    for track in (SOUND, PICTURE):
        for before, after in itertools.pairwise(time for kind, time in found if kind == track):
            assert (after - before) % 2**32 < 2**31
