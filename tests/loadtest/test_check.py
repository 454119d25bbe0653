"""What a viewer has seen: events, and how many likes the totals hold."""

from __future__ import annotations

from collections import Counter

from loadtest.check import LikeCycle, parse_event


def test_an_event_may_have_several_data_lines() -> None:
    message = parse_event(b'id: 1\nevent: comment\ndata: {"a":\ndata:1}')
    assert message
    assert (message.name, message.data) == ("comment", {"a": 1})


def test_a_comment_is_no_event() -> None:
    assert parse_event(b": hb") is None


def test_each_like_is_one_step_through_all_rounds_of_the_cycle() -> None:
    cycle = LikeCycle(10)
    mine: dict[int, str] = {}
    for number in range(200):
        viewer, kind = cycle.step(number)
        if kind is None:
            del mine[viewer]
        else:
            mine[viewer] = kind
        assert cycle.position(Counter(mine.values()), near=number) == number + 1


def test_likes_may_overtake_each_other_within_half_a_pool() -> None:
    cycle = LikeCycle(10)
    mine: dict[int, str] = {}
    for number in range(0, 210, 5):
        for step in (4, 2, 0, 3, 1):
            viewer, kind = cycle.step(number + step)
            if kind is None:
                mine.pop(viewer)
            else:
                mine[viewer] = kind
        assert cycle.position(Counter(mine.values()), near=number) == number + 5


def test_an_old_state_has_an_old_position() -> None:
    cycle = LikeCycle(10)
    assert cycle.position({"like": 9}, near=30) == 9
    assert cycle.position({"like": 9}, near=70) == 79
