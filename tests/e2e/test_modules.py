"""The scripts' pure parts, run in a browser: the rule of the state, and numbers written as the server writes them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest_asyncio

from tests.e2e.conftest import OpenWindow, Window
from tests.sites import Site
from videos.templatetags import figures

TOPIC = "video:1"
ADA = {"id": "a", "name": "Ada"}


@pytest_asyncio.fixture(loop_scope="session")
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
        "may": [],
        "time_out_seconds_max": 0,
        "outranks_moderators": False,
        **fields,
    }


APPLY = """
    let state = module.first(argument.island);
    for (const [name, data] of argument.events) state = module.apply(state, name, data);
    return { ...module.snapshot(state), seq: state.seq, pending: state.pending, mine: state.mine };
"""


async def applied(window: Window, *events: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    state: dict[str, Any] = await run(window, "watch/state", APPLY, {"island": island(), "events": events})
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


async def test_counts_are_written_as_the_server_writes_them(window: Window) -> None:
    numbers = [0, 1, 9, 99, 999, 1_000, 1_049, 1_050, 1_949, 1_950, 9_949, 9_950, 9_999, 10_499, 10_500, 99_499, 99_500]
    numbers += [123_456, 999_499, 999_500, 999_999, 1_000_000, 1_250_000, 9_950_000, 12_345_678, 999_500_000, 5 * 10**9]
    written = await run(window, "parts/format", "return argument.map(module.compact);", numbers)
    assert written == [figures.compact(number) for number in numbers]


async def test_times_into_the_broadcast_are_written_as_the_server_writes_them(window: Window) -> None:
    moments = [0, 999, 1_000, 59_999, 60_000, 3_599_999, 3_600_000, 36_061_000]
    written = await run(window, "parts/format", "return argument.map((at) => module.offset(at + 5, 5));", moments)
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
        "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f Jock",
        "علی\u200cرضا",
        " x ",
        "",
        "1st",
        "ǆ",
    ]
    written = await run(
        window, "parts/format", "return argument.map((name) => [module.initial(name), module.hue(name)]);", names
    )
    assert written == [[figures.initial(name), figures.hue(name)] for name in names]


# What waits to be sent, with a stand-in for the server

SENDER = """
    const { first, apply } = await import("/static/js/watch/state.js");
    const { ApiError } = await import("/static/js/core/api.js");
    const timers = [], calls = [];
    let refusal = { status: 0 };
    window.setTimeout = (work) => timers.push(work);
    const settled = async () => { for (let turn = 0; turn < 50; turn += 1) await null; };
    function page(viewer) {
        const store = {
            state: first({ ...argument, viewer }),
            dispatch(name, data) { store.state = apply(store.state, name, data); sender.save(store.state); },
        };
        const sender = new module.Sender({
            store,
            key: ({ id }) => `unsent ${id}`,
            async post(sent) {
                calls.push(sent.clientId);
                await null;
                const wrong = sent.body === "rude" ? { status: 403, code: "comments_off" } : refusal;
                if (wrong) throw new ApiError(wrong);
                return { id: sent.clientId, client_id: sent.clientId, author: viewer, seq: 10 + calls.length };
            },
            posted: (comment) => store.dispatch("local_posted", { comment }),
            takesBack: () => false,
        });
        sender.save(store.state);
        return { store, sender, states: () => store.state.pending.map(({ clientId, state }) => [clientId, state]) };
    }
    const ada = { id: "a", name: "Ada" };
    const write = (to, clientId, body = "") => to.sender.send({ clientId, body, replyTo: null, atMs: 1 });
    const here = page(ada);
"""


async def test_texts_wait_in_their_order_and_are_sent_once(window: Window) -> None:
    body = (
        SENDER
        + """
        write(here, "one");
        const first_state = here.states();
        write(here, "two", "rude");
        write(here, "three");
        await settled();
        const waiting = here.states();
        refusal = { status: 429, retryAfter: 3 };
        timers.at(-1)();
        await settled();
        refusal = null;
        here.sender.wake();
        here.sender.wake();
        await settled();
        return [first_state, waiting, calls, here.states(), here.store.state.comments.map(({ id }) => id)];
    """
    )
    first, waiting, calls, left, shown = await run(window, "core/sending", body, island())
    assert first == [["one", "sending"]]
    assert waiting == [["one", "waiting"], ["two", "waiting"], ["three", "waiting"]]
    assert calls == ["one", "one", "one", "two", "three"]
    assert left == [["two", "failed"]], "what is refused says why, and holds nothing else up"
    assert shown == ["c1", "c2", "one", "three"]


async def test_what_waits_outlives_a_reload_and_belongs_to_who_wrote_it(window: Window) -> None:
    """Another viewer of the tab neither sends nor sees it."""
    body = (
        SENDER
        + """
        write(here, "one");
        await settled();
        const other = page({ id: "b", name: "Bo" });
        const kept = page(ada);
        const taken = [other.states(), kept.states()];
        refusal = null;
        await settled();
        kept.sender.wake();
        await settled();
        const sent = kept.states();
        here.store.dispatch("local_viewer", { viewer: null });
        return [...taken, sent, here.states(), page(ada).states()];
    """
    )
    assert await run(window, "core/sending", body, island()) == [[], [["one", "waiting"]], [], [], []]


# The hub, with stand-ins for the browser's EventSource and for POST /subscriptions

HUB = """
    const sources = [], posts = [], timers = [];
    window.EventSource = class extends EventTarget {
        constructor(url) { super(); this.url = new URL(url, location); this.closed = false; sources.push(this); }
        close() { this.closed = true; }
        say(name, data) { this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) })); }
        hello(seqs, snapshot = null) {
            const opening = ([topic, seq]) => [topic, { epoch: "e", seq, snapshot }];
            const topics = Object.fromEntries(Object.entries(seqs).map(opening));
            this.say("hello", { topics, retry_ms: 1000, connection: `c${sources.indexOf(this)}` });
        }
        get topics() { return this.url.searchParams.getAll("topic"); }
        get after() { return this.url.searchParams.getAll("after"); }
    };
    const V = "video:1", U = "user:a", W = "video:2";
    window.setTimeout = (work, ms) => { timers.push({ work, ms }); return timers.length; };
    window.clearTimeout = (id) => { if (id) timers[id - 1].work = () => {}; };
    const settled = () => new Promise((done) => {
        const channel = new MessageChannel();
        channel.port1.onmessage = done;
        channel.port2.postMessage(0);
    });
    let status = 200, errors = {};
    const acknowledgements = [];
    const { EVENTS, KINDS } = await import("/static/js/topics.js");
    const hub = new module.Hub({
        kinds: KINDS,
        events: EVENTS,
        random: () => 0.5,
        acknowledge(connection, everyMs) {
            const made = { connection, everyMs, read: [], closed: false };
            acknowledgements.push(made);
            return { add: (number) => made.read.push(number ?? null), close: () => { made.closed = true; } };
        },
        async call(body, csrf) {
            posts.push({ ...body, csrf });
            const answer = (topic) => (errors[topic] ? { error: errors[topic] } : { seq: 0 });
            return { status, topics: Object.fromEntries(body.subscribe.map(({ topic }) => [topic, answer(topic)])) };
        },
    });
    function open() {
        const tab = { events: [], states: [], lost: [], signedOut: false };
        Object.assign(tab, hub.join(({ state, event, data, lost, reason, signedOut }) => {
            if (state && state !== tab.states.at(-1)) tab.states.push(state);
            if (event) tab.events.push(event === "reset" ? `reset ${data.seq}` : `${event} ${data.seq ?? ""}`.trim());
            if (lost) tab.lost.push([lost, reason]);
            if (signedOut) tab.signedOut = true;
        }));
        return tab;
    }
    const comment = (seq, topic = V) => ["comment", { topic, seq }];
    const tab = open();
"""
STARTED = HUB + "tab.take({ viewer: null, csrf: 'token', watch: [[V, 5, 'e']] }); await settled();"


async def test_the_hub_asks_for_what_came_after_the_last_event_of_the_page(window: Window) -> None:
    body = STARTED + "sources[0].hello({ [V]: 5 }); return [sources[0].after, sources[0].url.pathname, tab.states];"
    assert await run(window, "core/hub", body) == [["video:1@e.5"], "/events", ["connecting", "live"]]


async def test_the_hub_is_catching_up_until_it_has_what_the_server_had(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 7 });
        for (const seq of [6, 7]) sources[0].say(...comment(seq));
        return [tab.states, tab.events];
    """
    )
    assert await run(window, "core/hub", body) == [["connecting", "catching", "live"], ["comment 6", "comment 7"]]


async def test_a_gap_is_asked_for_and_one_that_stays_is_healed_with_the_whole_state(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        sources[0].say(...comment(7));
        await settled();
        sources[0].say("subscribed", { topic: V, epoch: "e", seq: 7, snapshot: null });
        sources[0].say(...comment(7));
        await settled();
        sources[0].say("subscribed", { topic: V, epoch: "e", seq: 7, snapshot: {} });
        return [posts.map(({ subscribe }) => subscribe[0]), tab.events, tab.states];
    """
    )
    asked, events, states = await run(window, "core/hub", body)
    assert asked == [{"topic": "video:1", "after": "video:1@e.5"}, {"topic": "video:1"}]
    assert events == ["reset 7"]
    assert states == ["connecting", "live", "catching", "live"]


async def test_a_lost_connection_comes_back_after_a_random_share_of_a_growing_time(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        const waits = [];
        for (let round = 0; round < 7; round += 1) {
            sources.at(-1).dispatchEvent(new Event("error"));
            waits.push(timers.at(-1).ms);
            timers.at(-1).work();
        }
        return [waits, tab.states];
    """
    )
    waits, states = await run(window, "core/hub", body)
    assert waits == [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
    assert states == ["connecting", "live", "lost"]


async def test_the_hub_takes_the_next_transport_when_event_streams_stay_mute(window: Window) -> None:
    """Behind a proxy that passes on complete answers alone the page read "Connection lost" for ever."""
    body = (
        """
        const sockets = [], polls = [], levels = [];
        window.WebSocket = class extends EventTarget {
            constructor(url) { super(); this.url = url; sockets.push(this); }
            close() {}
        };
        window.fetch = (url) => new Promise((resolve) => {
            const answer = (text) => resolve({ ok: true, text: async () => text });
            polls.push({ query: new URL(url, location).searchParams, answer });
        });
        """
        + STARTED
        + r"""
        hub.join(({ level }) => { if (level !== undefined) levels.push(level); });
        const waits = [];
        for (let stream = 0; stream < 2; stream += 1) {
            waits.push(timers.at(-1).ms);
            timers.at(-1).work();
        }
        for (let socket = 0; socket < 2; socket += 1) sockets[socket].dispatchEvent(new Event("close"));
        const event = (name, data) => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
        const hello = (seq) => "retry: 2000\n" + event("hello", {
            topics: { [V]: { epoch: "e", seq, snapshot: null } }, connection: "c", retry_ms: 1000,
        });
        polls[0].answer(hello(5));
        while (!polls[1]) await settled();
        tab.take({ watch: [[W, 3, "e"]] });
        await settled();
        polls[1].answer(hello(6) + ": hb\n" + event(...comment(6)));
        while (!polls[2]) await settled();
        const now = Date.now();
        Date.now = () => now + 20 * 60_000;
        polls[2].answer(hello(6));
        while (sources.length < 3) await settled();
        tab.close();
        return {
            waits, levels, posts: posts.length, states: tab.states,
            opened: [sources.length, sockets.length, polls.length],
            events: tab.events,
            seconds: polls.map(({ query }) => query.get("seconds")),
            after: [...polls.map(({ query }) => query.getAll("after")), sources[2].after],
        };
    """
    )
    found = await run(window, "core/hub", body)
    assert found == {
        "waits": [8_000, 16_000],
        "opened": [3, 2, 3],
        "levels": [2],
        "seconds": ["0", "4", "4"],
        "after": [["video:1@e.5"], ["video:1@e.5"], *[["video:1@e.6", "video:2@e.3"]] * 2],
        "events": ["comment 6"],
        "posts": 0,
        "states": ["connecting", "live", "catching", "live"],
    }


async def test_who_is_not_let_in_hears_why_and_asks_again_ever_more_rarely(window: Window) -> None:
    """Whoever was refused asked again each 5 s for ever, and read "Connection lost"."""
    body = (
        STARTED
        + """
        const said = [], waits = [];
        hub.join(({ state, code, seconds }) => { if (state) said.push([state, code, seconds]); });
        for (let round = 0; round < 7; round += 1) {
            sources.at(-1).say("refused", { code: "network_full", retry_ms: 5000 });
            waits.push(timers.at(-1).ms);
            timers.at(-1).work();
        }
        sources.at(-1).say("refused", { code: "draining", retry_ms: 1000 });
        const short = timers.at(-1).ms;
        timers.at(-1).work();
        sources.at(-1).hello({ [V]: 5 });
        sources.at(-1).say("refused", { code: "full", retry_ms: 5000 });
        const late = open();
        late.take({ watch: [[V, 5]] });
        await settled();
        const closed = sources.every((source) => source.closed);
        return [said, waits, short, timers.at(-1).ms, closed, late.states];
    """
    )
    said, waits, short, again, closed, late = await run(window, "core/hub", body)
    assert waits == [3_750, 7_500, 15_000, 30_000, 60_000, 90_000, 90_000]
    assert said[0] == ["refused", "network_full", 4]
    assert said[6:] == [
        ["refused", "network_full", 90],
        ["lost", None, None],
        ["live", None, None],
        ["refused", "full", 4],
    ]
    assert (short, again, closed) == (500, 3_750, True)
    assert late == ["refused"], "a tab that comes meanwhile is told as well"


async def test_a_draining_node_is_left_without_a_gap_and_not_at_once(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        sources[0].say("drain", { retry_ms: 3000 });
        const wait = timers.at(-1).ms;
        timers.at(-1).work();
        const before = sources.map((source) => source.closed);
        sources[0].say(...comment(6));
        sources[1].hello({ [V]: 6 });
        sources[1].say(...comment(6));
        sources[1].say(...comment(7));
        return [wait, before, sources.map((source) => source.closed), tab.states, tab.events];
    """
    )
    wait, before, after, states, events = await run(window, "core/hub", body)
    assert (wait, before, after) == (1_500, [False, False], [True, False])
    assert states == ["connecting", "live"]
    assert events == ["comment 6", "comment 7"]


async def test_after_a_goodbye_the_topic_is_over_and_is_not_asked_for_again(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        sources[0].say("bye", { reason: "gone" });
        await settled();
        tab.take({ online: true });
        await settled();
        return [sources.length, sources[0].closed, tab.lost];
    """
    )
    assert await run(window, "core/hub", body) == [1, True, [["video:1", "gone"]]]


async def test_tabs_share_one_connection_and_each_gets_what_it_has_not_seen(window: Window) -> None:
    """The second tab was drawn before two events that the first has seen: it gets them, the first does not again."""
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        for (const seq of [6, 7]) sources[0].say(...comment(seq));
        const second = open();
        second.take({ viewer: null, watch: [[V, 5, "e"]] });
        await settled();
        // Live events may come before the ones asked for.
        sources[0].say(...comment(8));
        sources[0].say("subscribed", { topic: V, epoch: "e", seq: 8, snapshot: null });
        for (const seq of [6, 7, 8, 9]) sources[0].say(...comment(seq));
        await settled();
        return [sources.length, posts, tab.events, second.events];
    """
    )
    opened, posts, first, second = await run(window, "core/hub", body)
    assert opened == 1
    assert posts == [
        {
            "connection": "c0",
            "subscribe": [{"topic": "video:1", "after": "video:1@e.5"}],
            "unsubscribe": [],
            "csrf": "token",
        }
    ]
    assert first == second == ["comment 6", "comment 7", "comment 8", "comment 9"]


async def test_a_state_for_one_tab_does_not_disturb_the_other(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        const second = open();
        second.take({ watch: [[V, null]] });
        await settled();
        sources[0].say("subscribed", { topic: V, epoch: "e", seq: 5, snapshot: {} });
        return [posts[0].subscribe, tab.events, second.events];
    """
    )
    assert await run(window, "core/hub", body) == [[{"topic": "video:1"}], [], ["reset 5"]]


async def test_tabs_of_two_histories_both_start_again(window: Window) -> None:
    """After a restored backup a seq is another event: a page of before would keep comments that do not exist."""
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        const second = open();
        second.take({ watch: [[V, 9, "old"]] });
        await settled();
        sources[0].say("subscribed", { topic: V, epoch: "e", seq: 5, snapshot: {} });
        sources[0].say("reset", { topic: V, epoch: "new", seq: 2, snapshot: {} });
        sources[0].say(...comment(3));
        sources[0].dispatchEvent(new Event("error"));
        timers.at(-1).work();
        return [posts[0].subscribe, tab.events, second.events, sources[1].after];
    """
    )
    asked, first, second, after = await run(window, "core/hub", body)
    assert asked == [{"topic": "video:1"}], "the whole state, for the tab that is of another history"
    assert first == ["reset 2", "comment 3"]
    assert second == ["reset 5", "reset 2", "comment 3"]
    assert after == ["video:1@new.3"]


async def test_topics_come_and_go_without_a_new_connection(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        const second = open();
        second.take({ watch: [[V, 5, "e"], [W, 3, "e"]] });
        await settled();
        tab.take({ leave: [V] });
        await settled();
        second.take({ leave: [V, W] });
        await settled();
        return [sources.length, posts.map(({ subscribe, unsubscribe }) => [subscribe, unsubscribe]), sources[0].closed];
    """
    )
    opened, posts, closed = await run(window, "core/hub", body)
    assert opened == 1
    # The first tab's leaving tells the server nothing: the second still watches.
    assert posts == [[[{"topic": "video:1", "after": "video:1@e.5"}, {"topic": "video:2", "after": "video:2@e.3"}], []]]
    assert closed is True


async def test_a_topic_that_nobody_watches_any_more_is_given_back(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        const second = open();
        second.take({ watch: [[W, 3, "e"]] });
        await settled();
        second.close();
        await settled();
        return posts.map(({ unsubscribe }) => unsubscribe);
    """
    )
    assert await run(window, "core/hub", body) == [[], ["video:2"]]


async def test_a_node_that_does_not_know_the_connection_makes_the_hub_come_back_with_all_topics(
    window: Window,
) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        status = 404;
        tab.take({ watch: [[W, 3, "e"]] });
        await settled();
        return [sources.map((source) => source.topics), sources[1].after, sources[0].closed];
    """
    )
    topics, after, closed = await run(window, "core/hub", body)
    assert topics == [["video:1"], ["video:1", "video:2"]]
    assert after == ["video:1@e.5", "video:2@e.3"]
    assert closed is True


async def test_a_topic_that_is_refused_or_lost_ends_alone(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        errors = { [W]: { code: "not_found", detail: "There is no such topic." } };
        tab.take({ watch: [[W, 3, "e"], [U, 0, "e"]] });
        await settled();
        sources[0].say("unsubscribed", { topic: U, reason: "gone" });
        sources[0].say(...comment(6));
        await settled();
        return [tab.lost, tab.events, sources.length, posts.length];
    """
    )
    lost, events, opened, posted = await run(window, "core/hub", body)
    assert lost == [["video:2", "not_found"], ["user:a", "gone"]]
    assert (events, opened, posted) == (["comment 6"], 1, 1)


async def test_one_refused_topic_does_not_keep_the_others_away(window: Window) -> None:
    """A browser does not tell why a stream was refused: one topic at a time is tried, the others are then added."""
    body = (
        HUB
        + """
        tab.take({ viewer: "a", watch: [[V, 5, "e"], [U, 0, "e"]] });
        await settled();
        for (let round = 0; round < 3; round += 1) {
            sources.at(-1).dispatchEvent(new Event("error"));
            timers.at(-1).work();
        }
        errors = { [V]: { code: "not_found" } };
        sources.at(-1).hello({ [U]: 0 });
        await settled();
        return [sources.map((source) => source.topics), posts[0].subscribe, tab.lost, tab.states.at(-1)];
    """
    )
    tried, posted, lost, state = await run(window, "core/hub", body)
    assert tried == [["video:1", "user:a"], ["video:1", "user:a"], ["video:1"], ["user:a"]]
    assert posted == [{"topic": "video:1", "after": "video:1@e.5"}]
    assert (lost, state) == ([["video:1", "not_found"]], "live")


async def test_whoever_joins_gets_a_connection_of_that_viewer_before_the_old_one_is_closed(window: Window) -> None:
    body = (
        STARTED
        + """
        sources[0].hello({ [V]: 5 });
        tab.take({ viewer: "a", csrf: "new", watch: [[U, null]] });
        await settled();
        const before = sources.map((source) => source.closed);
        // The session that the old one was opened with is over: no reason to sign anybody out.
        sources[0].say("bye", { reason: "signed_out" });
        sources[1].hello({ [V]: 5, [U]: 2 }, {});
        return [before, sources[1].topics, sources[1].after, sources[0].closed, tab.signedOut, posts];
    """
    )
    before, topics, after, closed, signed_out, posts = await run(window, "core/hub", body)
    assert before == [False, False]
    assert topics == ["video:1", "user:a"]
    assert after == ["video:1@e.5"]
    assert (closed, signed_out, posts) == (True, False, [])


async def test_whoever_is_signed_out_keeps_the_public_video(window: Window) -> None:
    body = (
        HUB
        + """
        tab.take({ viewer: "a", watch: [[V, 5, "e"], [U, 2, "e"]] });
        await settled();
        sources[0].hello({ [V]: 5, [U]: 2 });
        sources[0].say("bye", { reason: "signed_out" });
        timers.at(-1).work();
        return [tab.signedOut, tab.lost, sources[1].topics];
    """
    )
    assert await run(window, "core/hub", body) == [True, [], ["video:1"]]


async def test_the_hub_acknowledges_on_a_connection_that_asks_for_it_and_no_other(window: Window) -> None:
    body = (
        STARTED
        + """
        const hops = (n) => ({ written: 3, ...(n && { n }) });
        const topics = { [V]: { epoch: "e", seq: 5, snapshot: null } };
        sources[0].say("hello", { topics, connection: "c", sample: { every_ms: 5000 } });
        sources[0].say("comment", { topic: V, seq: 6, hops: hops(41) });
        sources[0].say("likes", { topic: V, total: 1, hops: hops() });
        sources[0].dispatchEvent(new Event("error"));
        timers.at(-1).work();
        sources[1].hello({ [V]: 6 });
        sources[1].say("comment", { topic: V, seq: 7, hops: hops(42) });
        return [acknowledgements, tab.events];
        """
    )
    acknowledgements, events = await run(window, "core/hub", body)
    assert acknowledgements == [{"connection": "c", "everyMs": 5_000, "read": [41, None], "closed": True}]
    assert events == ["comment 6", "likes", "comment 7"]


# What a viewer of the sample acknowledges


async def test_the_clocks_offset_is_that_of_the_shortest_way_but_for_the_first(window: Window) -> None:
    """The first has to open a connection, the others may have waited in a queue on one side."""
    body = """
        // The server is 5,000 ms ahead; each reading takes so long there, and so long back.
        const ways = [[1, 1], [40, 0], [6, 6], [0, 30]];
        let now = 1_000;
        const read = async () => {
            const [there, back] = ways.shift();
            now += there;
            const server = Math.floor(now) + 5_000;
            now += back;
            return server;
        };
        const offset = await module.clockOffset({ read, now: () => now });
        return [offset, ways.length];
    """
    assert await run(window, "core/acknowledgements", body) == [5_000.5, 0]


async def test_frames_are_acknowledged_by_the_servers_clock_until_their_connection_is_gone(window: Window) -> None:
    body = """
        const ticks = [];
        window.setInterval = (work, ms) => { ticks.push({ work, ms }); return 7; };
        window.clearInterval = (id) => ticks.push({ cleared: id });
        let know;
        const sent = [], statuses = [200, 404];
        const acknowledgements = new module.Acknowledgements("c", 5_000, {
            call: async (body) => { sent.push(body); return statuses.shift(); },
            offset: () => new Promise((resolve) => { know = resolve; }),
        });
        const from = performance.timeOrigin + performance.now();
        acknowledgements.add(41);
        acknowledgements.add(undefined);
        await ticks[0].work();
        const early = sent.length;
        know(86_400_000);
        await new Promise((done) => setTimeout(done));
        await ticks[0].work();
        acknowledgements.add(42);
        await ticks[0].work();
        await new Promise((done) => setTimeout(done));
        const [[number, readMs]] = sent[0].frames;
        const now = performance.timeOrigin + performance.now();
        const isToday = readMs >= Math.floor(from) + 86_400_000 && readMs <= now + 86_400_000;
        const calls = sent.map(({ connection, frames }) => [connection, frames.length]);
        return [early, calls, number, isToday, ticks[0].ms, ticks[1]];
    """
    found = await run(window, "core/acknowledgements", body)
    assert found == [0, [["c", 1], ["c", 1]], 41, True, 5_000, {"cleared": 7}]


async def test_pointer_that_rests_holds_a_list_only_at_a_button(window: Window) -> None:
    """In a flood, the buttons of a comment were gone from under a mouse that rested there for three seconds."""
    await window.page.clock.install()
    await run(
        window,
        "parts/hold",
        """
        document.body.innerHTML = "<main><p>A text</p><button>More</button></main>";
        window.hold = new module.Hold(document.querySelector("main"), { released() {} });
        """,
    )
    is_held = "hold.isHeld"
    await window.page.get_by_text("A text").hover()
    assert await window.page.evaluate(is_held)

    await window.page.clock.run_for(4_000)
    assert not await window.page.evaluate(is_held), "it rests at a text"

    await window.page.get_by_role("button", name="More").hover()
    await window.page.clock.run_for(4_000)
    assert await window.page.evaluate(is_held), "somebody is about to press it"

    await window.page.get_by_text("A text").hover()
    await window.page.clock.run_for(4_000)
    assert not await window.page.evaluate(is_held)
