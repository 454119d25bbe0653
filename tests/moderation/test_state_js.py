"""What a moderator's page knows (static/js/moderation/state.js): fed with the events, it is what a fresh page knows."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from accounts.guests import create_guest
from moderation import audit, complaints
from realtime.events import Durable
from realtime.log.database import DatabaseStore
from realtime.log.threads import backend_threads
from realtime.registry import registry
from tests.videos.acts import Stage
from videos import channel_rules, gate, held, moderation
from videos.likes import comment

if TYPE_CHECKING:
    from playwright.async_api import Page

run = backend_threads.run
FOLLOW = """async ([states, events]) => {
    const { apply } = await import("/js/moderation/state.js");
    const said = [...states.map((data) => ["reset", data]), ...events];
    return said.reduce((state, [name, data]) => apply(state, name, data), null);
}"""


async def state(stage: Stage) -> dict[str, Any]:
    found = await DatabaseStore(registry).load(audit.topic_of(stage.owner.id))
    return {"epoch": "e", "seq": found.head.seq, "snapshot": found.snapshot}


async def test_page_and_events_equal_a_fresh_page(stage: Stage, page: Page) -> None:
    """What is held and reported comes, and is taken, on the pages of all moderators; so do gate and alarm."""
    id, owner, (ada, bea, cleo, *_) = stage.video.id, stage.owner, stage.viewers
    await run(lambda: channel_rules.set_words(owner.id, owner, refused="", held="money*"))
    before = await state(stage)
    stage.told.clear()
    waiting = [UUID((await comment(id, who, f"money {who.name}"))["held"]["id"]) for who in (ada, bea, cleo)]
    await run(held.approve, id, waiting[1], owner)
    await run(held.deny, id, waiting[0], owner)
    said = [UUID((await comment(id, who, "rude"))["id"]) for who in (ada, bea)]
    for reported in said:
        await run(partial(moderation.report_comment, id, reported, cleo, reason="spam"))
    await run(lambda: complaints.report_person(owner.id, ada.id, bea, reason="hate"))
    await run(complaints.dismiss, owner.id, said[0], owner)
    await run(gate.close, owner.id, owner, back_minutes=0)
    await run(gate.open_again, owner.id, owner)
    for number in range(6):
        await comment(id, await run(create_guest, f"Attacker {number}"), "Come over to the other channel now")
    events = [(event.name, orjson.loads(event.body)) for event in stage.told if isinstance(event, Durable)]
    names = {"comment_held", "held_decided", "reported", "reported_settled", "gate", "alarm"}
    assert names <= {name for name, _ in events}
    followed = await page.evaluate(FOLLOW, [[before], events])
    fresh = await state(stage)
    assert followed == await page.evaluate(FOLLOW, [[fresh], []])
    assert [len(followed[part]) for part in ("held", "reported")] == [1, 2]
