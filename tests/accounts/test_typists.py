"""How often "typing" is passed on: once in two seconds, and "stopped" once after it."""

from __future__ import annotations

import pytest

from accounts.typists import TYPING_SECONDS, TypingLimit
from tests.kit import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> TypingLimit:
    return TypingLimit(clock)


def test_typing_passes_once_in_two_seconds(limit: TypingLimit, clock: Clock) -> None:
    assert [limit.passes("ada", "here", is_typing=True) for _ in range(50)] == [True, *[False] * 49]
    clock.advance(TYPING_SECONDS)
    assert limit.passes("ada", "here", is_typing=True)


def test_typists_and_topics_are_apart(limit: TypingLimit) -> None:
    for typist, topic in (("ada", "here"), ("ada", "there"), ("bea", "here")):
        assert limit.passes(typist, topic, is_typing=True)


def test_stopped_passes_once_and_does_not_open_the_way_for_the_next(limit: TypingLimit, clock: Clock) -> None:
    for _ in range(3):
        assert limit.passes("ada", "here", is_typing=True)
        assert [limit.passes("ada", "here", is_typing=False) for _ in range(3)] == [True, False, False]
        assert not limit.passes("ada", "here", is_typing=True)
        clock.advance(TYPING_SECONDS)


def test_stopped_of_one_who_began_at_another_node_passes(limit: TypingLimit) -> None:
    assert [limit.passes("ada", "here", is_typing=False) for _ in range(2)] == [True, False]


def test_stopped_passes_again_for_a_typing_that_went_through_another_node(limit: TypingLimit, clock: Clock) -> None:
    """It was dropped as said already: the reader saw "is typing" until it expired."""
    for _ in range(3):
        assert limit.passes("ada", "here", is_typing=False)
        clock.advance(TYPING_SECONDS)


def test_who_was_refused_is_not_limited(limit: TypingLimit) -> None:
    assert limit.passes("ada", "here", is_typing=True)
    limit.forget("ada", "here")
    limit.forget("ada", "nowhere")
    assert limit.passes("ada", "here", is_typing=True)


def test_the_least_recent_typists_are_forgotten(clock: Clock) -> None:
    limit = TypingLimit(clock, typists_max=2)
    for typist in ("ada", "bea", "cem"):
        limit.passes(typist, "here", is_typing=True)
    assert limit.passes("ada", "here", is_typing=True)
    assert not limit.passes("cem", "here", is_typing=True)
