"""The inbox as the page keeps it: static/js/inbox/state.js, fed with random events, equals a fresh snapshot."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from accounts.representation import person
from messaging.representation import user_topic
from realtime.events import Durable, TopicName
from realtime.log.threads import backend_threads
from tests.messaging.circle import Circle
from tests.messaging.test_state_and_events import kind_of, load_all

if TYPE_CHECKING:
    from playwright.async_api import Page

# A conversation is opened as the page does it; its own topic is followed beside the viewer's.
FOLLOW = """async ([viewer, begins, events]) => {
    const { first, apply, inboxSnapshot, threadSnapshot } = await import("/js/inbox/state.js");
    let state = first(viewer);
    for (const begin of begins) {
        if (begin.topic.startsWith("conversation:")) {
            state = apply(state, "local_opened", { conversation: { ...begin.snapshot.conversation, last: null } });
        }
        state = apply(state, "reset", begin);
    }
    for (const [name, data] of events) {
        state = apply(state, name, data);
        state = apply(state, name, data);
    }
    return {
        inbox: { seq: state.inbox.seq, ...inboxSnapshot(state, 1000) },
        thread: state.thread && { seq: state.thread.seq, ...threadSnapshot(state, 1000) },
    };
}"""


def begin(topic: TopicName) -> dict[str, Any]:
    """Return what a viewer of the topic reads first."""
    loaded = load_all([topic])[topic]
    shown = kind_of(topic).shown(loaded.snapshot)
    return {"topic": topic, "seq": loaded.head.seq, "snapshot": shown}


async def act(circle: Circle, chance: random.Random, times: int) -> None:
    for _ in range(times):
        await backend_threads.run(circle.act, chance)


@pytest.mark.parametrize("seed", range(4))
async def test_inbox_and_events_equal_a_fresh_inbox(circle: Circle, page: Page, seed: int) -> None:
    """Every event is given twice: a page that resumes may read one again."""
    chance = random.Random(seed)
    await backend_threads.run(circle.start, 0, 1)
    await act(circle, chance, 40)
    me = circle.people[0]
    own = user_topic(me.id)
    inbox = await backend_threads.run(begin, own)
    open_one = TopicName(inbox["snapshot"]["conversations"][0]["topic"])
    thread = await backend_threads.run(begin, open_one)
    circle.events.clear()
    await act(circle, chance, 120)
    events = [
        (event.name, orjson.loads(event.body))
        for event in circle.events
        if isinstance(event, Durable) and event.topic in (own, open_one)
    ]

    followed = await page.evaluate(FOLLOW, [person(me), [inbox, thread], events])

    fresh = await backend_threads.run(begin, own)
    assert followed["inbox"] == {"seq": fresh["seq"], **fresh["snapshot"]}
    fresh = await backend_threads.run(begin, open_one)
    messages, expected = followed["thread"].pop("messages"), fresh["snapshot"].pop("messages")
    # The page keeps the older messages it has; the fresh one begins with the newest fifty.
    assert messages[len(messages) - len(expected) :] == expected
    assert followed["thread"] == {"seq": fresh["seq"], **fresh["snapshot"]}


async def test_who_does_not_want_the_number_of_unread_messages_has_none(page: Page) -> None:
    script = """async (counts) => {
        const { apply, first, unreadOf } = await import("/js/inbox/state.js");
        const state = first({ id: "a" });
        const conversations = [{ unread: 2 }, { unread: 3 }];
        const snapshot = { conversations, blocked: [] };
        const known = apply(state, "reset", { topic: "user:a", epoch: "e", seq: 1, snapshot });
        const notices = { unread: 1, counts_messages: counts };
        return unreadOf(apply(known, "notices", { topic: "user:a", seq: 2, notices }));
    }"""
    assert [await page.evaluate(script, counts) for counts in (True, False)] == [5, 0]


async def test_a_group_stays_one_however_few_are_left(page: Page) -> None:
    """A group of two was taken for a pair: it could not be left, and whom one blocks silenced it."""
    ana, bo = {"id": "a", "name": "Ana"}, {"id": "b", "name": "Bo"}
    script = """async ([conversation, viewer]) => {
        const { partnerOf } = await import("/js/inbox/state.js");
        return partnerOf(conversation, viewer);
    }"""

    assert await page.evaluate(script, [{"is_group": False, "members": [ana, bo]}, ana]) == bo
    assert await page.evaluate(script, [{"is_group": True, "members": [ana, bo]}, ana]) is None
