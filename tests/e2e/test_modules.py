"""The scripts' pure parts, run in a browser: the rule of the state, and numbers written as the server writes them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.e2e.conftest import OpenWindow, Window
from tests.sites import Site
from videos.templatetags import figures

TOPIC = "video:1"
ADA = {"id": "a", "name": "Ada"}


@pytest.fixture
async def window(site: Site, open_window: OpenWindow) -> Window:
    """A page of the site, only to import its modules on."""
    return await open_window(f"{site.urls[0]}/accounts/login/")


async def run(window: Window, module: str, body: str, argument: object = None) -> Any:
    """Return what the function body returns; `module` holds the exports, `argument` the value."""
    script = f"async (argument) => {{ const module = await import('/static/js/{module}.js'); {body} }}"
    return await window.page.evaluate(script, argument)


def comment(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "author": {**ADA, "role": None},
        "body": f"comment {number}",
        "reply_to": None,
        "client_id": f"client-{number}",
        "seq": number,
        "at_ms": number * 1_000,
        "pinned": False,
        **fields,
    }


def island(**fields: Any) -> dict[str, Any]:
    snapshot = {
        "video": {"id": "1", "title": "A", "status": "live"},
        "likes": {"total": 0, "kinds": {}},
        "viewers": {"count": 0, "peak": 0},
        "comments": [comment(1), comment(2)],
        "pinned": [],
    }
    return {
        "topic": TOPIC,
        "seq": 2,
        "snapshot": snapshot,
        "viewer": ADA,
        "mine": None,
        "can_moderate": False,
        **fields,
    }


APPLY = """
    let state = module.first(argument.island);
    for (const [name, data] of argument.events) state = module.apply(state, name, data);
    return { ...module.snapshot(state), seq: state.seq, pending: state.pending, mine: state.mine };
"""


async def applied(window: Window, *events: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    state: dict[str, Any] = await run(window, "state", APPLY, {"island": island(), "events": events})
    return state


def durable(seq: int, **fields: Any) -> dict[str, Any]:
    return {"topic": TOPIC, "seq": seq, "at_ms": 0, **fields}


async def test_a_comment_is_shown_once_however_often_it_comes(window: Window) -> None:
    event = ("comment", durable(3, comment=comment(3)))
    state = await applied(window, event, event, ("local_posted", {"comment": comment(3)}))
    assert [shown["id"] for shown in state["comments"]] == ["c1", "c2", "c3"]
    assert state["seq"] == 3


async def test_an_own_comment_replaces_its_sending_copy_whichever_answer_comes_first(window: Window) -> None:
    sending = ("local_sending", {"clientId": "client-3", "body": "comment 3", "replyTo": None, "atMs": 0})
    answers = [("local_posted", {"comment": comment(3)}), ("comment", durable(3, comment=comment(3)))]
    for order in itertools.permutations(answers):
        state = await applied(window, sending, *order)
        assert state["pending"] == []
        assert [shown["id"] for shown in state["comments"]] == ["c1", "c2", "c3"]


async def test_an_own_comment_answered_before_the_one_ahead_of_it_takes_its_place_by_seq(window: Window) -> None:
    state = await applied(
        window, ("local_posted", {"comment": comment(4)}), ("comment", durable(3, comment=comment(3)))
    )
    assert [shown["seq"] for shown in state["comments"]] == [1, 2, 3, 4]
    assert state["seq"] == 3


async def test_a_deleted_comment_does_not_come_back_with_older_ones(window: Window) -> None:
    state = await applied(
        window,
        ("comment_deleted", durable(3, comment={"id": "c1"})),
        ("local_older", {"items": [comment(1), comment(0)]}),
    )
    assert [shown["id"] for shown in state["comments"]] == ["c0", "c2"]


async def test_pinning_and_unpinning_mark_the_comment_and_the_list_on_top(window: Window) -> None:
    pinned = ("comment_pinned", durable(3, comment=comment(1, pinned=True)))
    state = await applied(window, pinned)
    assert [shown["id"] for shown in state["pinned"]] == ["c1"]
    assert [shown["pinned"] for shown in state["comments"]] == [True, False]
    state = await applied(window, pinned, ("comment_unpinned", durable(4, comment={"id": "c1"})))
    assert state["pinned"] == []
    assert [shown["pinned"] for shown in state["comments"]] == [False, False]


async def test_a_reset_replaces_everything_that_the_server_knows(window: Window) -> None:
    snapshot = {**island()["snapshot"], "comments": [comment(8)], "viewers": {"count": 5, "peak": 6}}
    state = await applied(window, ("reset", {"topic": TOPIC, "seq": 9, "reason": "gap", "snapshot": snapshot}))
    assert {key: state[key] for key in snapshot} == snapshot
    assert state["seq"] == 9


async def test_a_late_answer_to_a_like_takes_no_total_down(window: Window) -> None:
    likes = ("likes", {"topic": TOPIC, "total": 7, "kinds": {"like": 7}, "delta": 7, "names": [], "at_ms": 0})
    state = await applied(window, likes, ("local_liked", {"total": 1, "kinds": {"like": 1}, "mine": "like"}))
    assert state["likes"]["total"] == 7
    assert state["mine"] == "like"


async def test_an_unknown_event_changes_nothing(window: Window) -> None:
    assert await applied(window, ("of_tomorrow", {"seq": 3}), ("toString", {"seq": 3})) == await applied(window)


async def test_a_missing_event_is_noticed(window: Window) -> None:
    body = (
        "const state = module.first(argument); return [3, 4].map((seq) => module.leavesGap(state, 'comment', { seq }));"
    )
    assert await run(window, "state", body, island()) == [False, True]


async def test_counts_are_written_as_the_server_writes_them(window: Window) -> None:
    numbers = [0, 1, 9, 99, 999, 1_000, 1_049, 1_050, 1_949, 1_950, 9_949, 9_950, 9_999, 10_499, 10_500, 99_499, 99_500]
    numbers += [123_456, 999_499, 999_500, 999_999, 1_000_000, 1_250_000, 9_950_000, 12_345_678, 999_500_000, 5 * 10**9]
    written = await run(window, "format", "return argument.map(module.compact);", numbers)
    assert written == [figures.compact(number) for number in numbers]


async def test_times_into_the_broadcast_are_written_as_the_server_writes_them(window: Window) -> None:
    moments = [0, 999, 1_000, 59_999, 60_000, 3_599_999, 3_600_000, 36_061_000]
    written = await run(window, "format", "return argument.map((at) => module.offset(at + 5, 5));", moments)
    assert written == [figures.offset(at + 5, 5) for at in moments]


async def test_faces_are_drawn_as_the_server_draws_them(window: Window) -> None:
    names = [
        "ada",
        "Émile",
        "e\u0301mile",
        "ßtraße",
        "ŉ",
        "李小龙",
        "محمد",
        "👩‍🚀 Sally",
        "👍🏽 up",
        "🇳🇱 Jan",
        " x ",
        "",
        "1st",
        "ǆ",
    ]
    written = await run(
        window, "format", "return argument.map((name) => [module.initial(name), module.hue(name)]);", names
    )
    assert written == [[figures.initial(name), figures.hue(name)] for name in names]


# The connection, with a stand-in for the browser's EventSource

STREAM = """
    const sources = [], states = [], delivered = [], asked = [];
    window.EventSource = class extends EventTarget {
        constructor(url) { super(); this.url = new URL(url, location); this.closed = false; sources.push(this); }
        close() { this.closed = true; }
        say(name, data) { this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) })); }
        hello(seq, snapshot = null) { this.say("hello", { topics: { [TOPIC]: { seq, snapshot } }, retry_ms: 1000 }); }
        get after() { return this.url.searchParams.get("after"); }
        get last() { return this === sources.at(-1); }
    };
    const TOPIC = "video:1";
    let seq = 5;
    const timers = [];
    window.setTimeout = (work, ms) => { timers.push({ work, ms }); return timers.length; };
    window.clearTimeout = (id) => { if (id) timers[id - 1].work = () => {}; };
    const stream = new module.Stream({
        topic: TOPIC,
        seq: () => seq,
        deliver(name, data) {
            if (name === "comment") {
                if (data.seq > seq + 1) return false;
                seq = data.seq;
            }
            if (name === "hello") seq = Math.max(seq, data.topics[TOPIC].snapshot ? data.topics[TOPIC].seq : 0);
            delivered.push(name);
            return true;
        },
        changed: (state) => states.push(state),
        random: () => 0.5,
    });
    stream.start();
"""


async def test_the_stream_asks_for_what_came_after_the_last_event_applied(window: Window) -> None:
    body = STREAM + "sources[0].hello(5); return [sources[0].after, sources[0].url.pathname, states];"
    assert await run(window, "stream", body) == ["video:1@5", "/events", ["live"]]


async def test_the_stream_is_catching_up_until_it_has_what_the_server_had(window: Window) -> None:
    body = (
        STREAM
        + """
        sources[0].hello(7);
        for (const next of [6, 7]) sources[0].say("comment", { seq: next });
        return states;
    """
    )
    assert await run(window, "stream", body) == ["catching", "live"]


async def test_a_gap_is_asked_for_and_one_that_stays_is_healed_with_the_whole_state(window: Window) -> None:
    body = (
        STREAM
        + """
        sources[0].hello(5);
        sources[0].say("comment", { seq: 7 });
        sources[1].hello(7);
        sources[1].say("comment", { seq: 7 });
        return [sources.map((source) => source.after), sources.map((source) => source.closed)];
    """
    )
    assert await run(window, "stream", body) == [["video:1@5", "video:1@5", None], [True, True, False]]


async def test_a_lost_stream_comes_back_after_a_random_share_of_a_growing_time(window: Window) -> None:
    body = (
        STREAM
        + """
        sources[0].hello(5);
        const waits = [];
        for (let round = 0; round < 7; round += 1) {
            sources.at(-1).dispatchEvent(new Event("error"));
            waits.push(timers.at(-1).ms);
            timers.at(-1).work();
        }
        return [waits, states];
    """
    )
    waits, states = await run(window, "stream", body)
    assert waits == [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
    assert states == ["live", "lost"]


async def test_a_draining_node_is_left_without_a_gap_and_not_at_once(window: Window) -> None:
    body = (
        STREAM
        + """
        sources[0].hello(5);
        sources[0].say("drain", { retry_ms: 3000 });
        const wait = timers.at(-1).ms;
        timers.at(-1).work();
        const before = sources.map((source) => source.closed);
        sources[0].say("comment", { seq: 6 });
        sources[1].hello(6);
        return [wait, before, sources.map((source) => source.closed), states, seq];
    """
    )
    assert await run(window, "stream", body) == [1_500, [False, False], [True, False], ["live"], 6]


async def test_after_a_goodbye_the_stream_stays_away(window: Window) -> None:
    body = (
        STREAM
        + """
        sources[0].hello(5);
        sources[0].say("bye", { reason: "gone" });
        stream.retryNow();
        stream.start();
        return [sources.length, sources[0].closed, states];
    """
    )
    assert await run(window, "stream", body) == [1, True, ["live", "bye"]]
