"""The gate against attacks: who is shut out, what is taken away, and who is left in peace."""

from __future__ import annotations

import asyncio
import copy
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone

from accounts.guests import create_guest
from accounts.models import Viewer
from moderation import audit, undoing
from moderation.models import AuditEntry, Role
from realtime.events import Durable
from realtime.identity import Identity
from realtime.log.database import DatabaseStore
from realtime.log.threads import backend_threads
from realtime.registry import registry
from screening.models import Gate
from tests.videos.acts import Stage
from videos import channel_rules, gate
from videos.commands import COMMANDS
from videos.likes import comment, like
from videos.models import Comment
from web.refusals import Forbidden, NotFound

run = backend_threads.run


def came(who: Viewer, **ago: int) -> None:
    Viewer.objects.filter(id=who.id).update(date_joined=timezone.now() - timedelta(**ago))


async def known(stage: Stage) -> Viewer:
    """Somebody who was there before."""
    await run(lambda: came(stage.viewers[0], hours=2))
    return stage.viewers[0]


def shown(stage: Stage) -> list[str]:
    return list(
        Comment.objects.filter(video=stage.video, deleted_at=None).order_by("seq").values_list("body", flat=True)
    )


async def test_newcomers_are_shut_out_and_what_they_wrote_goes(stage: Stage) -> None:
    regular, moderator = await known(stage), stage.viewers[1]
    await Role.objects.acreate(channel=stage.owner, viewer=moderator, kind=Role.Kind.MODERATOR)
    for who, body in ((regular, "kept"), (moderator, "kept too"), (stage.viewers[2], "gone"), (stage.owner, "mine")):
        await comment(stage.video.id, who, body)
    closed, deleted = await run(gate.close, stage.owner.id, moderator)
    assert deleted == 1
    assert await run(shown, stage) == ["kept", "kept too", "mine"]
    for newcomer in (stage.viewers[2], await run(create_guest, "Later")):
        with pytest.raises(Forbidden) as refused:
            await comment(stage.video.id, newcomer, "here again")
        assert refused.value.code == "gate_closed"
        await like(stage.video.id, newcomer, "like")
    for who in (regular, moderator, stage.owner):
        await comment(stage.video.id, who, "still here")
    assert closed["until_ms"] > closed["since_ms"]


async def test_it_opens_by_itself_and_by_hand(stage: Stage) -> None:
    await run(gate.close, stage.owner.id, stage.owner)
    await Gate.objects.aupdate(until=timezone.now())
    await comment(stage.video.id, stage.viewers[1], "open by itself")
    await run(gate.close, stage.owner.id, stage.owner)
    await run(gate.open_again, stage.owner.id, stage.owner)
    await comment(stage.video.id, stage.viewers[1], "open by hand")
    with pytest.raises(NotFound):
        await run(gate.open_again, stage.owner.id, stage.owner)


async def test_roll_back_can_be_taken_back(stage: Stage) -> None:
    await comment(stage.video.id, stage.viewers[1], "honest")
    await run(gate.close, stage.owner.id, stage.owner)
    entry = await AuditEntry.objects.aget(act="delete")
    await run(undoing.undo, stage.owner.id, entry.id, stage.owner)
    assert await run(shown, stage) == ["honest"]


async def test_no_comment_slips_through_while_it_closes(stage: Stage) -> None:
    async def flood(who: Viewer) -> None:
        for number in range(20):
            try:
                await comment(stage.video.id, who, f"flood {number}")
            except Forbidden:
                return

    floods = [asyncio.create_task(flood(who)) for who in stage.viewers]
    while not await Comment.objects.aexists():
        await asyncio.sleep(0)
    await run(gate.close, stage.owner.id, stage.owner)
    await asyncio.gather(*floods)
    assert await run(shown, stage) == []


async def attack(stage: Stage) -> list[Any]:
    """Come in a crowd and write alike."""
    people = [await run(create_guest, f"Attacker {number}") for number in range(12)]
    texts = [f"Follow m{n}y other channel n0w, friends" for n in range(12)]
    return [
        await asyncio.gather(comment(stage.video.id, who, text), return_exceptions=True)
        for who, text in zip(people, texts, strict=True)
    ]


async def test_shield_closes_by_itself_and_takes_only_the_attack_away(stage: Stage) -> None:
    await run(channel_rules.set_rules, stage.owner.id, stage.owner, {"shield": True})
    await comment(stage.video.id, await known(stage), "What a lovely evening it is")
    await comment(stage.video.id, await run(create_guest, "Honest"), "Is this the channel of Nadia?")
    done = await attack(stage)
    assert isinstance(done[-1][0], Forbidden)
    assert await run(shown, stage) == ["What a lovely evening it is", "Is this the channel of Nadia?"]
    entry = await AuditEntry.objects.select_related("actor").aget(act="gate_closed")
    assert entry.actor is None


async def test_without_the_shield_nothing_closes(stage: Stage) -> None:
    assert all(isinstance(made, dict) for [made] in await attack(stage))


async def test_events_lead_moderators_to_the_fresh_gate(stage: Stage) -> None:
    topic, store = audit.topic_of(stage.owner.id), DatabaseStore(registry)
    state = copy.deepcopy((await store.load(topic)).snapshot)
    assert state["gate"] is None
    await run(gate.close, stage.owner.id, stage.owner)
    await run(gate.open_again, stage.owner.id, stage.owner)
    for event in stage.told:
        assert isinstance(event, Durable)
        registry.kinds["moderation"].apply(state, event.name, orjson.loads(event.body))
    assert state == (await store.load(topic)).snapshot


async def test_gate_is_for_moderators(stage: Stage) -> None:
    helper, owner = stage.viewers[3], Identity(str(stage.owner.id))
    await Role.objects.acreate(channel=stage.owner, viewer=helper, kind=Role.Kind.HELPER)
    for who in (helper, stage.viewers[4]):
        for act in (gate.close, gate.open_again):
            with pytest.raises(Forbidden):
                await run(act, stage.owner.id, who)
    assert (await run(gate.read, stage.owner.id, helper)) == {"gate": None}
    with pytest.raises(NotFound):
        await run(gate.close, helper.id, helper)
    message = {"channel": str(stage.owner.id)}
    assert (await COMMANDS["close_gate"](owner, "", message))["deleted"] == 0
    assert await COMMANDS["open_gate"](owner, "", message) == {}
