"""Connections that end and come back, and viewers that read slowly or come and go."""

from __future__ import annotations

from collections import Counter

import pytest

from loadtest.connection import Manner, StreamKind, Watch
from loadtest.report import to_text
from realtime.websocket import websocket_frame
from tests.loadtest.fake_site import EPOCH, TOPIC, Event, FakeSite, FakeViewer
from tests.loadtest.runs import only, run


@pytest.mark.parametrize("transport", [StreamKind.SSE, StreamKind.WEBSOCKET])
async def test_a_viewer_comes_back_and_gets_what_it_missed(fake: FakeSite, transport: StreamKind) -> None:
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
    if transport is StreamKind.SSE:
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
    result = await run(fake, transport=StreamKind.WEBSOCKET)
    assert result.reconnects == reconnects
    assert result.passed == bool(reconnects)
    assert result.troubles == {f"closed with {code}": 1}


async def test_an_event_that_is_not_as_documented_ends_the_connection(fake: FakeSite) -> None:
    nonsense = Event("comment", {"topic": TOPIC, "seq": 4})
    fake.lie = only(3, lambda viewer, event: [nonsense] if event.seq == 4 else [event])
    result = await run(fake)
    assert result.reconnects == 1
    assert any("not as documented" in reason for reason in result.troubles)


# Slow and flapping viewers


def test_of_each_hundred_viewers_so_many_are_slow_and_flapping_by_either_transport() -> None:
    watch = Watch(TOPIC, [], StreamKind.MIX, slow_percent=10, flapping_percent=20)
    for hundred in (range(100), range(700, 800)):
        manners = Counter((watch.manner(number), watch.transport.is_websocket(number)) for number in hundred)
        assert manners == {
            (manner, is_websocket): count
            for manner, count in ((Manner.SLOW, 5), (Manner.FLAPPING, 10), (Manner.STEADY, 35))
            for is_websocket in (False, True)
        }


@pytest.mark.parametrize("transport", [StreamKind.SSE, StreamKind.WEBSOCKET])
async def test_slow_viewers_get_everything_in_the_end_and_are_not_timed(fake: FakeSite, transport: StreamKind) -> None:
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


@pytest.mark.parametrize("transport", [StreamKind.SSE, StreamKind.WEBSOCKET])
async def test_flapping_viewers_come_back_again_and_again_and_miss_nothing(
    fake: FakeSite, transport: StreamKind
) -> None:
    watch = {"flapping_percent": 100, "stay_seconds": (0.01, 0.05)}
    result = await run(fake, transport=transport, seconds=1, watch=watch)
    assert result.passed, to_text(result)
    assert result.flaps >= 6
    assert result.flaps - 6 <= result.reconnects <= result.flaps  # who has everything may be away at the end
    assert result.troubles == Counter()
