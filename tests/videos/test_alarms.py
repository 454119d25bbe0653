"""The alarm of a channel: what raises it, what does not, and how its moderators hear of it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone

from accounts.guests import create_guest
from accounts.models import Viewer
from moderation import audit
from moderation.models import Arrival
from realtime.events import Durable
from realtime.log.database import DatabaseStore
from realtime.log.threads import backend_threads
from realtime.registry import registry
from screening import attacks
from screening.models import Gate
from tests.videos.acts import Stage
from videos import alarms, channel_rules
from videos.likes import comment
from videos.models import Comment, Video
from web.refusals import Forbidden

run = backend_threads.run
Write = Callable[[Sequence[Viewer]], Awaitable[list[Any]]]
WORDS = ["window", "orange", "hundred", "yellow", "castle", "river", "planet", "garden", "silver", "thunder", "market"]


def came(people: Sequence[Viewer], *, addresses: int) -> None:
    Arrival.objects.bulk_create(
        [Arrival(viewer=who, device="", network=f"address {number % addresses}") for number, who in enumerate(people)]
    )


def guests(count: int, *, addresses: int) -> list[Viewer]:
    made = [create_guest(f"Guest {number}") for number in range(count)]
    came(made, addresses=addresses)
    return made


async def stand(stage: Stage) -> None:
    """Let the broadcast go on for ten minutes already."""
    await Video.objects.filter(id=stage.video.id).aupdate(
        status=Video.Status.LIVE, started_at=timezone.now() - timedelta(minutes=10)
    )


@pytest.fixture
def write(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Let each of some people write something else, all at once."""

    async def write(people: Sequence[Viewer]) -> list[Any]:
        texts = [f"{WORDS[n % 11]} {WORDS[n // 11 % 11]} {n}" for n in range(len(people))]
        *first, last = (comment(stage.video.id, who, text) for who, text in zip(people, texts, strict=True))
        done = await asyncio.gather(*first, return_exceptions=True)
        monkeypatch.setattr(
            attacks, "watch", attacks.AttackWatch()
        )  # it looks after the last one, however fast we were
        return [*done, *await asyncio.gather(last, return_exceptions=True)]

    return write


def alarm(stage: Stage) -> dict[str, Any] | None:
    return alarms.alarm_of(stage.owner.id)


def shown(stage: Stage) -> int:
    return Comment.objects.filter(video=stage.video, deleted_at=None).count()


async def test_a_crowd_from_few_addresses_raises_the_alarm(stage: Stage, write: Write) -> None:
    await stand(stage)
    assert all(isinstance(made, dict) for made in await write(await run(guests, 34, addresses=3)))
    raised = await run(alarm, stage)
    assert raised is not None
    assert (raised["kind"], raised["addresses"]) == ("guests", 3)
    assert attacks.GROUPED_MIN <= raised["people"] <= 34
    assert raised["video_id"] == str(stage.video.id)
    assert not await Gate.objects.aexists()  # nobody asked for the shield


async def test_a_rush_of_newcomers_raises_the_alarm(stage: Stage, write: Write) -> None:
    await stand(stage)
    await write(await run(guests, 45, addresses=45))
    raised = await run(alarm, stage)
    assert raised is not None
    assert raised["kind"] == "rush"
    assert attacks.RUSH_COMMENTS_MIN <= raised["comments"] == raised["people"] <= 45


async def test_shield_closes_and_takes_away_what_the_crowd_wrote(stage: Stage, write: Write) -> None:
    await run(channel_rules.set_rules, stage.owner.id, stage.owner, {"shield": True})
    await stand(stage)
    await Viewer.objects.filter(id=stage.viewers[0].id).aupdate(date_joined=timezone.now() - timedelta(hours=1))
    await comment(stage.video.id, stage.viewers[0], "I was here before")
    crowd = await run(guests, 34, addresses=3)
    await write(crowd)
    assert await run(shown, stage) == 1
    with pytest.raises(Forbidden) as refused:
        await comment(stage.video.id, crowd[0], "again")
    assert refused.value.code == "gate_closed"
    await comment(stage.video.id, stage.viewers[0], "I still am")


async def test_an_honest_rush_raises_none(stage: Stage, write: Write) -> None:
    """A goal: viewers who were there before cheer, all at once and from a few addresses."""
    await stand(stage)
    people = await run(guests, 60, addresses=4)
    await Viewer.objects.filter(is_guest=True).aupdate(date_joined=timezone.now() - timedelta(minutes=20))
    await write(people)
    assert await run(alarm, stage) is None


async def test_a_crowd_at_the_start_raises_none(stage: Stage, write: Write) -> None:
    """A school of 300 behind one address comes when the broadcast begins; another one waits for it."""
    await write(await run(guests, 150, addresses=1))
    await Video.objects.filter(id=stage.video.id).aupdate(status=Video.Status.LIVE, started_at=timezone.now())
    await write(await run(guests, 150, addresses=1))
    assert await run(alarm, stage) is None


async def test_a_crowd_that_is_expected_raises_none(
    stage: Stage, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stand(stage)
    monkeypatch.setattr(alarms, "expected", [stage.video.id.__eq__])
    await write(await run(guests, 60, addresses=4))
    assert await run(alarm, stage) is None


async def test_a_room_that_was_as_loud_before_raises_none(stage: Stage, write: Write) -> None:
    await stand(stage)
    people = await run(guests, 50, addresses=50)
    at = timezone.now() - timedelta(seconds=40)
    await Comment.objects.abulk_create(
        [
            Comment(video=stage.video, author=who, body="before", seq=10_000 + number, created_at=at)
            for number, who in enumerate(people * 2)
        ]
    )
    await Viewer.objects.filter(id__in=[who.id for who in people]).aupdate(date_joined=at)
    await write(people)
    assert await run(alarm, stage) is None


async def test_one_attack_raises_one_alarm(stage: Stage, write: Write) -> None:
    await stand(stage)
    people = await run(guests, 34, addresses=3)
    await write(people)
    await write(people)
    assert [event.name for event in stage.told if isinstance(event, Durable)] == ["alarm"]


async def test_events_lead_moderators_to_the_fresh_alarm(stage: Stage, write: Write) -> None:
    topic, store = audit.topic_of(stage.owner.id), DatabaseStore(registry)
    await run(channel_rules.set_rules, stage.owner.id, stage.owner, {"shield": True})
    stage.told.clear()
    state = copy.deepcopy((await store.load(topic)).snapshot)
    assert state["alarm"] is None
    await stand(stage)
    await write(await run(guests, 34, addresses=3))
    for event in stage.told:
        assert isinstance(event, Durable)
        registry.kinds["moderation"].apply(state, event.name, orjson.loads(event.body))
    assert state["alarm"] is not None
    assert state == (await store.load(topic)).snapshot
