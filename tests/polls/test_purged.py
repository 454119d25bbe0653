"""Questions go with the comments of a person or of an attack, and come back with them."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from accounts.models import Viewer
from moderation import undoing
from moderation.models import AuditEntry
from polls import asking, questions
from polls.models import Question
from realtime.log.threads import backend_threads
from screening.attacks import Attack, AttackKind, gist
from tests.polls.boards import BoardFollower, QuestionsFollower, load
from tests.videos.acts import Stage
from videos import channel_rules, gate, likes, purges
from web.refusals import Forbidden

run = backend_threads.run
ATTACK_TEXT = "Come over to the other channel, all of you"


async def ask(stage: Stage, who: Viewer, body: str) -> int:
    return int((await asking.ask(stage.video.id, who, body))["id"])


async def opened(stage: Stage) -> None:
    await run(questions.set_open, stage.video.id, stage.owner, True)


def listed(stage: Stage) -> list[str]:
    return [question["body"] for question in questions.listed_json(stage.video.id)]


async def undo(stage: Stage, entry_id: UUID) -> None:
    await run(undoing.undo, stage.owner.id, entry_id, stage.owner)


async def test_all_of_a_person_goes_and_comes_back_with_their_questions(stage: Stage) -> None:
    await opened(stage)
    troll, ada = stage.viewers[:2]
    first, answered = await ask(stage, troll, "One?"), await ask(stage, troll, "Two?")
    kept = await ask(stage, ada, "Three?")
    await asking.vote(stage.video.id, ada, first, is_for=True)
    await likes.comment(stage.video.id, troll, "a comment")
    await run(questions.set_state, stage.video.id, answered, stage.owner, "answered")
    await run(questions.set_state, stage.video.id, first, stage.owner, "answering")
    followers = [QuestionsFollower(stage, await load(stage, "questions")), BoardFollower(stage, await load(stage))]

    entry, deleted = await run(purges.delete_comments_of, stage.owner.id, troll.id, stage.owner)
    assert (deleted, entry.text) == (3, "3")
    assert await run(listed, stage) == ["Three?"]
    assert await run(questions.list_answered, stage.video.id, None) == []
    await followers[0].check(followers[1])

    await run(questions.set_state, stage.video.id, kept, stage.owner, "answering")
    await undo(stage, entry.id)
    assert await run(listed, stage) == ["One?", "Three?"]
    assert [each["body"] for each in await run(questions.list_answered, stage.video.id, None)] == ["Two?"]
    assert (await run(questions.listed_votes, [stage.video.id]))[stage.video.id][str(first)] == 1
    await followers[0].check(followers[1])


async def test_who_has_only_asked_is_deleted_too(stage: Stage) -> None:
    await opened(stage)
    await ask(stage, stage.viewers[0], "Only this?")
    entry, deleted = await run(purges.delete_comments_of, stage.owner.id, stage.viewers[0].id, stage.owner)
    assert deleted == 1
    assert await run(listed, stage) == []
    await undo(stage, entry.id)
    assert await run(listed, stage) == ["Only this?"]


async def test_a_gate_that_closes_takes_questions_of_newcomers_away(stage: Stage) -> None:
    await opened(stage)
    regular, newcomer = stage.viewers[:2]
    await Viewer.objects.filter(id=regular.id).aupdate(date_joined=timezone.now() - timedelta(hours=2))
    for who in (regular, newcomer, stage.owner):
        await ask(stage, who, f"Asked by {who.name}?")
    before = await ask(stage, newcomer, "Long ago?")
    await Question.objects.filter(id=before).aupdate(asked_at=timezone.now() - timedelta(hours=1))
    await run(gate.close, stage.owner.id, stage.owner)
    assert await run(listed, stage) == [f"Asked by {regular.name}?", f"Asked by {stage.owner.name}?", "Long ago?"]
    with pytest.raises(Forbidden):
        await ask(stage, newcomer, "Again?")
    entry = await AuditEntry.objects.aget(act="delete")
    assert entry.text == "1 question"
    await undo(stage, entry.id)
    assert len(await run(listed, stage)) == 4


async def test_a_gate_that_closes_by_itself_takes_only_questions_like_the_attack(stage: Stage) -> None:
    await opened(stage)
    await run(channel_rules.set_rules, stage.owner.id, stage.owner, {"shield": True})
    await ask(stage, stage.viewers[0], f"{ATTACK_TEXT}!")
    await ask(stage, stage.viewers[1], "Who wrote that song?")
    now = timezone.now()
    attack = Attack(AttackKind.ALIKE, now - timedelta(minutes=1), now, 6, 6, gist=gist(ATTACK_TEXT))
    await run(gate.close_by_itself, stage.owner.id, attack)
    assert await run(listed, stage) == ["Who wrote that song?"]
