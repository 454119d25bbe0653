"""The load generator against a site that lies: whatever goes wrong for one viewer must be noticed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from realtime.loadgen.check import KINDS, LikeCycle, Sightings, parse_event
from realtime.loadgen.host import Address, DoesNotFit, find_site, make_room, reach, source_for
from realtime.loadgen.latency import Histogram, Ledger
from realtime.loadgen.report import to_json, to_line, to_text
from realtime.loadgen.run import LoadTest, Plan, Progress, Result
from realtime.loadgen.viewers import Transport, Watch
from realtime.loadgen.wire import Broken, EventStream, Request, WebSocketStream, client_frame, parse_head
from tests.realtime.fake_site import TOPIC, Event, FakeSite, FakeViewer, websocket_text

# Bytes


def test_an_event_stream_reads_the_same_however_its_bytes_are_cut() -> None:
    events = b"".join(b"event: e%d\r\ndata: {}\n\n" % number for number in range(3)) + b": hb\n\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (events[:7], events[7:30], events[30:]))
    whole = EventStream(chunked=True).feed(body)

    for size in range(1, len(body)):
        stream = EventStream(chunked=True)
        parts = [block for at in range(0, len(body), size) for block in stream.feed(body[at : at + size])]
        assert parts == whole
        assert stream.between_blocks
    assert [block.splitlines()[0] for block in whole] == [b"event: e0", b"event: e1", b"event: e2", b": hb"]


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
        websocket_text(b"one")
        + b"\x01\x02tw"
        + websocket_text(b"", opcode=9)
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
    assert stream.feed(websocket_text(b"echo", opcode=9)) == []
    reply = stream.take_replies()
    assert reply[0] == 0x8A
    assert bytes(byte ^ reply[2 + at % 4] for at, byte in enumerate(reply[6:])) == b"echo"
    assert stream.take_replies() == b""


@pytest.mark.parametrize("nonsense", [b"\x81\x85abcd", b"\xc1\x00", b"\x83\x00", b"\x81\x7f\xff" + b"\xff" * 7])
def test_a_frame_that_no_server_may_send_is_an_error(nonsense: bytes) -> None:
    with pytest.raises(Broken):
        WebSocketStream().feed(nonsense)


def test_a_client_frame_is_masked() -> None:
    frame = client_frame(b"hello" * 40)
    assert frame[:4] == b"\x81\xfe\x00\xc8"
    assert bytes(byte ^ frame[4 + at % 4] for at, byte in enumerate(frame[8:])) == b"hello" * 40


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


# Whole load tests


@pytest.fixture
async def fake() -> AsyncIterator[FakeSite]:
    async with FakeSite() as site:
        yield site


async def run(site: FakeSite, **changes: Any) -> Result:
    """Run a small load test against the fake site."""
    transport = changes.pop("transport", Transport.SSE)
    told = changes.pop("told", [])
    watch = Watch(TOPIC, [reach(site.url)], transport, ticket=lambda: "t")
    plan: dict[str, Any] = {
        "viewers": 6,
        "seconds": 0.2,
        "likes_per_s": 100,
        "comments_per_s": 50,
        "like_pool": 100,
        "settle_seconds": 0.5,
        **changes,
    }
    test = LoadTest(
        Plan(
            watch,
            like=lambda viewer, kind: Request(
                "PUT" if kind else "DELETE",
                "/like",
                {"Authorization": str(viewer)},
                json.dumps({"kind": kind}).encode() if kind else b"",
            ),
            comment=lambda number: Request(
                "POST", "/comments", {"Authorization": "c"}, json.dumps({"body": str(number)}).encode()
            ),
            state=Request("GET", "/state"),
            **plan,
        ),
        site=None,
        tell=told.append,
    )
    return await test.run()


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
        assert fake.streams[-1]["last-event-id"] == f"{TOPIC}@3"


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
        return [Event("reset", {"topic": TOPIC, "reason": "gap", "seq": 5, "snapshot": fake.snapshot()})]

    fake.lie = only(3, reset)
    result = await run(fake)
    assert result.passed, to_text(result)
    assert result.resets == 1


async def test_a_reset_over_comments_that_its_snapshot_lacks_is_a_loss(fake: FakeSite) -> None:
    def reset(viewer: FakeViewer, event: Event) -> list[Event]:
        snapshot = {**fake.snapshot(), "comments": []}
        reset = Event("reset", {"topic": TOPIC, "reason": "gap", "seq": 5, "snapshot": snapshot})
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
        viewer.write_raw(websocket_text(code.to_bytes(2, "big"), opcode=8))
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


# The machine


def test_viewers_above_a_source_address_ports_come_from_the_next_one() -> None:
    address = Address("http://127.0.0.1:1", *_loopback())
    assert source_for(address, 0) is None
    assert source_for(address, 24_999) is None
    assert source_for(address, 25_000) == "127.0.0.2"
    assert source_for(address, 99_999) == "127.0.0.4"


def test_more_viewers_than_open_files_do_not_fit() -> None:
    with pytest.raises(DoesNotFit, match="open files"):
        make_room(2_000_000_000, [Address("http://127.0.0.1:1", *_loopback())])


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
    assert find_site([8001], proc=tmp_path, own=20) is None
