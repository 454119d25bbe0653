"""The moderators' topic: who reads it, and that first state + events = fresh state."""

from __future__ import annotations

import copy
from typing import Any
from uuid import UUID

import orjson
import pytest

from accounts.models import Viewer
from moderation import audit
from moderation.models import AuditEntry, Restriction, Role
from moderation.rights import MAY
from moderation.roles import Rank, role_in
from realtime.events import Durable, TopicName
from realtime.log.database import DatabaseStore
from realtime.log.threads import backend_threads
from realtime.registry import registry
from tests.videos.acts import Stage, allow
from videos import likes, moderation
from videos.topics import page_state
from web.refusals import Forbidden

run = backend_threads.run


def topic(stage: Stage) -> TopicName:
    return audit.topic_of(stage.owner.id)


async def snapshot(stage: Stage) -> dict[str, Any]:
    return (await DatabaseStore(registry).load(topic(stage))).snapshot


async def written(stage: Stage, body: str = "hello", *, by: int = 0) -> UUID:
    return UUID((await likes.comment(stage.video.id, stage.viewers[by], body))["id"])


async def give(stage: Stage, viewer: Viewer, kind: str) -> None:
    await run(Role.objects.create, channel=stage.owner, viewer=viewer, kind=kind)


async def test_events_lead_to_the_fresh_state(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moderation.topics.SNAPSHOT_ACTS", 3)
    known = copy.deepcopy(await snapshot(stage))
    comments = [await written(stage, f"comment {number}", by=number) for number in range(5)]
    await run(moderation.pin_comment, stage.video.id, comments[0], stage.owner)
    await run(moderation.unpin_comment, stage.video.id, comments[0], stage.owner)
    for comment in comments[:3]:
        await run(moderation.delete_comment, stage.video.id, comment, stage.owner)
    await run(moderation.delete_comments, stage.video.id, comments[3:], stage.owner)
    for event in stage.told:
        assert isinstance(event, Durable)
        registry.kinds["moderation"].apply(known, event.name, orjson.loads(event.body))
    assert known == await snapshot(stage)
    assert [act["text"] for act in known["acts"]] == ["comment 1", "comment 2", "2 comments"]


async def test_an_act_says_who_did_what_to_whom(stage: Stage) -> None:
    comment = await written(stage, "rude", by=1)
    await run(moderation.delete_comment, stage.video.id, comment, stage.owner, reason="rude")
    [act] = (await snapshot(stage))["acts"]
    assert act["by"]["id"] == str(stage.owner.id)
    assert act["viewer"]["name"] == stage.viewers[1].name
    assert (act["act"], act["about"], act["text"], act["reason"]) == ("delete", str(comment), "rude", "rude")
    assert act["undone"] is None


async def test_own_comment_taken_back_is_no_act_of_moderation(stage: Stage) -> None:
    await run(moderation.delete_comment, stage.video.id, await written(stage), stage.viewers[0])
    assert stage.told == []
    assert await run(AuditEntry.objects.count) == 0


async def test_only_those_who_moderate_read_it(stage: Stage) -> None:
    helper, moderator, stranger = stage.viewers[:3]
    await give(stage, helper, "helper")
    await give(stage, moderator, "moderator")
    access = registry.kinds["moderation"].access(await snapshot(stage))
    assert access.viewer_ids == {str(viewer.id) for viewer in (stage.owner, helper, moderator)}
    assert not access.public
    assert str(stranger.id) not in access.viewer_ids


async def test_there_is_a_topic_of_people_only(stage: Stage) -> None:
    kind = registry.kinds["moderation"]
    for text in (str(stage.video.id), str(stage.owner.id).upper(), "nobody"):
        assert await run(kind.load, TopicName(f"moderation:{text}")) is None


async def test_a_role_opens_its_acts_in_its_channel_alone(stage: Stage) -> None:
    helper, moderator, author = stage.viewers[:3]
    await give(stage, helper, "helper")
    await give(stage, moderator, "moderator")
    first, second = await written(stage, by=2), await written(stage, by=2)
    await run(moderation.delete_comment, stage.video.id, first, helper)
    with pytest.raises(Forbidden):
        await run(moderation.pin_comment, stage.video.id, second, helper)
    await run(moderation.pin_comment, stage.video.id, second, moderator)
    assert await run(role_in, author.id, moderator) == Rank.VIEWER


async def test_ranks(stage: Stage) -> None:
    clerk = await run(Viewer.objects.create_user, "clerk")
    await run(allow, clerk, "delete_comment")
    root = await run(Viewer.objects.create_superuser, "root")
    await give(stage, stage.viewers[0], "helper")
    ranks = [await run(role_in, stage.owner.id, who) for who in (None, *stage.viewers[:2], stage.owner, clerk, root)]
    expected = [Rank.VIEWER, Rank.HELPER, Rank.VIEWER, Rank.OWNER, Rank.SITE_MODERATOR, Rank.ADMINISTRATOR]
    assert ranks == expected


async def test_a_page_offers_what_one_may_do_there(stage: Stage) -> None:
    """It knew only whether somebody moderates, and offered helpers what they are refused."""
    helper, moderator, barred, viewer = stage.viewers[:4]
    for who, kind in ((helper, "helper"), (moderator, "moderator"), (barred, "moderator")):
        await give(stage, who, kind)
    await run(Restriction.objects.create, channel=stage.owner, viewer=barred, kind="ban", given_by=stage.owner)

    async def offered(who: Viewer | None) -> tuple[set[str], int]:
        state = await page_state(stage.video.id, who)
        assert state["outranks_moderators"] == (who == stage.owner)
        return set(state["may"]), state["time_out_seconds_max"]

    day = 86_400
    assert await offered(helper) == ({act for act, ranks in MAY.items() if Rank.HELPER in ranks}, 3_600)
    assert await offered(moderator) == (set(MAY) - {"role", "share"}, 14 * day)
    assert await offered(stage.owner) == (set(MAY), 14 * day)
    assert await offered(barred) == ({"read"}, 0)
    assert await offered(viewer) == await offered(None) == (set(), 0)


async def test_moderators_of_a_channel_have_the_mark_and_helpers_do_not(stage: Stage) -> None:
    """In the answer, and in the state read afterwards."""
    await give(stage, stage.viewers[0], "moderator")
    await give(stage, stage.viewers[1], "helper")
    marks = [(await likes.comment(stage.video.id, viewer, "hello"))["author"]["role"] for viewer in stage.viewers[:2]]
    assert marks == ["moderator", None]
    fresh = (await DatabaseStore(registry).load(TopicName(stage.video.topic))).snapshot
    assert [comment["author"]["role"] for comment in fresh["comments"]] == marks
