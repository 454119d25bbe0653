"""Questions that viewers report: what waits, what settles it, and what an undo brings back."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest

from accounts.models import Viewer
from moderation import audit, complaints, undoing
from moderation.models import AuditEntry, Role, about_question
from polls import asking, questions
from polls.commands import COMMANDS
from realtime.events import Durable
from realtime.identity import Identity
from realtime.log.database import DatabaseStore
from realtime.log.threads import backend_threads
from realtime.registry import registry
from tests.polls.boards import QuestionsFollower, load
from tests.videos.acts import Stage
from videos import moderation, purges
from web.refusals import Forbidden, NotFound

run = backend_threads.run


async def asked(stage: Stage, who: Viewer, body: str = "Why so rude?") -> int:
    await run(questions.set_open, stage.video.id, stage.owner, True)
    return int((await asking.ask(stage.video.id, who, body))["id"])


async def report(stage: Stage, question: int, by: Viewer) -> None:
    await run(lambda: questions.report(stage.video.id, question, by, reason="hate"))


async def waiting(stage: Stage) -> list[dict[str, Any]]:
    return await run(complaints.reported_in, stage.owner.id, stage.owner)


async def test_a_reported_question_waits_and_goes_with_it(stage: Stage) -> None:
    troll, ada, bea = stage.viewers[:3]
    question = await asked(stage, troll)
    topic, store = audit.topic_of(stage.owner.id), DatabaseStore(registry)
    known = copy.deepcopy((await store.load(topic)).snapshot)
    follower = QuestionsFollower(stage, await load(stage, "questions"))
    stage.told.clear()
    for who in (ada, bea, ada):
        await report(stage, question, who)
    [found] = await waiting(stage)
    assert (found["kind"], found["question"], found["text"], found["count"]) == (
        "question",
        question,
        "Why so rude?",
        2,
    )
    assert (found["viewer"]["name"], found["video_id"]) == (troll.name, str(stage.video.id))

    await run(moderation.deleters["question"], stage.video.id, about_question(question), stage.owner)
    assert await waiting(stage) == []
    entry = await AuditEntry.objects.aget(act="delete_question")
    await run(undoing.undo, stage.owner.id, entry.id, stage.owner)
    assert [each["question"] for each in await waiting(stage)] == [question]
    await follower.check()
    for event in stage.told:
        assert isinstance(event, Durable)
        registry.kinds["moderation"].apply(known, event.name, orjson.loads(event.body))
    assert known == (await store.load(topic)).snapshot


async def test_what_else_settles_it(stage: Stage) -> None:
    troll, ada = stage.viewers[:2]
    first, second, third = [await asked(stage, troll, f"Rude {number}?") for number in range(3)]
    for question in (first, second, third):
        await report(stage, question, ada)
    await run(complaints.dismiss, stage.owner.id, about_question(first), stage.owner)
    await run(questions.delete, stage.video.id, second, troll)
    assert [each["question"] for each in await waiting(stage)] == [third]
    await run(purges.delete_comments_of, stage.owner.id, troll.id, stage.owner)
    assert await waiting(stage) == []


async def test_who_deletes_questions_takes_it_back(stage: Stage) -> None:
    troll, helper, other = stage.viewers[:3]
    await Role.objects.acreate(channel=stage.owner, viewer=helper, kind=Role.Kind.HELPER)
    question = await asked(stage, troll)
    await run(questions.delete, stage.video.id, question, helper)
    for who in (troll, other):
        with pytest.raises(Forbidden):
            await run(questions.restore, stage.video.id, question, who)
    await run(questions.restore, stage.video.id, question, helper)
    assert [each["id"] for each in await run(questions.listed_json, stage.video.id)] == [question]
    with pytest.raises(NotFound):
        await run(questions.restore, stage.video.id, question, helper)


async def test_nobody_reports_their_own_or_what_is_gone(stage: Stage) -> None:
    question = await asked(stage, stage.viewers[0])
    with pytest.raises(Forbidden):
        await report(stage, question, stage.viewers[0])
    await run(questions.delete, stage.video.id, question, stage.viewers[0])
    with pytest.raises(NotFound):
        await report(stage, question, stage.viewers[1])


async def test_it_is_reported_on_a_websocket_too(stage: Stage) -> None:
    question = await asked(stage, stage.viewers[0])
    message = {"video": str(stage.video.id), "question": question, "reason": "spam", "remark": "Look"}
    assert await COMMANDS["report_question"](Identity(str(stage.viewers[1].id)), "", message) == {}
    [found] = await waiting(stage)
    assert (found["question"], found["complaints"][0]["remark"]) == (question, "Look")
