"""What sampled viewers acknowledge, joined with what was written to them. Time moves when told to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from realtime.events import ConnectionId
from realtime.node.acknowledgements import (
    ENTRIES_MAX,
    LOST_SECONDS,
    READERS_MAX,
    SAMPLED_MAX,
    STARTS_PER_SECOND,
    WAITING_MAX,
    Acknowledgements,
    entries_of,
)
from realtime.stamps import Journey, Passage
from tests.kit import Clock

ANA, BO = ConnectionId("ana"), ConnectionId("bo")
WRITTEN_MS = 10_012
JOURNEY = Journey("note", Passage("eu", {"node": 10_010}), 10_000, (10_000,))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def at_1050_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.node.acknowledgements.now_ms", lambda: 10_050)


@pytest.fixture
def samples(clock: Clock) -> Iterator[Acknowledgements]:
    made = Acknowledgements(clock=clock, share=1.0)
    assert made.enter(ANA)
    clock.now += 1.0
    yield made


def counted(name: str = "live_hop_seconds_count", **labels: str) -> float:
    seen = {"hop": "seen", "event": "note", "region": "eu"} if name.startswith("live_hop") else {}
    return REGISTRY.get_sample_value(name, {**seen, **labels}) or 0.0


def test_what_was_seen_is_counted_once_from_when_it_was_received(samples: Acknowledgements) -> None:
    before = counted(), counted("live_hop_seconds_sum")
    number = samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    assert samples.saw(ANA, [(number, 10_040)]) == 1
    assert samples.saw(ANA, [(number, 10_041)]) == 0
    assert counted() == before[0] + 1
    assert counted("live_hop_seconds_sum") == pytest.approx(before[1] + 0.040)


def test_nobody_acknowledges_for_another_connection(samples: Acknowledgements) -> None:
    assert samples.enter(BO)
    number = samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    assert samples.saw(BO, [(number, 10_040)]) == 0
    assert samples.saw(ConnectionId("nobody"), [(number, 10_040)]) == 0
    assert samples.saw(ANA, [(number, 10_040)]) == 1


@pytest.mark.parametrize("seen_ms", [0, WRITTEN_MS - 2_001, 10_050 + 2_001, 1 << 60])
def test_impossible_moment_changes_nothing(samples: Acknowledgements, seen_ms: int) -> None:
    before = counted()
    number = samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    assert samples.saw(ANA, [(number, seen_ms), (number + 1, 10_040)]) == 0
    assert counted() == before
    assert samples.saw(ANA, [(number, 10_040)]) == 1


def test_what_is_not_acknowledged_in_time_is_lost_and_later_nothing(samples: Acknowledgements, clock: Clock) -> None:
    lost = counted("live_samples_lost_total")
    number = samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    clock.now += LOST_SECONDS
    samples.expire()
    assert counted("live_samples_lost_total") == lost
    clock.now += 0.1
    samples.expire()
    assert counted("live_samples_lost_total") == lost + 1
    assert samples.saw(ANA, [(number, 10_040)]) == 0


def test_what_a_viewer_who_left_has_not_acknowledged_is_not_lost(samples: Acknowledgements, clock: Clock) -> None:
    lost = counted("live_samples_lost_total")
    samples.begin(JOURNEY, WRITTEN_MS, [ANA])
    samples.leave(ANA)
    clock.now += LOST_SECONDS * 2
    samples.expire()
    assert counted("live_samples_lost_total") == lost


def test_sample_is_the_share_of_connections_and_bounded(clock: Clock) -> None:
    draws = iter((0.3, 0.1, 0.2) + (0.0,) * 100)
    samples = Acknowledgements(clock=clock, share=0.2, draw=lambda: next(draws, 0.0))
    assert [samples.enter(ConnectionId(str(number))) for number in range(3)] == [False, True, False]
    assert sum(samples.enter(ConnectionId(f"more {number}")) for number in range(300)) == SAMPLED_MAX - 1
    samples.leave(ConnectionId("1"))
    assert Acknowledgements(clock=clock, share=0.0, draw=lambda: 0.0).enter(ANA) is False


def test_viewers_of_a_big_sample_acknowledge_more_rarely_and_a_few_for_each_frame(
    samples: Acknowledgements, clock: Clock
) -> None:
    """Were it always those who came first, it would be those who are written to first."""
    assert samples.every_ms == 5_000
    readers = [ANA, *(ConnectionId(str(number)) for number in range(SAMPLED_MAX - 1))]
    assert all(samples.enter(reader) for reader in readers[1:])
    assert samples.every_ms == 20_000
    asked: set[ConnectionId] = set()
    for _ in range(100):
        clock.now += 1.0
        number = samples.begin(JOURNEY, WRITTEN_MS, readers)
        chosen = {reader for reader in readers if samples.saw(reader, [(number, 10_040)])}
        assert len(chosen) == READERS_MAX
        asked |= chosen
    assert len(asked) > SAMPLED_MAX // 2


def test_frames_that_are_to_be_acknowledged_are_bounded_however_many_are_written(clock: Clock) -> None:
    samples = Acknowledgements(
        clock=clock, share=1.0, draw=itertools.cycle(number / 100 for number in range(100)).__next__
    )
    samples.enter(ANA)

    def second(frames: int) -> int:
        """Return how many of the frames of a second are to be acknowledged; all of them are."""
        numbers = [samples.begin(JOURNEY, WRITTEN_MS, [ANA]) for _ in range(frames)]
        samples.expire()
        return samples.saw(ANA, [(number, 10_040) for number in numbers])

    second(10 * STARTS_PER_SECOND)
    assert second(10 * STARTS_PER_SECOND) == STARTS_PER_SECOND
    assert second(10) < 10
    assert second(10) == 10, "as soon as there is room again"


def test_frames_that_nobody_acknowledges_take_bounded_memory(samples: Acknowledgements, clock: Clock) -> None:
    started = sum(bool(samples.begin(JOURNEY, WRITTEN_MS, [ANA])) for _ in range(WAITING_MAX + 10))
    assert started == WAITING_MAX
    clock.now += LOST_SECONDS + 1
    samples.expire()
    samples.expire()
    assert samples.begin(JOURNEY, WRITTEN_MS, [ANA])


@pytest.mark.parametrize(
    "value", [None, {}, "1", [1], [[1]], [[1, 2, 3]], [["1", 2]], [[1, True]], [[1.5, 2]], [[1, 2]] * (ENTRIES_MAX + 1)]
)
def test_what_is_no_list_of_frames_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="frame"):
        entries_of(value)
