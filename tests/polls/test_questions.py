"""Viewers' questions: asked as comments are, one vote each, answered one at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from accounts.guests import create_guest
from accounts.merging import merge
from accounts.models import Viewer
from accounts.removal import delete_viewer
from accounts.tokens import Claim
from moderation.models import AuditEntry, Restriction, Role
from polls import announcements, asking, questions
from polls.models import Question, QuestionVote
from realtime.limits import Limited
from realtime.models import LoggedEvent
from screening.models import ChannelRules, ChannelWords
from tests.polls.boards import QuestionsFollower, load
from tests.videos.acts import Stage
from videos import broadcasts, held, likes, moderation, removal
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused

pytestmark = pytest.mark.usefixtures("no_guesses")


@pytest.fixture
def stage(stage: Stage) -> Stage:
    """Viewers may ask there."""
    questions.set_open(stage.video.id, stage.owner, True)
    return stage


def ask(stage: Stage, who: Viewer | Claim, body: str = "How  did you\nlearn this?", **how: Any) -> int:
    asked = async_to_sync(asking.ask)(stage.video.id, who, body, **how)
    return int(asked["id"])


def vote(stage: Stage, who: Viewer | Claim, question: int, *, is_for: bool = True) -> dict[str, Any]:
    voted: dict[str, Any] = async_to_sync(asking.vote)(stage.video.id, who, question, is_for=is_for)
    return voted


def listed(stage: Stage) -> list[int]:
    return [question["id"] for question in questions.listed_json(stage.video.id)]


def refused(work: Callable[[], object]) -> str:
    """Return the code of the refusal."""
    with pytest.raises(Refused) as refusal:
        work()
    return refusal.value.code


def test_a_question_is_one_line_and_asked_once(stage: Stage) -> None:
    ada = stage.viewers[0]
    first = ask(stage, ada, client_id="1")
    assert ask(stage, ada, client_id="1") == first
    assert refused(lambda: ask(stage, ada, "Another?", client_id="1")) == "client_id_taken"
    [found] = questions.listed_json(stage.video.id)
    assert (found["body"], found["author"]["name"]) == ("How did you learn this?", ada.name)
    with pytest.raises(Invalid):
        ask(stage, ada, "?" * 301)
    ask(stage, ada)
    ask(stage, ada)
    assert refused(lambda: ask(stage, ada)) == "too_many_questions"


def test_a_vote_counts_once_and_can_be_taken_back(stage: Stage) -> None:
    question, [ada, bea, *_] = ask(stage, stage.viewers[0]), stage.viewers
    assert vote(stage, ada, question) == vote(stage, ada, question) == {"votes": 1, "mine": True}
    assert vote(stage, bea, question)["votes"] == 2
    assert vote(stage, ada, question, is_for=False) == {"votes": 1, "mine": False}
    assert vote(stage, ada, question, is_for=False)["votes"] == 1
    assert Question.objects.get().votes == QuestionVote.objects.count() == 1
    with pytest.raises(NotFound):
        vote(stage, ada, question + 1)


async def test_a_crowd_is_counted_exactly(stage: Stage) -> None:
    """Each from three devices at once, some of which take the vote back."""
    question = (await asking.ask(stage.video.id, stage.viewers[0], "Why?"))["id"]
    crowd = await sync_to_async(lambda: [create_guest(f"Guest {number}") for number in range(30)])()
    follower = QuestionsFollower(stage, await load(stage, "questions"))

    def devices(who: Viewer) -> list[Any]:
        return [asking.vote(stage.video.id, Claim(who.id), question, is_for=at != 1) for at in range(3)]

    await asyncio.gather(*(act for who in crowd for act in devices(who)))
    await follower.check()
    counted = await sync_to_async(QuestionVote.objects.count)()
    assert follower.counters.kinds == {str(question): counted}
    await asyncio.gather(*(asking.vote(stage.video.id, who, question, is_for=True) for who in crowd))
    await follower.check()
    assert follower.counters.total == len(crowd)


def test_one_question_is_answered_at_a_time(stage: Stage) -> None:
    id, owner = stage.video.id, stage.owner
    one, two, three = (ask(stage, who, f"{number}?") for number, who in enumerate(stage.viewers[:3]))
    for question in (one, two, two):
        questions.set_state(id, question, owner, "answering")
    said = questions.questions_json(id)
    assert said is not None and said["answering"]["id"] == two
    assert listed(stage) == [two, three]
    with pytest.raises(NotFound):
        vote(stage, owner, one)
    questions.set_state(id, two, owner, "open")
    questions.set_state(id, three, owner, "answered")
    assert questions.questions_json(id) == {"is_open": True, "answering": None}
    assert [found["id"] for found in questions.list_answered(id, None)] == [three, one]
    questions.set_state(id, two, owner, "answering")
    questions.delete(id, two, owner)
    assert questions.questions_json(id) == {"is_open": True, "answering": None}
    questions.set_state(id, one, owner, "open")
    assert listed(stage) == [one]


def test_at_the_end_nobody_asks_and_what_is_answered_is(stage: Stage) -> None:
    id, ada = stage.video.id, stage.viewers[0]
    one, two = ask(stage, ada, "1?"), ask(stage, ada, "2?")
    questions.set_state(id, one, stage.owner, "answering")
    broadcasts.end_video(id, stage.owner)
    assert questions.questions_json(id) == {"is_open": False, "answering": None}
    assert [found["id"] for found in questions.list_answered(id, ada)] == [one]
    assert refused(lambda: ask(stage, ada)) == refused(lambda: vote(stage, ada, two)) == "video_ended"
    assert refused(lambda: questions.set_open(id, stage.owner, True)) == "video_ended"
    assert refused(lambda: questions.set_state(id, two, stage.owner, "answering")) == "video_ended"
    removal.delete_video(id, stage.owner)
    assert not Question.objects.exists()


def test_who_may_not_comment_may_not_ask(stage: Stage) -> None:
    """The rules of the channel, words, time-outs and bans; they bind no moderator."""
    owner, [ada, bea, cleo, dora, _] = stage.owner, stage.viewers
    Restriction.objects.create(channel=owner, viewer=ada, kind=Restriction.Kind.BAN)
    question = ask(stage, bea, "Do you?")
    assert refused(lambda: ask(stage, ada)) == refused(lambda: vote(stage, ada, question)) == "banned"
    ChannelRules.objects.create(owner=owner, links_off=True)
    ChannelWords.objects.create(owner=owner, refused="cabbage", held="money")
    assert refused(lambda: ask(stage, bea, "Seen https://example.org?")) == "no_links"
    assert refused(lambda: ask(stage, bea, "A cabbage?")) == "words"
    assert refused(lambda: ask(stage, create_guest("BR0ADCASTER"))) == "name_taken"
    Role.objects.create(channel=owner, viewer=dora, kind=Role.Kind.MODERATOR)
    ask(stage, dora, "How much money?")
    Restriction.objects.create(channel=owner, viewer=cleo, kind=Restriction.Kind.SHADOW)
    hidden = ask(stage, cleo, "Does anybody see me?")
    assert hidden not in listed(stage)
    questions.set_open(stage.video.id, owner, False)
    assert refused(lambda: ask(stage, bea)) == "questions_off"
    assert vote(stage, bea, question)["votes"] == 1


def test_slow_mode_counts_comments_and_questions(stage: Stage) -> None:
    ChannelRules.objects.create(owner=stage.owner, slow_seconds=60)
    ada, bea, *_ = stage.viewers
    ask(stage, ada)
    async_to_sync(likes.comment)(stage.video.id, bea, "Hello")
    for who in (ada, bea):
        with pytest.raises(Limited):
            ask(stage, who, "And this?")


def test_who_may_keep_the_room_answers_and_deletes(stage: Stage) -> None:
    id, [ada, bea, cleo, *_] = stage.video.id, stage.viewers
    Role.objects.create(channel=stage.owner, viewer=cleo, kind=Role.Kind.HELPER)
    one, two, three = ask(stage, ada, "1?"), ask(stage, ada, "2?"), ask(stage, bea, "3?")
    for work in (
        lambda: questions.set_open(id, bea, False),
        lambda: questions.set_state(id, one, cleo, "answering"),
        lambda: questions.delete(id, one, bea),
    ):
        with pytest.raises(Forbidden):
            work()
    questions.delete(id, one, ada)
    questions.delete(id, two, cleo)
    assert listed(stage) == [three]
    acts = AuditEntry.objects.order_by("seq").values_list("act", "text", "viewer")
    assert list(acts) == [("questions_on", "", None), ("delete_question", "2?", ada.id)]


def test_a_guest_who_signs_in_takes_questions_and_votes_along(stage: Stage) -> None:
    guest, account, other, *_ = stage.viewers
    mine, theirs = ask(stage, guest, "Mine?"), ask(stage, other, "Theirs?")
    for who, question in ((guest, mine), (guest, theirs), (account, theirs), (other, theirs)):
        vote(stage, who, question)
    questions.set_state(stage.video.id, mine, stage.owner, "answering")
    async_to_sync(_merged)(stage, guest, account)
    assert set(QuestionVote.objects.filter(viewer=account).values_list("question", flat=True)) == {mine, theirs}
    assert Question.objects.get(id=theirs).votes == 2
    said = questions.questions_json(stage.video.id)
    assert said is not None and said["answering"]["author"]["id"] == str(account.id)


async def _merged(stage: Stage, guest: Viewer, account: Viewer) -> None:
    follower = QuestionsFollower(stage, await load(stage, "questions"))
    await sync_to_async(merge)(guest, account)
    await follower.check()


async def test_with_an_account_its_questions_and_votes_go(stage: Stage) -> None:
    ada, bea, *_ = stage.viewers
    mine = (await asking.ask(stage.video.id, ada, "Mine?"))["id"]
    theirs = (await asking.ask(stage.video.id, bea, "Theirs?"))["id"]
    for question in (mine, theirs):
        await asking.vote(stage.video.id, ada, question, is_for=True)
    await sync_to_async(questions.set_state)(stage.video.id, mine, stage.owner, "answering")
    follower = QuestionsFollower(stage, await load(stage, "questions"))
    await sync_to_async(delete_viewer)(ada.id, ada)
    await follower.check()
    assert follower.counters.kinds == {str(theirs): 0}
    assert await sync_to_async(listed)(stage) == [theirs]


def test_a_list_that_is_full_takes_no_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (asking, questions):
        monkeypatch.setattr(module, "LISTED_MAX", 1)
    one = ask(stage, stage.viewers[0])
    assert refused(lambda: ask(stage, stage.viewers[1])) == "too_many_questions"
    questions.set_state(stage.video.id, one, stage.owner, "answered")
    ask(stage, stage.viewers[1])
    with pytest.raises(Conflict):
        questions.set_state(stage.video.id, one, stage.owner, "open")


def test_a_video_where_nobody_ever_asked_has_no_list(stage: Stage) -> None:
    other = broadcasts.create_video(stage.owner, title="Another")
    ask_there = async_to_sync(asking.ask)
    assert refused(lambda: ask_there(other.id, stage.viewers[0], "Why?")) == "questions_off"
    assert questions.questions_json(other.id) is None
    assert UUID(str(other.id))


def test_a_role_opens_the_questions_of_a_private_video(stage: Stage) -> None:
    """Its stream and its comments were open to them, but they could neither ask nor vote."""
    helper, stranger = stage.viewers[:2]
    Role.objects.create(channel=stage.owner, viewer=helper, kind=Role.Kind.HELPER)
    broadcasts.update_video(stage.video.id, stage.owner, visibility="private")
    question = ask(stage, helper)
    assert vote(stage, helper, question)["votes"] == 1
    for act in (lambda: ask(stage, stranger), lambda: vote(stage, stranger, question)):
        assert refused(act) == "not_found"


def test_no_event_holds_a_word_of_what_is_deleted_or_of_somebody_who_is_erased(stage: Stage) -> None:
    """They stayed in the log, and so in what one gets who comes back, until retention took them."""
    root, (ada, bob) = Viewer.objects.create_superuser("root"), stage.viewers[:2]
    broadcasts.start_video(stage.video.id, stage.owner)

    def events(**of: str) -> str:
        return json.dumps(list(LoggedEvent.objects.filter(**of).values_list("data", flat=True)))

    shown = ask(stage, bob, "Words of Bob?")
    questions.set_state(stage.video.id, shown, stage.owner, "answering")
    announcements.announce(stage.video.id, stage.owner, "Words of the owner")
    assert "Words of Bob" in events() and "Words of the owner" in events()
    announcements.take_away(stage.video.id, stage.owner)
    questions.delete(stage.video.id, shown, bob)
    for prefix in ("board", "questions"):  # what moderators do is written down, with the words
        assert "Words of" not in events(topic__name__startswith=f"{prefix}:")
    held.keep(held.Written(stage.video.id, ada.id, "My words are held", None, None), "a word")
    comment = async_to_sync(likes.comment)(stage.video.id, ada, "My words are deleted")
    async_to_sync(likes.comment)(stage.video.id, ada, "My words stand")
    ask(stage, ada, "My words?")
    moderation.delete_comment(stage.video.id, UUID(comment["id"]), stage.owner)
    delete_viewer(ada.id, root)
    assert "My words" not in events()
