"""The load generator against a site that lies: whatever goes wrong for one viewer must be noticed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from loadtest import host
from loadtest.audience import WatcherDied
from loadtest.check import KINDS, TICKS_MAX, UNTIMED, LikeCycle, Sightings, fields_of, parse_event
from loadtest.connection import OPENING_MAX, Manner, Transport, Watch
from loadtest.hops import Readings, parse_metrics, read_hops
from loadtest.host import Address, DoesNotFit, find_site, make_room, reach, source_for
from loadtest.latency import Histogram, Ledger
from loadtest.page import to_html
from loadtest.plots import Plot, compact, line_plot, nice_step
from loadtest.report import to_json, to_line, to_text
from loadtest.requests import Command
from loadtest.run import LoadTest, Plan, Progress, Result, Sample
from loadtest.wire import (
    Broken,
    EventStream,
    Request,
    WebSocketStream,
    parse_head,
    websocket_request,
)
from realtime.metrics import quantile_ms
from realtime.websocket import websocket_frame
from tests.loadtest.fake_site import EPOCH, TOPIC, Event, FakeSite, FakeViewer

# Bytes


def test_an_event_stream_reads_the_same_however_its_bytes_are_cut() -> None:
    events = b"".join(b"event: e%d\r\ndata: {}\n\n" % number for number in range(3)) + b": hb\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (events[:7], events[7:30], events[30:]))
    whole = EventStream(chunked=True).feed(body)

    for size in range(1, len(body)):
        stream = EventStream(chunked=True)
        parts = [block for at in range(0, len(body), size) for block in stream.feed(body[at : at + size])]
        assert parts == whole
        assert stream.between_blocks
    assert [block.splitlines()[0] for block in whole] == [b"event: e0", b"event: e1", b"event: e2"]


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"\xef\xbb\xbfdata: 1\n\n\xef\xbb\xbfdata: 2\n\ndata: 3\n\n", ["message 1", "message 3"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: 1\n\ndata: 2\n\ndata: 3\n\n", ["message 2", "message 3"]),
        (b"data: 1\n:\x00\n:\r\ndata: 2\n:hb\r\n:\rdata: 3\r:data: fail\r\n\r\n", ["message 1,2,3"]),
        (b"data:1\ndata\ndata:2\n\n", ["message 1,,2"]),
        (b"event:  \ndata: 1\n\nevent: end\ndata: 2\n\n", ["  1", "end 2"]),
        (b"event: \ndata: 1\n\n", ["message 1"]),
        (b"event\ndata: 1\n\n", ["message 1"]),
        (b"data: 1\r\ndata\ndata: 2\r\r", ["message 1,,2"]),
        (b"data: 1\r\n\r", ["message 1"]),
        (b"data: 1\r\n\r\ndata: 2\r\n\r\n", ["message 1", "message 2"]),
        (b" data: 1\ndata:2\n\n", ["message 2"]),
        (b"data:\t1\rData:2\ndata:\n\n", ["message \t1,"]),
        (b"data: 1\nfoobar: 2\nid: 3\nretry: 4\n\n", ["message 1"]),
        (b"event: 1\n\ndata: 2\n\n", ["message 2"]),
        (b": hb\n: hb\ndata: 1\n\n: hb\n", ["message 1"]),
        ("data: \u2026\n\n".encode(), ["message \u2026"]),
        (b"data: never\n", []),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_an_event_stream_is_read_as_browsers_read_it(body: bytes, events: list[str], size: int) -> None:
    """What the web platform's own tests send (eventsource/format-*): a BOM, an empty name, a CR at the end."""
    stream = EventStream(chunked=False)
    blocks = [block for at in range(0, len(body), size) for block in stream.feed(body[at : at + size])]
    found = [fields for block in blocks if (fields := fields_of(block)) is not None]
    assert [f"{name} {data.decode()}".replace("\n", ",") for name, data in found] == events
    assert stream.between_blocks is (events != [])


def test_an_event_stream_knows_when_it_is_inside_a_block_or_chunk() -> None:
    stream = EventStream(chunked=True)
    stream.feed(b"5\r\ndata:\r\n")
    assert not stream.between_blocks
    assert stream.feed(b"4\r\n {}\n\r\n") == []
    assert stream.feed(b"1\r\n\n\r\n") == [b"data: {}"]
    assert stream.between_blocks


def test_an_event_stream_ends_with_its_last_chunk() -> None:
    stream = EventStream(chunked=True)
    stream.feed(b"0\r\n\r\n")
    assert stream.ended


@pytest.mark.parametrize("nonsense", [b"hello\r\n", b"-1\r\n", b"3\r\nabcde", b"fffffffff\r\n"])
def test_a_broken_chunk_is_an_error(nonsense: bytes) -> None:
    with pytest.raises(Broken):
        EventStream(chunked=True).feed(nonsense)


def test_websocket_messages_read_the_same_however_their_bytes_are_cut() -> None:
    long = b"x" * 70_000
    frames = (
        websocket_frame(b"one")
        + b"\x01\x02tw"
        + websocket_frame(b"", opcode=9)
        + b"\x80\x01o"
        + b"\x81\x7f"
        + len(long).to_bytes(8, "big")
        + long
    )
    for size in (1, 2, 3, 5, 1_000, len(frames)):
        stream = WebSocketStream()
        parts = [block for at in range(0, len(frames), size) for block in stream.feed(frames[at : at + size])]
        assert parts == [b"one", b"two", long]
        assert stream.between_blocks


def test_a_websocket_ping_is_answered_with_its_own_payload() -> None:
    stream = WebSocketStream()
    assert stream.feed(websocket_frame(b"echo", opcode=9)) == []
    reply = stream.take_replies()
    assert reply[0] == 0x8A
    assert bytes(byte ^ reply[2 + at % 4] for at, byte in enumerate(reply[6:])) == b"echo"
    assert stream.take_replies() == b""


@pytest.mark.parametrize("nonsense", [b"\x81\x85abcd", b"\xc1\x00", b"\x83\x00", b"\x81\x7f\xff" + b"\xff" * 7])
def test_a_frame_that_no_server_may_send_is_an_error(nonsense: bytes) -> None:
    with pytest.raises(Broken):
        WebSocketStream().feed(nonsense)


def test_a_head_is_read_once_it_is_whole() -> None:
    assert parse_head(b"HTTP/1.1 200 OK\r\nA: b\r\n") is None
    parsed = parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nrest")
    assert parsed
    assert parsed[0].chunked
    assert parsed[1] == b"rest"
    with pytest.raises(Broken):
        parse_head(b"SSH-2.0\r\n\r\n")


def test_an_event_may_have_several_data_lines() -> None:
    message = parse_event(b'id: 1\nevent: comment\ndata: {"a":\ndata:1}')
    assert message
    assert (message.name, message.data) == ("comment", {"a": 1})


def test_a_comment_is_no_event() -> None:
    assert parse_event(b": hb") is None


# Counting likes


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


# Latency


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
    assert len(ledger.likes._counts) < 2_000
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


# Whole load tests


@pytest.fixture
async def fake() -> AsyncIterator[FakeSite]:
    async with FakeSite() as site:
        yield site


def load_test(site: FakeSite, **changes: Any) -> LoadTest:
    """Return a small load test against the fake site. `by_websocket`: likes and comments go over WebSockets."""
    told = changes.pop("told", [])
    by_websocket = changes.pop("by_websocket", False)
    watch = Watch(TOPIC, [reach(site.url)], changes.pop("transport", Transport.SSE), **changes.pop("watch", {}))
    plan: dict[str, Any] = {
        "viewers": 6,
        "seconds": 0.2,
        "likes_per_s": 100,
        "comments_per_s": 50,
        "like_pool": 100,
        "settle_seconds": 0.5,
        "speakers": range(101 if by_websocket else 0),
        **changes,
    }

    def like(viewer: int, kind: str | None) -> Request | Command:
        if by_websocket:
            return Command(viewer, {"op": "like", "kind": kind} if kind else {"op": "unlike"})
        body = json.dumps({"kind": kind}).encode() if kind else b""
        return Request("PUT" if kind else "DELETE", "/like", {"Authorization": str(viewer)}, body)

    def comment(number: int) -> Request | Command:
        if by_websocket:
            return Command(100, {"op": "comment", "body": str(number)})
        return Request("POST", "/comments", {"Authorization": "c"}, json.dumps({"body": str(number)}).encode())

    def introduce(viewer: int, address: Address) -> Request:
        handshake = websocket_request("/ws", origin=address.url)
        return replace(handshake, headers={**handshake.headers, "Authorization": str(viewer)})

    return LoadTest(
        Plan(
            watch,
            ticket=lambda: "t",
            like=like,
            comment=comment,
            state=Request("GET", "/state"),
            introduce=introduce,
            **plan,
        ),
        site=None,
        tell=told.append,
    )


async def run(site: FakeSite, **changes: Any) -> Result:
    return await load_test(site, **changes).run()


def only(number: int, change: Any) -> Any:
    """Return a lie to one viewer about its comments."""

    def lie(viewer: FakeViewer, event: Event) -> list[Event]:
        if viewer.number != number or event.name != "comment":
            return [event]
        told: list[Event] = change(viewer, event)
        return told

    return lie


@pytest.mark.parametrize("transport", list(Transport))
async def test_an_honest_site_passes(fake: FakeSite, transport: Transport) -> None:
    result = await run(fake, transport=transport)
    assert result.passed, to_text(result)
    assert (result.connected, result.likes_sent, result.comments_sent) == (6, 20, 10)
    assert result.like_deliveries == 6 * 20
    assert result.frames == 6 * 30
    assert all(value is not None for values in result.latency_ms.values() for value in values.values())


async def test_every_second_viewer_of_a_mix_comes_by_websocket(fake: FakeSite) -> None:
    await run(fake, transport=Transport.MIX)
    kinds = [stream[":path"].partition("?")[0] for stream in fake.streams]
    assert Counter(kinds) == {"/events": 3, "/ws": 3}


async def test_a_comment_that_one_viewer_does_not_get_is_lost(fake: FakeSite) -> None:
    fake.lie = only(3, lambda viewer, event: [] if event.seq == 4 else [event])
    result = await run(fake)
    assert (result.lost_comments, result.doubled, result.out_of_order) == (1, 0, 1)
    assert not result.passed


async def test_the_last_comment_that_one_viewer_does_not_get_is_lost(fake: FakeSite) -> None:
    fake.lie = only(3, lambda viewer, event: [] if event.seq == 10 else [event])
    result = await run(fake)
    assert (result.lost_comments, result.doubled, result.out_of_order) == (1, 0, 0)
    assert not result.passed


async def test_a_comment_that_nobody_gets_is_lost_at_every_viewer(fake: FakeSite) -> None:
    fake.lie = lambda viewer, event: [] if event.seq == 10 else [event]
    assert (await run(fake)).lost_comments == 6


async def test_a_comment_that_comes_twice_is_doubled(fake: FakeSite) -> None:
    fake.lie = only(3, lambda viewer, event: [event, event] if event.seq == 4 else [event])
    result = await run(fake)
    assert (result.lost, result.doubled, result.out_of_order) == (0, 1, 0)
    assert not result.passed


async def test_a_comment_that_comes_again_later_is_doubled(fake: FakeSite) -> None:
    fake.lie = only(3, lambda viewer, event: [event, fake.log[1]] if event.seq == 6 else [event])
    assert (await run(fake)).doubled == 1


async def test_comments_that_change_places_are_out_of_order_and_not_lost(fake: FakeSite) -> None:
    def swap(viewer: FakeViewer, event: Event) -> list[Event]:
        if event.seq == 4:
            viewer.held.append(event)
            return []
        return [event, viewer.held.pop()] if viewer.held else [event]

    fake.lie = only(3, swap)
    result = await run(fake)
    assert (result.lost, result.doubled, result.out_of_order) == (0, 0, 1)
    assert not result.passed


async def test_another_comment_in_the_place_of_an_acknowledged_one_is_a_loss(fake: FakeSite) -> None:
    def replace(viewer: FakeViewer, event: Event) -> list[Event]:
        return [Event("comment", {**event.data, "comment": {**event.data["comment"], "id": "other"}})]

    fake.lie = only(3, lambda viewer, event: replace(viewer, event) if event.seq == 4 else [event])
    result = await run(fake)
    assert result.lost_comments == 1
    assert not result.passed


async def test_a_comment_that_is_acknowledged_and_not_kept_is_lost(fake: FakeSite) -> None:
    fake.lie = lambda viewer, event: [] if event.name == "comment" else [event]
    fake.on_comment = lambda comment: fake.log.clear()
    result = await run(fake, comments_per_s=5)
    assert result.lost_comments == 6


async def test_a_viewer_who_keeps_old_totals_is_noticed(fake: FakeSite) -> None:
    fake.lie = lambda viewer, event: (
        [] if event.name == "likes" and viewer.number == 2 and event.data["total"] > 15 else [event]
    )
    result = await run(fake)
    assert (result.lost_comments, result.wrong_totals) == (0, 1)
    assert not result.passed


async def test_totals_of_the_right_sum_and_wrong_kinds_are_noticed(fake: FakeSite) -> None:
    def other_kinds(viewer: FakeViewer, event: Event) -> list[Event]:
        if event.name != "likes" or viewer.number != 2:
            return [event]
        kinds = {**dict.fromkeys(KINDS, 0), "celebrate": event.data["total"]}
        return [Event("likes", {**event.data, "kinds": kinds})]

    fake.lie = other_kinds
    assert (await run(fake)).wrong_totals == 1


async def test_totals_that_go_back_are_out_of_order(fake: FakeSite) -> None:
    old = {"topic": TOPIC, "total": 1, "kinds": {**dict.fromkeys(KINDS, 0), "like": 1}}
    fake.lie = lambda viewer, event: (
        [event, Event("likes", old), event]
        if event.name == "likes" and viewer.number == 2 and event.data["total"] == 10
        else [event]
    )
    result = await run(fake)
    assert (result.lost, result.out_of_order) == (0, 1)


async def test_likes_go_on_when_every_viewer_has_liked(fake: FakeSite) -> None:
    result = await run(fake, likes_per_s=2_000, like_pool=40)
    assert result.passed, to_text(result)
    assert result.likes_sent == 400
    assert result.like_deliveries == 6 * 400
    assert {"PUT", "DELETE"} <= {method for method, _ in fake.requests}


# Connections that end


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
async def test_a_viewer_comes_back_and_gets_what_it_missed(fake: FakeSite, transport: Transport) -> None:
    def cut(viewer: FakeViewer, event: Event) -> list[Event]:
        if event.seq == 4:
            viewer.cut()
            return []
        return [event]

    fake.lie = only(3, cut)
    result = await run(fake, transport=transport)
    assert result.passed, to_text(result)
    assert result.reconnects == 1
    assert result.resets == 0
    if transport is Transport.SSE:
        assert fake.streams[-1]["last-event-id"] == f"{TOPIC}@{EPOCH}.3"


async def test_a_drained_viewer_comes_back(fake: FakeSite) -> None:
    fake.lie = only(3, lambda viewer, event: [event, Event("drain", {"retry_ms": 20})] if event.seq == 4 else [event])
    result = await run(fake)
    assert result.passed, to_text(result)
    assert (result.reconnects, result.troubles) == (1, Counter())


async def test_a_viewer_told_to_stay_away_misses_the_rest(fake: FakeSite) -> None:
    fake.lie = only(3, lambda viewer, event: [event, Event("bye", {"reason": "gone"})] if event.seq == 4 else [event])
    result = await run(fake)
    assert (result.reconnects, result.lost_comments) == (0, 6)
    assert not result.passed


async def test_a_reset_is_no_loss_when_its_snapshot_has_the_comments(fake: FakeSite) -> None:
    def reset(viewer: FakeViewer, event: Event) -> list[Event]:
        if event.seq == 4:
            return []
        if event.seq != 5:
            return [event]
        return [
            Event("reset", {"topic": TOPIC, "reason": "gap", "epoch": EPOCH, "seq": 5, "snapshot": fake.snapshot()})
        ]

    fake.lie = only(3, reset)
    result = await run(fake)
    assert result.passed, to_text(result)
    assert result.resets == 1


async def test_a_reset_over_comments_that_its_snapshot_lacks_is_a_loss(fake: FakeSite) -> None:
    def reset(viewer: FakeViewer, event: Event) -> list[Event]:
        snapshot = {**fake.snapshot(), "comments": []}
        reset = Event("reset", {"topic": TOPIC, "reason": "gap", "epoch": EPOCH, "seq": 5, "snapshot": snapshot})
        return [] if event.seq == 4 else [reset] if event.seq == 5 else [event]

    fake.lie = only(3, reset)
    result = await run(fake)
    assert result.lost_comments == 2
    assert result.out_of_order == 0


async def test_a_connection_that_is_refused_for_a_while_is_tried_again(fake: FakeSite) -> None:
    fake.stream_refusals = [503, 429, 200, 503]
    result = await run(fake)
    assert result.passed, to_text(result)
    assert result.troubles == {"HTTP 503": 2, "HTTP 429": 1}


async def test_a_viewer_who_may_not_watch_is_not_connected(fake: FakeSite) -> None:
    fake.stream_refusals = [403]
    result = await run(fake)
    assert (result.connected, result.passed) == (5, False)
    assert result.troubles == {"HTTP 403": 1}


@pytest.mark.parametrize(("code", "reconnects"), [(1012, 1), (4429, 1), (4404, 0)])
async def test_a_websocket_close_code_says_whether_to_come_back(fake: FakeSite, code: int, reconnects: int) -> None:
    def close(viewer: FakeViewer, event: Event) -> list[Event]:
        if event.seq != 4:
            return [event]
        viewer.write_raw(websocket_frame(code.to_bytes(2, "big"), opcode=8))
        return []

    fake.lie = only(3, close)
    result = await run(fake, transport=Transport.WEBSOCKET)
    assert result.reconnects == reconnects
    assert result.passed == bool(reconnects)
    assert result.troubles == {f"closed with {code}": 1}


async def test_an_event_that_is_not_as_documented_ends_the_connection(fake: FakeSite) -> None:
    nonsense = Event("comment", {"topic": TOPIC, "seq": 4})
    fake.lie = only(3, lambda viewer, event: [nonsense] if event.seq == 4 else [event])
    result = await run(fake)
    assert result.reconnects == 1
    assert any("not as documented" in reason for reason in result.troubles)


# Requests that fail


async def test_a_request_that_is_refused_for_a_while_is_sent_again(fake: FakeSite) -> None:
    fake.refusals = [503, 200, 429, 503]
    result = await run(fake)
    assert result.passed, to_text(result)
    assert result.repeated == {"HTTP 503": 2, "HTTP 429": 1}


async def test_a_request_that_is_refused_for_good_fails_the_test(fake: FakeSite) -> None:
    fake.refusals = [403]
    result = await run(fake)
    assert (result.lost, result.refused.total(), result.passed) == (0, 1, False)


# Several processes


async def test_viewers_are_spread_over_processes_and_each_is_checked(fake: FakeSite) -> None:
    fake.lie = only(4, lambda viewer, event: [] if event.seq == 4 else [event])
    result = await run(fake, processes=3, transport=Transport.MIX)
    assert (result.connected, result.generator_processes) == (6, 4)
    assert (result.lost_comments, result.doubled, result.out_of_order) == (1, 0, 1)
    assert result.like_deliveries == 6 * 20
    assert result.frames == 6 * 30 - 1
    assert Counter(stream[":path"].partition("?")[0] for stream in fake.streams) == {"/events": 3, "/ws": 3}


async def test_all_processes_together_open_as_many_connections_at_a_time_as_one(fake: FakeSite) -> None:
    for processes in (1, 6):
        orders = load_test(fake, processes=processes).audience.orders
        together = sum(order.watch.openings_max for order in orders)
        assert OPENING_MAX - processes <= together <= OPENING_MAX


async def test_a_process_that_dies_ends_the_load_test_with_its_name(fake: FakeSite) -> None:
    test = load_test(fake, processes=2, seconds=60)
    fake.on_comment = lambda comment: os.kill(test.audience.pids[1], signal.SIGKILL)
    with pytest.raises(WatcherDied, match=r"^generator process 2 of 2 ended with exit code -9$"):
        await test.run()
    for pid in test.audience.pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_a_process_that_says_nothing_any_more_is_as_good_as_dead(
    fake: FakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadtest.audience.SILENCE_SECONDS", 3)
    test = load_test(fake, processes=2, seconds=60)
    fake.on_comment = lambda comment: os.kill(test.audience.pids[0], signal.SIGSTOP)
    with pytest.raises(WatcherDied, match=r"^generator process 1 of 2 has said nothing for 3 s$"):
        await test.run()


async def test_a_process_that_fails_says_why_in_its_last_line(fake: FakeSite) -> None:
    with pytest.raises(WatcherDied, match=r"process 1 of 1 ended with exit code 1: \S*TypeError"):
        await run(fake, watch={"ramp_seconds": "soon"})


async def test_processes_are_told_each_new_ticket(fake: FakeSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.audience.TICKET_SECONDS", 0.02)
    tickets = iter(range(1_000_000))
    test = load_test(fake, viewers=1, seconds=0.5)
    test.audience._ticket = lambda: f"ticket-{next(tickets)}"
    fake.on_comment = lambda comment: fake.viewers[0].cut() if comment["seq"] == 10 else None
    result = await test.run()
    assert result.passed, to_text(result)
    first, second = (stream[":path"].rpartition("=")[2] for stream in fake.streams)
    assert first != second


# Likes and comments by WebSocket


async def test_likes_and_comments_may_go_by_websocket(fake: FakeSite) -> None:
    result = await run(fake, by_websocket=True, likes_per_s=600)
    assert result.passed, to_text(result)
    assert (result.likes_sent, result.comments_sent) == (120, 10)
    assert result.like_deliveries == 6 * 120
    assert {method for method, _ in fake.requests} == {"GET"}
    assert Counter(command["op"] for command in fake.commands) == {"like": 120, "comment": 10}
    assert len(fake.streams) == 6 + 101


async def test_a_command_that_may_be_repeated_is_sent_again_also_after_a_cut(fake: FakeSite) -> None:
    fake.command_errors = ["too_often", "", "unavailable", "cut"]
    result = await run(fake, by_websocket=True)
    assert result.passed, to_text(result)
    assert result.repeated == {"HTTP 429": 1, "HTTP 503": 1, "the site closed the connection": 1}


async def test_a_command_that_is_refused_for_good_fails_the_test(fake: FakeSite) -> None:
    fake.command_errors = ["forbidden"]
    result = await run(fake, by_websocket=True)
    assert (result.lost, result.refused.total(), result.passed) == (0, 1, False)
    assert "forbidden" in next(iter(result.refused))


# Slow and flapping viewers


def test_of_each_hundred_viewers_so_many_are_slow_and_flapping_by_either_transport() -> None:
    watch = Watch(TOPIC, [], Transport.MIX, slow_percent=10, flapping_percent=20)
    for hundred in (range(100), range(700, 800)):
        manners = Counter((watch.manner(number), watch.transport.is_websocket(number)) for number in hundred)
        assert manners == {
            (manner, is_websocket): count
            for manner, count in ((Manner.SLOW, 5), (Manner.FLAPPING, 10), (Manner.STEADY, 35))
            for is_websocket in (False, True)
        }


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
async def test_slow_viewers_get_everything_in_the_end_and_are_not_timed(fake: FakeSite, transport: Transport) -> None:
    result = await run(fake, transport=transport, watch={"slow_percent": 100})
    assert result.passed, to_text(result)
    assert result.like_deliveries == 6 * 20
    assert set(result.latency_ms["likes"].values()) == set(result.latency_ms["comment"].values()) == {None}


async def test_a_slow_viewer_that_is_thrown_out_resumes_and_is_no_trouble(fake: FakeSite) -> None:
    def throw_out(viewer: FakeViewer, event: Event) -> list[Event]:
        if event.seq == 4:
            viewer.cut()
            return []
        return [event]

    fake.lie = only(3, throw_out)
    result = await run(fake, watch={"slow_percent": 100})
    assert result.passed, to_text(result)
    assert (result.evictions, result.reconnects, result.troubles) == (1, 1, Counter())


@pytest.mark.parametrize("transport", [Transport.SSE, Transport.WEBSOCKET])
async def test_flapping_viewers_come_back_again_and_again_and_miss_nothing(
    fake: FakeSite, transport: Transport
) -> None:
    watch = {"flapping_percent": 100, "stay_seconds": (0.01, 0.05)}
    result = await run(fake, transport=transport, seconds=1, watch=watch)
    assert result.passed, to_text(result)
    assert result.flaps >= 6
    assert result.flaps - 6 <= result.reconnects <= result.flaps  # who has everything may be away at the end
    assert result.troubles == Counter()


# Hops

PAGE = """# HELP live_hop_seconds From when it was received
live_hop_seconds_bucket{event="likes",hop="written",le="0.001",region="eu"} %d.0
live_hop_seconds_bucket{event="likes",hop="written",le="0.01",region="eu"} %d.0
live_hop_seconds_bucket{event="likes",hop="written",le="+Inf",region="eu"} %d.0
live_hop_seconds_bucket{event="comment",hop="written",le="0.01",region="eu"} 1.0
live_hop_seconds_bucket{event="likes",hop="seen",le="0.02",region="us"} 4.0
live_hop_seconds_bucket{event="comment",hop="seen",le="0.02",region="eu"} 3.0
live_fanout_seconds_bucket{le="0.001"} 7.0
live_commit_batch_size_bucket{le="1.0"} 7.0
"""


def test_hops_are_read_from_the_metrics_summed_over_labels() -> None:
    found = parse_metrics(PAGE % (1, 2, 3))
    assert found["written"] == {0.001: 1, 0.01: 3, float("inf"): 3}
    assert (found["seen"], found["likes seen"], found["comment seen"]) == ({0.02: 7}, {0.02: 4}, {0.02: 3})
    assert found["to all"] == {0.001: 7}
    assert found["at node"] == {}


@pytest.mark.parametrize(
    ("buckets", "quantile", "expected"),
    [
        ({0.01: 10, 0.02: 20, float("inf"): 20}, 0.5, 10.0),
        ({0.01: 10, 0.02: 20, float("inf"): 20}, 0.9, 18.0),
        ({0.01: 0, 0.02: 0, float("inf"): 5}, 0.5, 20.0),  # above the last bound
        ({0.01: 0, float("inf"): 0}, 0.5, None),
        ({}, 0.5, None),
    ],
)
def test_a_quantile_lies_on_a_straight_line_in_its_bucket(
    buckets: dict[float, float], quantile: float, expected: float | None
) -> None:
    assert quantile_ms(buckets, quantile) == pytest.approx(expected)


def test_hops_of_a_run_are_what_came_between_at_nodes_that_were_there_all_the_time() -> None:
    before = Readings({"a": {"written": {0.01: 5, 0.02: 5}}, "gone": {}})
    after = Readings({"a": {"written": {0.01: 5, 0.02: 15}}, "new": {"written": {0.01: 1_000, 0.02: 1_000}}})
    assert after.since(before)["written"] == pytest.approx({"p50": 15.0, "p90": 19.0, "p99": 19.9})
    assert after.since(before)["committed"] == {"p50": None, "p90": None, "p99": None}


async def test_nodes_behind_one_port_are_told_apart_and_each_is_read() -> None:
    """Two nodes share a listening socket: each connection is one's, and which one is chance."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        node = connections % 3 // 2  # every third connection is the other node's
        connections += 1
        while head := await reader.readuntil(b"\r\n\r\n"):
            page = PAGE % (0, node, node + 5) if b"/metrics" in head else json.dumps({"id": f"node-{node}"})
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page.encode()))

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(quietly, "127.0.0.1", 0) as server:
        address = reach(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        readings = await read_hops([address], nodes=2)
        alone = await read_hops([address], nodes=1)
    assert {node: hops["written"][float("inf")] for node, hops in readings.nodes.items()} == {"node-0": 5, "node-1": 6}
    assert len(alone.nodes) >= 1


async def test_a_site_without_metrics_has_no_hops(fake: FakeSite) -> None:
    assert (await read_hops([reach(fake.url)], nodes=2)).nodes == {}


# Reports


async def test_the_report_has_the_documented_keys(fake: FakeSite) -> None:
    told: list[Progress] = []
    result = await run(fake, told=told, seconds=1.1, likes_per_s=20)
    found = to_json(result)
    assert list(found)[:11] == [
        "viewers", "connected", "connects_per_s", "seconds", "frames_per_s", "like_deliveries_per_s", "latency_ms",
        "lost", "doubled", "out_of_order", "server",
    ]  # fmt: skip
    assert {name: list(values) for name, values in found["latency_ms"].items()} == {
        "comment": ["p50", "p90", "p99", "max"],
        "likes": ["p50", "p90", "p99", "max"],
    }
    assert found["server"] == {"cpu_s": None, "rss_mb": None, "parts": {}}
    json.dumps(found)
    assert to_text(result).endswith("passed")
    assert "6 of 6 viewers" in to_line(told[-1])


class _Page(HTMLParser):
    """Collects what a page would load or run, its text, and whether its elements close."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.references: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.references += [name for name, _ in attrs if name in ("src", "href", "style") or name.startswith("on")]
        if tag not in ("meta", "br"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.styles.append(data) if self._open[-1:] == ["style"] else None)
        self.text += data


def page_of(result: Result) -> tuple[str, _Page]:
    html = to_html(result, command="loadtest --json '<b>&'", at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    page = _Page()
    page.feed(html)
    page.close()
    return html, page


async def test_the_page_needs_nothing_else_and_allows_nothing_else(fake: FakeSite) -> None:
    html, page = page_of(await run(fake, seconds=2.2))
    assert page.references == []
    assert not page.elements.keys() & {"script", "link", "img", "iframe", "object", "base"}
    [style] = page.styles
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in html
    assert "url(" not in style
    assert "@import" not in style
    assert "loadtest --json '<b>&'" in page.text  # escaped
    assert "2026-01-02 03:04" in page.text
    assert "Passed" in page.text
    assert page.elements["figure"] == 7
    assert page.elements["polyline"] >= 12


def test_the_page_of_a_failed_run_says_what_was_wrong() -> None:
    _, page = page_of(Result(viewers=10, connected=9, lost_comments=3, refused=Counter({"<no>": 2})))
    assert "Failed" in page.text
    assert "3 comments lost, 2 requests refused, 1 viewers not connected" in page.text
    assert page.text.count("nothing was measured") == 7


def test_the_page_has_a_row_for_each_process_and_hop() -> None:
    cost = host.Cost(2.5, 10_000_000)
    result = Result(viewers=1, connected=1, seconds=5, processes=[("node 1", cost)], hop_nodes=2)
    result.hops_ms = {"committed": {"p50": 1.25, "p90": None, "p99": 9.0}}
    _, page = page_of(result)
    assert "node 12.500.5010" in page.text.replace("\n", "")
    assert "committed1.2-9.0" in page.text.replace("\n", "")


def test_a_line_has_a_gap_where_nothing_was_measured() -> None:
    plot = line_plot(Plot("h", "s", "ms"), [1, 2, 3, 4, 5], {"p50": [1, 2, None, 4, None]})
    lines = re.findall(r'<polyline class="line0" points="([^"]+)"/>', plot)
    assert [len(line.split()) for line in lines[:2]] == [2, 2]
    assert "3 s: </title>" in plot
    assert "4 s: p50 4 ms</title>" in plot


@pytest.mark.parametrize(("highest", "step"), [(1, 0.5), (4, 1), (4.1, 2), (99, 50), (0.003, 0.001), (0, 1)])
def test_axes_have_round_steps(highest: float, step: float) -> None:
    assert nice_step(highest) == pytest.approx(step)


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (12.4, "12"), (950, "950"), (1_200, "1.2k"), (2e6, "2M")]
)
def test_numbers_are_short_on_axes(value: float, text: str) -> None:
    assert compact(value) == text


async def test_each_second_of_the_load_is_a_sample(fake: FakeSite) -> None:
    result = await run(fake, seconds=3.2, likes_per_s=20, comments_per_s=5)
    assert len(result.samples) >= 2
    assert all(isinstance(sample, Sample) for sample in result.samples)
    assert [sample.at_seconds for sample in result.samples] == sorted(sample.at_seconds for sample in result.samples)
    assert sum(sample.like_deliveries for sample in result.samples) > 0
    assert all(sample.connected == 6 and "generator" in sample.cpu for sample in result.samples)
    assert sum(result.distribution["likes"].values()) == 6 * 64


# The machine


def test_viewers_above_a_source_address_ports_come_from_the_next_one() -> None:
    address = Address("http://127.0.0.1:1", *_loopback())
    assert source_for(address, 0) is None
    assert source_for(address, 1_999) is None
    assert source_for(address, 2_000) == "127.0.0.2"
    assert source_for(address, 99_999) == "127.0.0.50"
    assert source_for(address, 999_999) == "127.0.1.250"


def test_more_viewers_than_open_files_do_not_fit() -> None:
    with pytest.raises(DoesNotFit, match="open files"):
        make_room(2_000_000_000, [Address("http://127.0.0.1:1", *_loopback())])


@pytest.mark.parametrize(
    ("viewers", "processes", "spread"),
    [(1, 0, 1), (19_900, 0, 1), (19_901, 0, 2), (100_000, 0, 6), (1_000, 4, 4), (3, 8, 3)],
)
def test_viewers_are_spread_over_as_few_processes_as_will_hold_them(
    monkeypatch: pytest.MonkeyPatch, viewers: int, processes: int, spread: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda what: (20_000, 20_000))
    address = Address("http://127.0.0.1:1", *_loopback())
    assert make_room(viewers, [address], processes=processes) == spread


@pytest.mark.parametrize(
    ("viewers", "processes", "speakers"), [(20_000, 1, 0), (10, 65, 0), (2_000_000, 0, 0), (10, 1, 18_801)]
)
def test_what_the_processes_asked_for_cannot_hold_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, viewers: int, processes: int, speakers: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda what: (20_000, 20_000))
    address = Address("http://127.0.0.1:1", *_loopback())
    with pytest.raises(DoesNotFit, match="open files"):
        make_room(viewers, [address], processes=processes, speakers=speakers)


def _loopback() -> tuple[Any, Any]:
    import socket

    return socket.AF_INET, ("127.0.0.1", 1)


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "https://a", "http://", "http://a/path", "http://a:b", "", "http://u@a"]
)
def test_what_is_no_address_of_a_site_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        reach(url)


def test_the_sites_processes_are_the_listeners_and_their_supervisors_family(tmp_path: Path) -> None:
    def process(pid: int, parent: int, command: str, *sockets: str) -> None:
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "cmdline").write_text(command.replace(" ", "\0"))
        (folder / "stat").write_text(f"{pid} (a b) c) S {parent} 0")
        for number, inode in enumerate(sockets):
            (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")

    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(
        "head\n"
        "0: 0100007F:1F40 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n"
        "1: 0100007F:1F40 0100007F:9999 01 0:0 0:0 0 0 0 78 1\n"
    )
    process(1, 0, "init")
    process(5, 1, "sh -c manage.py serve && manage.py loadtest")
    process(10, 5, "/venv/bin/python manage.py serve")
    process(11, 10, "python -m liveplatform.node --fd 3", "77")
    process(12, 10, "python -m celery -A liveplatform worker -Q dispatch")
    process(13, 10, "python -m celery --app liveplatform worker --queues jobs --beat")
    process(14, 10, "/x/bin/postgres -D data")
    process(15, 14, "postgres: checkpointer")
    process(16, 10, "/x/valkey-server *:1")
    process(20, 5, "python manage.py loadtest", "78")
    site = find_site([8000], proc=tmp_path, own=20)
    assert site
    assert {part: sorted(pids) for part, pids in site.parts.items()} == {
        "supervisor": [10],
        "node": [11],
        "dispatcher": [12],
        "jobs": [13],
        "postgresql": [14, 15],
        "valkey": [16],
    }
    process(21, 14, "postgres: a new connection")
    process(22, 20, "python -c watcher")
    site.refresh()
    assert (site.parts["postgresql"], sum(map(len, site.parts.values()))) == ([14, 15, 21], 8)
    assert find_site([8001], proc=tmp_path, own=20) is None
