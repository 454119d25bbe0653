"""The load generator against a site that lies: whatever goes wrong for one viewer must be noticed."""

from __future__ import annotations

from collections import Counter

import pytest

from loadtest.check import KINDS
from loadtest.connection import StreamKind
from loadtest.report import to_text
from tests.loadtest.fake_site import TOPIC, Event, FakeSite, FakeViewer
from tests.loadtest.runs import only, run


@pytest.mark.parametrize("transport", list(StreamKind))
async def test_an_honest_site_passes(fake: FakeSite, transport: StreamKind) -> None:
    result = await run(fake, transport=transport)
    assert result.passed, to_text(result)
    assert (result.connected, result.likes_sent, result.comments_sent) == (6, 20, 10)
    assert result.like_deliveries == 6 * 20
    assert result.frames == 6 * 30
    assert all(value is not None for values in result.latency_ms.values() for value in values.values())


async def test_every_second_viewer_of_a_mix_comes_by_websocket(fake: FakeSite) -> None:
    await run(fake, transport=StreamKind.MIX)
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
    # A speaker may have sent several commands that wait for an answer when the connection is cut.
    assert result.repeated.pop("the site closed the connection") >= 1
    assert result.repeated == {"HTTP 429": 1, "HTTP 503": 1}


async def test_a_command_that_is_refused_for_good_fails_the_test(fake: FakeSite) -> None:
    fake.command_errors = ["forbidden"]
    result = await run(fake, by_websocket=True)
    assert (result.lost, result.refused.total(), result.passed) == (0, 1, False)
    assert "forbidden" in next(iter(result.refused))
