"""Questions that the rules hold: they wait for a moderator, as comments do."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from accounts.models import Viewer
from moderation.models import AuditEntry, Restriction
from polls import asking, questions
from polls.commands import COMMANDS
from realtime.identity import Identity
from realtime.log.threads import backend_threads
from tests.polls.boards import QuestionsFollower, load
from tests.videos.acts import Stage
from videos import channel_rules, held, likes
from videos.commands import COMMANDS as VIDEO_COMMANDS
from videos.models import Comment, HeldComment, Video
from web.refusals import Conflict, NotFound

run = backend_threads.run


async def holding(stage: Stage) -> None:
    """Let viewers ask, and hold what is about money."""
    await run(questions.set_open, stage.video.id, stage.owner, True)
    await run(lambda: channel_rules.set_words(stage.owner.id, stage.owner, refused="", held="money"))


async def ask(stage: Stage, who: Viewer, body: str = "How much money?", **how: Any) -> dict[str, Any]:
    return await asking.ask(stage.video.id, who, body, **how)


def listed(stage: Stage) -> list[str]:
    return [question["body"] for question in questions.listed_json(stage.video.id)]


async def test_a_held_question_is_listed_when_it_is_approved(stage: Stage) -> None:
    await holding(stage)
    answer = await ask(stage, stage.viewers[0], client_id="1")
    assert answer["held"]["detail"] == "A moderator looks at your question first."
    assert await ask(stage, stage.viewers[0], client_id="1") == answer
    assert await run(listed, stage) == []
    [waiting] = await run(held.waiting_at, stage.video.id, stage.owner, 50)
    assert (waiting["kind"], waiting["body"], waiting["reason"]) == ("question", "How much money?", "money")

    follower = QuestionsFollower(stage, await load(stage, "questions"))
    approved = await run(held.approve, stage.video.id, UUID(waiting["id"]), stage.owner)
    assert approved.kind == "question"
    assert await run(questions.listed_json, stage.video.id) == [approved.data]
    assert not await Comment.objects.aexists()
    await follower.check()
    assert (await ask(stage, stage.viewers[0], client_id="1"))["id"] == approved.data["id"]
    entry = await AuditEntry.objects.aget(act="approve")
    assert entry.text == "How much money?"


async def test_it_is_denied_or_waits_beside_the_same_comment(stage: Stage) -> None:
    await holding(stage)
    ada = stage.viewers[0]
    answers = [
        await ask(stage, ada, client_id="1"),
        await likes.comment(stage.video.id, ada, "How much money?", client_id="1"),
    ]
    ids = [UUID(answer["held"]["id"]) for answer in answers]
    assert len(set(ids)) == 2
    await run(held.deny, stage.video.id, ids[0], stage.owner)
    with pytest.raises(NotFound):
        await run(held.approve, stage.video.id, ids[0], stage.owner)
    assert [row.kind async for row in HeldComment.objects.all()] == ["comment"]
    assert await run(listed, stage) == []


async def test_a_list_that_is_full_or_over_takes_none(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits on: the moderator has decided nothing."""
    await holding(stage)
    id = UUID((await ask(stage, stage.viewers[0]))["held"]["id"])
    await ask(stage, stage.viewers[1], "Another?")
    monkeypatch.setattr(questions, "LISTED_MAX", 1)
    with pytest.raises(Conflict):
        await run(held.approve, stage.video.id, id, stage.owner)
    monkeypatch.undo()
    await Video.objects.filter(id=stage.video.id).aupdate(status=Video.Status.ENDED, ended_at=timezone.now())
    with pytest.raises(Conflict):
        await run(held.approve, stage.video.id, id, stage.owner)
    assert await HeldComment.objects.filter(id=id).aexists()


async def test_one_of_two_moderators_approves_it(stage: Stage) -> None:
    await holding(stage)
    id = UUID((await ask(stage, stage.viewers[0]))["held"]["id"])
    decide = (run(held.approve, stage.video.id, id, stage.owner) for _ in range(2))
    done = await asyncio.gather(*decide, return_exceptions=True)
    assert sum(isinstance(each, NotFound) for each in done) == 1
    assert await run(listed, stage) == ["How much money?"]


async def test_a_question_in_the_shadow_waits_and_its_author_does_not_learn_it(stage: Stage) -> None:
    await run(questions.set_open, stage.video.id, stage.owner, True)
    await Restriction.objects.acreate(channel=stage.owner, viewer=stage.viewers[0], kind="shadow")
    assert (await ask(stage, stage.viewers[0]))["body"] == "How much money?"
    assert await run(listed, stage) == []
    [waiting] = await run(held.waiting_at, stage.video.id, stage.owner, 50)
    assert (waiting["kind"], waiting["reason"]) == ("question", held.SHADOW)


async def test_it_waits_and_is_approved_on_a_websocket_too(stage: Stage) -> None:
    await holding(stage)
    message = {"video": str(stage.video.id)}
    asked = await COMMANDS["ask"](Identity(str(stage.viewers[0].id)), "", {**message, "body": "How much money?"})
    approve = {**message, "held": asked["held"]["id"]}
    approved = await VIDEO_COMMANDS["approve"](Identity(str(stage.owner.id)), "", approve)
    assert approved["question"]["body"] == "How much money?"
