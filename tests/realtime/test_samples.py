"""What sampled viewers acknowledge, joined with what was written to them. Time moves when told to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from realtime.events import ConnectionId
from realtime.samples import ENTRIES_MAX, LOST_SECONDS, SAMPLED_MAX, STARTS_PER_SECOND, Samples, entries_of
from realtime.stamps import Journey, Passage

ANA, BO = ConnectionId("ana"), ConnectionId("bo")
WRITTEN_MS = 10_012
JOURNEY = Journey("note", Passage("eu", {"node": 10_010}), 10_000, (10_000,))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def at_1050_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.samples.now_ms", lambda: 10_050)


@pytest.fixture
def samples(clock: Clock) -> Iterator[Samples]:
    made = Samples(clock=clock, share=1.0)
    assert made.enter(ANA)
    clock.now += 1.0
    yield made


def counted(name: str = "live_hop_seconds_count", **labels: str) -> float:
    seen = {"hop": "seen", "event": "note", "region": "eu"} if name.startswith("live_hop") else {}
    return REGISTRY.get_sample_value(name, {**seen, **labels}) or 0.0


def test_what_was_seen_is_counted_once_from_when_it_was_received(samples: Samples) -> None:
    before = counted(), counted("live_hop_seconds_sum")
    number = samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    assert samples.saw(ANA, [(number, 10_040)]) == 1
    assert samples.saw(ANA, [(number, 10_041)]) == 0
    assert counted() == before[0] + 1
    assert counted("live_hop_seconds_sum") == pytest.approx(before[1] + 0.040)


def test_nobody_acknowledges_for_another_connection(samples: Samples) -> None:
    assert samples.enter(BO)
    number = samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    assert samples.saw(BO, [(number, 10_040)]) == 0
    assert samples.saw(ConnectionId("nobody"), [(number, 10_040)]) == 0
    assert samples.saw(ANA, [(number, 10_040)]) == 1


@pytest.mark.parametrize("seen_ms", [0, WRITTEN_MS - 2_001, 10_050 + 2_001, 1 << 60])
def test_impossible_moment_changes_nothing(samples: Samples, seen_ms: int) -> None:
    before = counted()
    number = samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    assert samples.saw(ANA, [(number, seen_ms), (number + 1, 10_040)]) == 0
    assert counted() == before
    assert samples.saw(ANA, [(number, 10_040)]) == 1


def test_what_is_not_acknowledged_in_time_is_lost_and_later_nothing(samples: Samples, clock: Clock) -> None:
    lost = counted("live_samples_lost_total")
    number = samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    clock.now += LOST_SECONDS
    samples.expire()
    assert counted("live_samples_lost_total") == lost
    clock.now += 0.1
    samples.expire()
    assert counted("live_samples_lost_total") == lost + 1
    assert samples.saw(ANA, [(number, 10_040)]) == 0


def test_what_a_viewer_who_left_has_not_acknowledged_is_not_lost(samples: Samples, clock: Clock) -> None:
    lost = counted("live_samples_lost_total")
    samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    samples.leave(ANA)
    clock.now += LOST_SECONDS * 2
    samples.expire()
    assert counted("live_samples_lost_total") == lost


def test_sample_is_the_share_of_connections_and_bounded(clock: Clock) -> None:
    draws = iter((0.3, 0.1, 0.2) + (0.0,) * 100)
    samples = Samples(clock=clock, share=0.2, draw=lambda: next(draws))
    assert [samples.enter(ConnectionId(str(number))) for number in range(3)] == [False, True, False]
    assert sum(samples.enter(ConnectionId(f"more {number}")) for number in range(100)) == SAMPLED_MAX - 1
    samples.leave(ConnectionId("1"))
    assert Samples(clock=clock, share=0.0, draw=lambda: 0.0).enter(ANA) is False


def test_frames_that_are_to_be_acknowledged_are_bounded_however_many_are_written(
    samples: Samples, clock: Clock
) -> None:
    samples.enter(BO)
    started = 0
    for _ in range(10 * STARTS_PER_SECOND):
        clock.now += 0.001
        started += bool(samples.begin(JOURNEY, WRITTEN_MS, [ANA, BO]))
    assert started * 2 <= (10 * 0.4 + 1) * STARTS_PER_SECOND * 1.01


@pytest.mark.parametrize(
    "value", [None, {}, "1", [1], [[1]], [[1, 2, 3]], [["1", 2]], [[1, True]], [[1.5, 2]], [[1, 2]] * (ENTRIES_MAX + 1)]
)
def test_what_is_no_list_of_frames_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="frame"):
        entries_of(value)
