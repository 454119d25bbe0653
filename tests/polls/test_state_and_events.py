"""First state + events = fresh state, for every event of a board; and who may read it follows its video."""

from __future__ import annotations

import contextlib
import random
from functools import partial
from uuid import UUID

import pytest

from polls import announcements, asking, goals, polls, questions, raids
from polls.models import Poll, Question
from polls.votes import vote
from realtime.identity import Identity
from realtime.log.threads import backend_threads
from realtime.registry import registry
from tests.polls.boards import BoardFollower, QuestionsFollower, load
from tests.videos.acts import Stage
from videos import broadcasts
from videos.models import Video
from web.refusals import Refused


def another_channels(stage: Stage) -> Video:
    """Return a live video of somebody else."""
    other = stage.viewers[0]
    other.is_broadcaster = True
    return broadcasts.start_video(broadcasts.create_video(other, title="Another").id, other)


async def ask_or_answer(stage: Stage, chance: random.Random) -> None:
    """Do one thing with the questions of viewers."""
    run, id, who = backend_threads.run, stage.video.id, chance.choice([stage.owner, *stage.viewers])
    some = await run(lambda: list(Question.objects.filter(video=id, deleted_at=None)))
    question = chance.choice(some).id if some else 0
    what = chance.choice(["ask", "ask", "vote", "vote", "vote", "state", "state", "delete", "open"])
    if what == "ask":
        await asking.ask(id, who, f"{chance.random()} <b>ü🎉?")
    elif what == "vote":
        await asking.vote(id, who, question, is_for=chance.random() < 0.7)
    elif what == "state":
        await run(questions.set_state, id, question, stage.owner, chance.choice(["open", "answering", "answered"]))
    elif what == "delete":
        await run(questions.delete, id, question, stage.owner)
    else:
        await run(questions.set_open, id, stage.owner, chance.random() < 0.8)


async def act(stage: Stage, chance: random.Random) -> None:
    """Do one thing, as chance will have it; one that is refused changes nothing."""
    run, id = backend_threads.run, stage.video.id
    some = await run(lambda: list(Poll.objects.filter(video=id, withdrawn_at=None).prefetch_related("options")))
    poll = chance.choice(some) if some else None
    polled = ["open", "vote", "vote", "vote", "close", "withdraw"]
    what = chance.choice(
        [*polled, "visibility", "announce", "take away", "goal", "no goal", "raid", "call off", "raided"]
    )
    kind = chance.choice(["likes", "viewers"])
    with contextlib.suppress(Refused):
        if chance.random() < 0.4:
            await ask_or_answer(stage, chance)
        elif what == "announce":
            await run(announcements.announce, id, stage.owner, str(chance.random()))
        elif what == "take away":
            await run(announcements.take_away, id, stage.owner)
        elif what == "goal":
            await run(goals.set_goal, id, stage.owner, kind, chance.randrange(1, 9), chance.choice(["", "Then"]))
        elif what == "no goal":
            await run(goals.take_goal_away, id, stage.owner, kind)
        elif what in ("raid", "raided"):
            ends = (stage.video, await run(another_channels, stage))
            raider, target = ends if what == "raid" else ends[::-1]
            await run(partial(raids.raid, raider.id, raider.owner, target.id, viewers=chance.randrange(9)))
        elif what == "call off":
            await run(raids.call_off, id, stage.owner)
        elif what == "open":
            await run(polls.open_poll, id, stage.owner, f"{chance.random()} <b>ü🎉?", ["a", "b", "c"])
        elif what == "visibility":
            await run(
                broadcasts.update_video, id, stage.owner, visibility=chance.choice(["public", "unlisted", "private"])
            )
        elif poll is not None and what == "vote":
            option = chance.choice(list(poll.options.all()))
            await vote(id, poll.id, option.id, chance.choice([stage.owner, *stage.viewers]))
        elif poll is not None:
            await run(polls.close_poll if what == "close" else polls.withdraw_poll, id, poll.id, stage.owner)


@pytest.mark.parametrize("seed", range(3))
async def test_first_state_and_events_equal_fresh_state(stage: Stage, seed: int) -> None:
    chance = random.Random(seed)
    await backend_threads.run(broadcasts.start_video, stage.video.id, stage.owner)
    await backend_threads.run(polls.open_poll, stage.video.id, stage.owner, "First?", ["yes", "no"])
    for _ in range(chance.randrange(20)):
        await act(stage, chance)
    await backend_threads.run(questions.set_open, stage.video.id, stage.owner, True)
    follower = BoardFollower(stage, await load(stage))
    of_questions = QuestionsFollower(stage, await load(stage, "questions"))
    for _ in range(8):
        for _ in range(10):
            await act(stage, chance)
        await follower.check(of_questions)
    await stage.end()
    await follower.check(of_questions)


async def test_a_board_is_for_those_who_may_see_its_video(stage: Stage) -> None:
    kind, run = registry.kinds["board"], backend_threads.run
    poll = await run(polls.open_poll, stage.video.id, stage.owner, "First?", ["yes", "no"])
    follower = BoardFollower(stage, await load(stage))
    owner, viewer = (Identity(viewer_id=str(who.id)) for who in (stage.owner, stage.viewers[0]))
    for visibility, is_open in (("private", False), ("unlisted", True)):
        await run(broadcasts.update_video, stage.video.id, stage.owner, visibility=visibility)
        await follower.check()
        access = kind.access(follower.snapshot)
        assert access.allows(follower.topic, owner)
        assert access.allows(follower.topic, viewer) is is_open
    assert "access" not in kind.shown(follower.snapshot)
    assert UUID(kind.shown(follower.snapshot)["poll"]["id"]) == UUID(poll["id"])
