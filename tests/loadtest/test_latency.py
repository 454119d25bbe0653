"""From the moment a request was sent to the moment each viewer read it."""

from __future__ import annotations

from collections import Counter

import pytest

from loadtest.check import TICKS_MAX, UNTIMED, Sightings
from loadtest.latency import Histogram, Ledger
from tests.kit import held_by


def test_percentiles_are_the_smallest_latencies_that_so_many_deliveries_had() -> None:
    histogram = Histogram()
    histogram.add({1_000 + ticks: 1 for ticks in range(1, 101)}, sent_tick=1_000)
    assert histogram.percentiles() == {"p50": 5.0, "p90": 9.0, "p99": 9.9, "max": 10.0}


def test_very_many_long_latencies_keep_three_digits_and_the_exact_maximum() -> None:
    histogram = Histogram()
    histogram.add(dict.fromkeys(range(100_000, 130_000), 1), sent_tick=0)
    assert histogram.percentiles() == {"p50": 11_400.0, "p90": 12_600.0, "p99": 12_900.0, "max": 12_999.9}
    assert histogram.count == 30_000


def test_without_deliveries_there_are_no_percentiles() -> None:
    assert Histogram().percentiles() == {"p50": None, "p90": None, "p99": None, "max": None}


def test_each_like_is_matched_with_the_first_state_that_covers_it() -> None:
    ledger = Ledger()
    ledger.like_acknowledged(1, sent_tick=100)
    ledger.like_acknowledged(2, sent_tick=150)
    ledger.absorb(Sightings(likes={(0, 2): Counter({300: 1}), (0, 1): Counter({120: 1}), (1, 2): Counter({160: 1})}))
    ledger.match(unanswered_since=None)
    assert ledger.like_deliveries == 4
    assert ledger.likes.count == 4
    assert ledger.likes.percentiles() == {"p50": 2.0, "p90": 20.0, "p99": 20.0, "max": 20.0}


def test_a_like_that_is_answered_after_it_was_seen_is_matched_all_the_same() -> None:
    ledger = Ledger()
    ledger.absorb(Sightings(likes={(0, 1): Counter({120: 1})}))
    ledger.match(unanswered_since=100)
    assert ledger.likes.count == 0
    ledger.like_acknowledged(1, sent_tick=100)
    ledger.match(unanswered_since=None)
    assert ledger.likes.count == 1


def test_a_comment_that_is_answered_after_it_was_seen_is_matched_all_the_same() -> None:
    ledger = Ledger()
    ledger.absorb(Sightings(comments={(1, "a"): Counter({120: 7})}))
    ledger.match(unanswered_since=None)
    ledger.comment_acknowledged("a", seq=1, sent_tick=100)
    ledger.match(unanswered_since=None)
    assert ledger.comment.count == 7


def test_what_a_viewer_saw_who_is_late_on_purpose_is_delivered_and_has_no_latency() -> None:
    ledger = Ledger()
    ledger.like_acknowledged(1, sent_tick=100)
    ledger.comment_acknowledged("a", seq=1, sent_tick=100)
    ledger.absorb(
        Sightings(
            comments={(1, "a"): Counter({UNTIMED: 3, 150: 1})},
            likes={(0, 1): Counter({UNTIMED: 2}), (0, 2): Counter({160: 1})},
        )
    )
    ledger.match(unanswered_since=None)
    assert (ledger.like_deliveries, ledger.likes.count, ledger.comment.count) == (4, 1, 1)
    assert ledger.replaced() == 0


def test_the_latencies_of_a_second_are_told_apart_from_those_of_the_run() -> None:
    ledger = Ledger()
    for second in (1, 2):
        ledger.comment_acknowledged(str(second), seq=second, sent_tick=0)
        ledger.absorb(Sightings(comments={(second, str(second)): Counter({100 * second: 1})}))
        assert ledger.match(unanswered_since=None)["comment"]["p50"] == 10.0 * second
    assert ledger.comment.percentiles()["max"] == 20.0
    assert ledger.comment.count == 2


def test_what_thousands_saw_at_as_many_moments_is_rounded_up_and_nobody_is_forgotten() -> None:
    few, many = Counter({1_001: 2, 1_009: 1}), Counter(dict.fromkeys(range(1_001, 31_001), 1))
    sightings = Sightings(comments={(1, "a"): few}, likes={(0, 1): many}).compact()
    assert sightings.comments[1, "a"] == few
    rounded = sightings.likes[0, 1]
    assert len(rounded) <= TICKS_MAX
    assert rounded.total() == 30_000
    assert (min(rounded), max(rounded)) == (1_100, 31_000)


def test_a_site_that_hung_is_measured_in_few_steps_and_rounded_up() -> None:
    ledger = Ledger()
    for like in range(1, 1_001):
        ledger.like_acknowledged(like, sent_tick=100 * like)
    ledger.absorb(Sightings(likes={(0, 1_000): Counter(dict.fromkeys(range(200_001, 200_501), 2))}))
    ledger.match(unanswered_since=None)
    assert ledger.likes.count == 1_000 * 1_000
    assert held_by(ledger.likes) < 2_000
    found = ledger.likes.percentiles()
    assert found["max"] is not None
    assert 20_040 <= found["max"] <= 20_240
    assert found["p50"] == pytest.approx(15_000, rel=0.02)


def test_a_distribution_has_ten_bounds_to_a_decade_and_counts_everybody() -> None:
    histogram = Histogram()
    histogram.add({10: 1, 100: 5, 101: 2}, sent_tick=0)
    distribution = histogram.distribution()
    assert next(iter(distribution)) == 1.0
    assert distribution[10.0] == 5
    assert list(distribution.values()) == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2]
    assert Histogram().distribution() == {}
