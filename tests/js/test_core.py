"""The pure parts of static/js/core/, each on an empty page: a topic's states, waiting times, what is pending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page


async def run(page: Page, module: str, body: str, argument: object = None) -> Any:
    """Return what the function body returns; `module` holds the exports, `argument` the value."""
    script = f"async (argument) => {{ const module = await import('/js/core/{module}.js'); {body} }}"
    return await page.evaluate(script, argument)


TOPIC = """
    const topic = new module.Topic("video:1", argument ?? {});
    const steps = [];
    const step = (found) => steps.push([topic.state, found]);
    const opening = (seq, snapshot = null, epoch = "e") => ({ epoch, seq, snapshot });
"""


async def test_a_topic_is_asked_for_once_and_followed_when_the_server_has_answered(page: Page) -> None:
    body = (
        TOPIC
        + """
        topic.join("a", 5, "e");
        step(topic.isDue);
        step(topic.ask());
        step(topic.answered(opening(6)));
        step(topic.isBehind);
        step(topic.take({ seq: 6 }));
        step(topic.isBehind);
        return steps;
    """
    )
    assert await run(page, "topic", body) == [
        ["resume", True],
        ["asked", {"topic": "video:1", "after": "video:1@e.5"}],
        ["answered", []],
        ["answered", True],
        ["answered", ["a"]],
        ["answered", False],
    ]


async def test_an_event_is_for_the_tabs_that_have_not_had_it(page: Page) -> None:
    body = (
        TOPIC
        + """
        topic.join("a", 5, "e");
        topic.join("b", 6, "e");
        topic.join("new", null, null);
        topic.ask();
        topic.answered(opening(6));
        return [topic.take({ seq: 6 }), topic.take({ seq: 7 }), topic.take({ seq: 7 }), topic.take({})];
    """
    )
    assert await run(page, "topic", body) == [["a"], ["a", "b"], [], ["a", "b"]]


async def test_a_gap_is_asked_for_and_the_same_gap_again_is_refetched(page: Page) -> None:
    body = (
        TOPIC
        + """
        topic.join("a", 5, "e");
        topic.ask();
        topic.answered(opening(5));
        step(topic.take({ seq: 7 }));
        step(topic.take({ seq: 8 }));
        step(topic.ask());
        step(topic.take({ seq: 9 }));
        topic.answered(opening(9));
        step(topic.take({ seq: 9 }));
        step(topic.ask());
        step(topic.answered(opening(9, {})));
        return steps;
    """
    )
    after = {"topic": "video:1", "after": "video:1@e.5"}
    assert await run(page, "topic", body) == [
        ["resume", []],
        ["resume", []],
        ["asked", after],
        ["asked", []],
        ["refetch", []],
        ["asked", {"topic": "video:1"}],
        ["answered", ["a"]],
    ]


async def test_a_tab_that_joins_while_an_answer_is_on_its_way_is_asked_for_again(page: Page) -> None:
    body = (
        TOPIC
        + """
        topic.join("a", 5, "e");
        topic.ask();
        topic.join("b", 4, "e");
        step(topic.answered(opening(5)));
        step(topic.ask());
        return steps;
    """
    )
    found = await run(page, "topic", body)
    assert found == [["resume", []], ["asked", {"topic": "video:1", "after": "video:1@e.4"}]]


@pytest.mark.parametrize(("is_new", "tabs"), [(False, ["behind", "empty"]), (True, ["behind", "has all", "empty"])])
async def test_a_state_goes_to_the_tabs_that_need_it(page: Page, is_new: bool, tabs: list[str]) -> None:
    body = (
        TOPIC
        + f"""
        topic.join("behind", 4, "e");
        topic.join("has all", 5, "e");
        topic.join("empty", null, null);
        topic.ask();
        return topic.answered(opening(5, {{}}), {{ isNew: {str(is_new).lower()} }});
    """
    )
    assert await run(page, "topic", body) == tabs


async def test_of_presence_only_the_present_is_asked_for(page: Page) -> None:
    body = TOPIC + "topic.join('a', 5, 'e'); return topic.ask();"
    assert await run(page, "topic", body, {"isStateOnly": True}) == {"topic": "video:1"}


async def test_waiting_grows_to_its_limit_at_random_and_begins_again_after_a_success(page: Page) -> None:
    body = """
        let share = 1;
        const backoff = new module.Backoff({ firstMs: 1_000, maxMs: 5_000, least: 0.5, random: () => share });
        const most = [1, 2, 3, 4].map(() => backoff.next());
        share = 0;
        const least = backoff.next();
        const { failures } = backoff;
        backoff.reset();
        return { most, least, failures, again: [backoff.next(), backoff.failures] };
    """
    assert await run(page, "backoff", body) == {
        "most": [1_000, 2_000, 4_000, 5_000],
        "least": 2_500,
        "failures": 5,
        "again": [500, 1],
    }


PENDING = """
    const sent = (clientId) => ({ clientId, body: clientId, atMs: 1 });
    let state = { viewer: { id: "a" }, pending: [] };
    const act = (name, data = {}) => {
        state = module.pendingRules[name](state, data);
        const row = ({ clientId, state, reason, hasWaited = false }) => [clientId, state, reason, hasWaited];
        return state.pending.map(row);
    };
"""


async def test_a_pending_text_waits_fails_and_is_sent_again(page: Page) -> None:
    body = (
        PENDING
        + """
        act("local_sending", sent("one"));
        act("local_sending", sent("two"));
        const refused = act("local_refused", { clientId: "one", reason: "slow" });
        const [waiting, again] = [act("local_waiting"), act("local_sending", sent("one"))];
        return [refused, waiting, again, act("local_dropped", { clientId: "two" })];
    """
    )
    refused, waiting, again, dropped = await run(page, "pending", body)
    assert refused == [["one", "failed", "slow", True], ["two", "sending", "", False]]
    assert waiting == [["one", "failed", "slow", True], ["two", "waiting", "", True]]
    assert again == [["one", "sending", "", True], ["two", "waiting", "", True]]
    assert dropped == [["one", "sending", "", True]]


async def test_what_a_page_has_left_comes_before_what_this_one_sends_and_waits(page: Page) -> None:
    body = (
        PENDING
        + """
        act("local_sending", sent("new"));
        return act("local_left", { left: [{ ...sent("old"), state: "sending", reason: "" }] });
    """
    )
    assert await run(page, "pending", body) == [["old", "waiting", "", True], ["new", "sending", "", False]]


async def test_only_the_viewers_own_text_acknowledges_what_is_pending(page: Page) -> None:
    body = (
        PENDING
        + """
        act("local_sending", sent("one"));
        const written = (id, client_id) => module.acknowledged(state, { client_id, author: { id } }).pending.length;
        return [written("b", "one"), written("a", null), written("a", "two"), written("a", "one")];
    """
    )
    assert await run(page, "pending", body) == [1, 1, 1, 0]


async def test_messages_that_come_fast_go_in_bundles_and_what_cannot_wait_takes_them_along(page: Page) -> None:
    """In a flood of 100 comments a second a page was busy with taking each by itself for a third of what it did."""
    body = """
        const bundles = [];
        const post = module.inBundles((bundle) => bundles.push(bundle.join("")), (message) => message !== "D");
        const pause = () => new Promise((done) => { setTimeout(done, 5); });
        const until = async (length) => { while (bundles.length < length) await pause(); };
        for (const message of "abcDef") post(message);
        const atOnce = [...bundles];
        await until(3);
        post("g");
        await until(4);
        return [atOnce, bundles.slice(2)];
    """
    assert await run(page, "bundle", body) == [["a", "bcD"], ["ef", "g"]]
