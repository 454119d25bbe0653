"""The rule of the page (static/js/watch/state.js), fed with the events of random acts, equals a freshly loaded page."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from accounts import portraits
from realtime.events import Counters, Durable, TopicName
from realtime.log.database import events_after
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos import likes
from videos.topics import page_state

if TYPE_CHECKING:
    from playwright.async_api import Page

FOLLOW = """async ([island, events]) => {
    const { first, apply, snapshot } = await import("/js/watch/state.js");
    let state = first(island);
    for (const [name, data] of events) {
        if (data.seq > state.seq + 1) throw new Error("a hole before " + JSON.stringify(data));
        state = apply(state, name, data);
        state = apply(state, name, data);
    }
    return { seq: state.seq, emoji: state.emoji, snapshot: snapshot(state, 1000) };
}"""


GO_BACK = """async ([island, author]) => {
    const { first, apply } = await import("/js/watch/state.js");
    const { comments, pinned, likes } = island.snapshot;
    const state = apply(first(island), "author", { seq: island.seq + 1, author });
    const moment = { comments, pinned, likes, sinceMs: 0, viewers: 0, isJump: true };
    return apply(state, "local_moment", moment).comments.map((comment) => comment.author);
}"""


def as_read(event: object) -> tuple[str, dict[str, Any]]:
    """Return an event as a viewer reads it."""
    if isinstance(event, Durable):
        return event.name, orjson.loads(event.body)
    assert isinstance(event, Counters)
    return "likes", {"topic": event.topic, "total": event.total, "kinds": dict(event.kinds), "names": []}


@pytest.mark.parametrize("seed", range(3))
async def test_page_and_events_equal_a_fresh_page(stage: Stage, page: Page, seed: int) -> None:
    """Every event is given twice: a page that resumes may read one again."""
    chance = random.Random(seed)
    for _ in range(chance.randrange(60)):
        await stage.act(chance)
    island = await page_state(stage.video.id, None)
    stage.events.clear()
    for _ in range(60):
        await stage.act(chance)
    await stage.end()
    followed = await page.evaluate(FOLLOW, [island, [as_read(event) for event in stage.events]])
    fresh = await page_state(stage.video.id, None)
    shown, expected = followed["snapshot"], fresh["snapshot"]
    # The page keeps the older comments it has; the fresh one begins with the newest fifty.
    shown["comments"] = shown["comments"][len(shown["comments"]) - len(expected["comments"]) :]
    assert shown == expected
    assert (followed["seq"], followed["emoji"]) == (fresh["seq"], fresh["emoji"])
    # Who comes back gets what the event log has, in which no deleted text is left.
    log = await backend_threads.run(events_after, "default", TopicName(stage.video.topic), island["seq"], 1_000)
    resumed = await page.evaluate(FOLLOW, [island, [as_read(event) for event in log]])
    assert (resumed["seq"], resumed["emoji"]) == (fresh["seq"], fresh["emoji"])
    for part in ("video", "comments", "pinned"):
        newest = resumed["snapshot"][part]
        assert (newest[len(newest) - len(expected[part]) :] if part == "comments" else newest) == expected[part]
    await backend_threads.run(stage.video.refresh_from_db)
    assert stage.video.status == "ended"


async def test_a_picture_that_was_taken_away_stays_away_when_a_replay_goes_back(stage: Stage, page: Page) -> None:
    """What a page of a replay has read of a moment is older than what it has heard of the author since."""
    who = stage.viewers[0]
    await backend_threads.run(portraits.keep, who, b"a picture")
    await likes.comment(stage.video.id, who, "Hello")
    island = await page_state(stage.video.id, None)
    assert island["snapshot"]["comments"][0]["author"]["picture"] == who.picture
    await backend_threads.run(portraits.remove, who)
    name, data = stage.newest()
    without = {"id": str(who.id), "name": who.name, "role": None}
    assert (name, data["author"]) == ("author", without)
    assert await page.evaluate(GO_BACK, [island, without]) == [without]
