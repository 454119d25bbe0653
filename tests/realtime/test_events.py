"""Events, their wire form, and the frames viewers read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime import events
from realtime.events import (
    Burst,
    Counters,
    Durable,
    Epoch,
    Frame,
    Position,
    Signal,
    State,
    TopicName,
    coalesce,
    from_wire,
    newest,
    to_wire,
)
from tests.realtime.fakes import read_chunks, read_event_stream, read_websocket

VIDEO = TopicName("video:1")
texts = st.text(st.characters(exclude_categories=["Cs"]))
kinds = st.dictionaries(st.sampled_from(["like", "love", "funny"]), st.integers(0, 1 << 40))
some_totals = st.builds(Counters, st.just(VIDEO), st.integers(0, 99), kinds, st.tuples(texts), st.integers(1, 1 << 42))
some_bursts = st.builds(Burst, st.just(VIDEO), st.dictionaries(texts, st.integers(1, 50)), st.integers(1, 1 << 42))
some_durables = st.builds(
    lambda seq, text: Durable.of(VIDEO, seq=seq, name="comment", at_ms=5, data={"comment": text}),
    st.integers(1, 1 << 60),
    texts,
)
some_data = st.dictionaries(texts, texts | st.integers(0, 9))
some_states = st.builds(State, st.just(VIDEO), st.integers(0, 1 << 42), st.sampled_from(["presence", "x"]), some_data)
some_signals = st.builds(
    Signal, st.just(VIDEO), st.just("typing"), st.sampled_from(["ana", "bo"]), some_data, st.integers(1, 1 << 42)
)
some_events = some_totals | some_bursts | some_durables | some_states | some_signals


@given(some_events)
def test_event_survives_the_wire(event: events.Event) -> None:
    assert from_wire(json.loads(json.dumps(to_wire(event)))) == event


@pytest.mark.parametrize(
    "item", [None, [], {}, "d", ["d"], ["d", VIDEO, "1", "n", "{}"], [1], ["t", VIDEO, 1, [], [], 1]]
)
def test_what_nobody_writes_is_no_event(item: object) -> None:
    with pytest.raises(ValueError, match="not an event"):
        from_wire(item)


def test_event_of_a_newer_version_is_told_from_nonsense() -> None:
    assert from_wire(["future", VIDEO, 1]) is None


@given(texts)
def test_any_text_is_read_back_by_an_event_stream_and_a_websocket(text: str) -> None:
    """CR, LF, U+2028, NUL, colons, leading spaces: none of them splits an event."""
    frame = events.frame("comment", {"body": text}, id="video:1@7")
    assert read_event_stream(read_chunks(frame.sse)) == [("comment", {"body": text})]
    assert read_websocket(frame.websocket) == [("comment", {"body": text})]
    assert frame.text.startswith(b"id: video:1@7\nevent: comment\ndata: ")


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_websocket_frame_says_its_length(size: int) -> None:
    frame = Frame("n", json.dumps("x" * size).encode())
    expected: list[Any] = [("n", "x" * size)]
    assert read_websocket(frame.websocket * 2) == expected * 2


@given(st.lists(some_totals, min_size=1))
def test_newest_counters_win_whatever_the_order(totals: list[Counters]) -> None:
    [kept] = coalesce(totals)
    assert isinstance(kept, Counters)
    assert kept.version == max(one.version for one in totals)
    assert kept.at_ms == min(one.at_ms for one in totals)


@given(st.lists(some_bursts, min_size=1))
def test_taps_are_summed(bursts: list[Burst]) -> None:
    [kept] = coalesce(bursts)
    assert isinstance(kept, Burst)
    assert sum(kept.counts.values()) == sum(sum(one.counts.values()) for one in bursts)


@given(st.lists(some_states, min_size=1))
def test_of_states_with_one_name_the_newest_is_kept(states: list[State]) -> None:
    kept = coalesce(states)
    newest_versions = {name: max(s.version for s in states if s.name == name) for name in {s.name for s in states}}
    assert {state.name: state.version for state in kept if isinstance(state, State)} == newest_versions
    assert len(kept) == len(newest_versions)


@given(st.lists(some_signals, min_size=1))
def test_of_signals_about_one_thing_the_last_is_kept(signals: list[Signal]) -> None:
    assert coalesce(signals) == list({signal.key: signal for signal in signals}.values())


@given(st.lists(some_durables))
def test_durable_events_are_never_coalesced(durables: list[Durable]) -> None:
    assert coalesce(durables) == durables


def test_newest_of_equal_versions_keeps_both_names() -> None:
    older, newer = Counters(VIDEO, 1, {"like": 1}, ("Ada",), 5), Counters(VIDEO, 2, {"like": 2}, ("Bo",), 9)
    assert newest(older, newer) == newest(newer, older) == Counters(VIDEO, 2, {"like": 2}, ("Bo", "Ada"), 5)


def test_event_id_is_read_back() -> None:
    for position in (Position(Epoch("aB3_-x"), 42), Position(Epoch(""), 7)):
        assert events.parse_event_id(events.event_id(VIDEO, position)) == (VIDEO, position)


def test_position_of_before_there_were_epochs_is_known_and_good_for_nothing() -> None:
    assert events.parse_event_id("video:1@7") == (VIDEO, Position(Epoch(""), 7))
    assert events.position_in(VIDEO, 7) == events.UNKNOWN
    assert events.position_in(VIDEO, "video:2@e.7") == events.UNKNOWN
    assert events.position_in(VIDEO, "video:1@e.7") == Position(Epoch("e"), 7)
    assert events.position_in(VIDEO, None) is None


@pytest.mark.parametrize("after", [-1, 2**63, True, 1.0, "7", "e.7", [], "video:1@e.x"])
def test_what_is_no_position_of_a_client(after: object) -> None:
    with pytest.raises(ValueError, match="after looks like"):
        events.position_in(VIDEO, after)


@pytest.mark.parametrize(
    "text",
    ["", "video:1", "video:1@", "video:1@-1", "video:1@x", "@5", "x@5", "video:1@²", "video:1@" + "9" * 19, "a@b@5"]
    + [f"video:1@{at}" for at in (".5", "e.", "e.-5", "e.5\n", "e e.5", "é.5", "e.5.5", "x" * 13 + ".5", "e,e.5")],
)
def test_what_is_no_event_id(text: str) -> None:
    assert events.parse_event_id(text) is None
