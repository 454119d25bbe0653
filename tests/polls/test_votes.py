"""One vote per viewer and poll, exact whatever happens, and none after the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.utils import timezone

from accounts.guests import create_guest
from accounts.merging import merge
from accounts.models import Viewer
from accounts.removal import delete_viewer
from accounts.tokens import Claim
from moderation.models import AuditEntry, Restriction, Role
from polls import polls
from polls.board import board_topic
from polls.models import Poll, PollOption, Vote
from polls.votes import vote
from realtime.events import Counters
from realtime.models import Topic
from tests.polls.boards import BoardFollower, load
from tests.videos.acts import Stage
from videos import broadcasts, removal
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused, SignedOut

pytestmark = pytest.mark.usefixtures("no_guesses")


def opened(stage: Stage, **how: Any) -> tuple[UUID, list[int]]:
    """Open a poll; return its id and those of its options."""
    poll = polls.open_poll(stage.video.id, stage.owner, "Which song?", ["One", "Two", "Three"], **how)
    return UUID(poll["id"]), [option["id"] for option in poll["options"]]


def cast(stage: Stage, poll_id: UUID, option: int, who: Viewer | Claim) -> dict[str, Any]:
    answer: dict[str, Any] = async_to_sync(vote)(stage.video.id, poll_id, option, who)
    return answer


def counted(poll_id: UUID) -> list[int]:
    return list(PollOption.objects.filter(poll=poll_id).order_by("place").values_list("votes", flat=True))


def test_a_vote_counts_once_however_often_it_comes(stage: Stage) -> None:
    poll_id, [one, two, three] = opened(stage)
    ada = stage.viewers[0]

    assert cast(stage, poll_id, two, ada) == {
        "total": 1,
        "kinds": {str(one): 0, str(two): 1, str(three): 0},
        "mine": two,
    }
    assert cast(stage, poll_id, two, ada)["total"] == 1
    with pytest.raises(Conflict) as refused:
        cast(stage, poll_id, one, ada)

    assert refused.value.code == "voted"
    assert counted(poll_id) == [0, 1, 0]


async def test_a_crowd_is_counted_exactly_and_a_viewer_on_many_devices_once(stage: Stage) -> None:
    poll_id, options = await sync_to_async(opened)(stage)
    crowd = await sync_to_async(lambda: [create_guest(f"Guest {number}") for number in range(40)])()
    follower = BoardFollower(stage, await load(stage))

    async def devices(who: Viewer, first: int) -> int:
        """Vote from three devices at once, each for another option; return how many were taken."""
        votes = (vote(stage.video.id, poll_id, options[(first + at) % 3], Claim(who.id)) for at in range(3))
        answers = await asyncio.gather(*votes, return_exceptions=True)
        assert {answer.code for answer in answers if isinstance(answer, Refused)} == {"voted"}
        return sum(isinstance(answer, dict) for answer in answers)

    taken = await asyncio.gather(*(devices(who, number) for number, who in enumerate(crowd)))

    assert taken == [1] * len(crowd)
    assert sum(await sync_to_async(counted)(poll_id)) == await Vote.objects.filter(poll=poll_id).acount() == len(crowd)
    await follower.check()
    assert follower.counters.total == len(crowd)


def over_by_hand(stage: Stage, poll_id: UUID) -> None:
    polls.close_poll(stage.video.id, poll_id, stage.owner)


def over_by_time(stage: Stage, poll_id: UUID) -> None:
    Poll.objects.filter(id=poll_id).update(ends_at=timezone.now() - timedelta(seconds=1))


def over_with_the_broadcast(stage: Stage, poll_id: UUID) -> None:
    broadcasts.end_video(stage.video.id, stage.owner)
    poll = Poll.objects.get(id=poll_id)
    assert not poll.is_open


def over_by_the_next(stage: Stage, poll_id: UUID) -> None:
    """A clock that is behind would still take the vote."""
    over_by_hand(stage, poll_id)
    opened(stage)
    Poll.objects.filter(id=poll_id).update(ends_at=timezone.now() + timedelta(hours=1))


@pytest.mark.parametrize("end", [over_by_hand, over_by_time, over_with_the_broadcast, over_by_the_next])
def test_after_the_end_no_vote_counts_but_an_old_one_is_answered(
    stage: Stage, end: Callable[[Stage, UUID], None]
) -> None:
    poll_id, [one, *_] = opened(stage)
    ada, bea = stage.viewers[:2]
    cast(stage, poll_id, one, ada)

    end(stage, poll_id)

    with pytest.raises(Conflict) as refused:
        cast(stage, poll_id, one, bea)
    assert refused.value.code == "poll_over"
    assert cast(stage, poll_id, one, ada)["mine"] == one, "an answer that got lost is asked for again"
    assert counted(poll_id) == [1, 0, 0]


def test_bad_votes_are_refused(stage: Stage) -> None:
    poll_id, [one, *_] = opened(stage, is_for_accounts=True)
    polls.close_poll(stage.video.id, poll_id, stage.owner)
    former = one
    poll_id, [one, *_] = opened(stage, is_for_accounts=True)
    guest, account = stage.viewers[0], Viewer.objects.create_user("vera")
    other = broadcasts.create_video(stage.owner, title="Another")

    for refusal, code, given in (
        (Forbidden, "accounts_only", (stage.video.id, poll_id, one, guest)),
        (Invalid, "invalid", (stage.video.id, poll_id, former, account)),
        (NotFound, "not_found", (other.id, poll_id, one, account)),
        (NotFound, "not_found", (stage.video.id, uuid4(), one, account)),
        (SignedOut, "unauthenticated", (stage.video.id, poll_id, one, Claim(uuid4()))),
        (SignedOut, "unauthenticated", (stage.video.id, poll_id, one, Claim(account.id, "stale"))),
    ):
        with pytest.raises(refusal) as refused:
            async_to_sync(vote)(*given)
        assert refused.value.code == code
    assert cast(stage, poll_id, one, account)["total"] == 1
    broadcasts.update_video(stage.video.id, stage.owner, visibility="private")
    with pytest.raises(NotFound):
        cast(stage, poll_id, one, Viewer.objects.create_user("wim"))
    polls.withdraw_poll(stage.video.id, poll_id, stage.owner)
    with pytest.raises(NotFound):
        cast(stage, poll_id, one, account)


def test_a_role_opens_the_poll_of_a_private_video(stage: Stage) -> None:
    """They saw the poll on the board, but could not vote."""
    poll_id, [one, *_] = opened(stage)
    helper, stranger = stage.viewers[:2]
    Role.objects.create(channel=stage.owner, viewer=helper, kind=Role.Kind.HELPER)
    broadcasts.update_video(stage.video.id, stage.owner, visibility="private")
    assert cast(stage, poll_id, one, helper)["total"] == 1
    with pytest.raises(NotFound):
        cast(stage, poll_id, one, stranger)


def test_a_banned_viewer_does_not_vote_and_a_moderator_runs_the_board(stage: Stage) -> None:
    ada, bea, cem = stage.viewers[:3]
    Role.objects.create(channel=stage.owner, viewer=bea, kind=Role.Kind.MODERATOR)
    Role.objects.create(channel=stage.owner, viewer=cem, kind=Role.Kind.HELPER)
    Restriction.objects.create(channel=stage.owner, viewer=ada, kind=Restriction.Kind.BAN)

    with pytest.raises(Forbidden):
        polls.open_poll(stage.video.id, cem, "Which?", ["a", "b"])
    poll = polls.open_poll(stage.video.id, bea, "Which?", ["a", "b"])
    with pytest.raises(Forbidden) as refused:
        cast(stage, UUID(poll["id"]), poll["options"][0]["id"], ada)
    polls.close_poll(stage.video.id, UUID(poll["id"]), bea)
    polls.close_poll(stage.video.id, UUID(poll["id"]), stage.owner)

    assert refused.value.code == "banned"
    entries = AuditEntry.objects.order_by("seq").values_list("act", "actor", "text")
    assert list(entries) == [("open_poll", bea.id, "Which?"), ("close_poll", bea.id, "Which?")]


def test_polls_that_are_none_are_not_opened(stage: Stage) -> None:
    for code, question, options in (
        ("empty", " \u2800", ["a", "b"]),
        ("empty", "What?", ["a", "\u200b"]),
        ("too_long", "x" * 201, ["a", "b"]),
        ("invalid", "What?", ["a"]),
        ("invalid", "What?", list("abcdefg")),
    ):
        with pytest.raises(Invalid) as refused:
            polls.open_poll(stage.video.id, stage.owner, question, options)
        assert refused.value.code == code
    for alike in (["Yes", "yes "], ["Paypal", "P\u0430ypal"], ["\u2764", "\u2764\ufe0f"]):
        with pytest.raises(Conflict, match="the same"):
            polls.open_poll(stage.video.id, stage.owner, "What?", alike)
    with pytest.raises(Forbidden):
        polls.open_poll(stage.video.id, stage.viewers[0], "What?", ["a", "b"])
    assert not stage.refreshed().has_board
    polls.open_poll(stage.video.id, stage.owner, "What?", ["p\u00eache", "p\u00e9ch\u00e9"])  # accents tell words apart
    with pytest.raises(Conflict) as conflict:
        opened(stage)
    assert conflict.value.code == "poll_open"
    broadcasts.end_video(stage.video.id, stage.owner)
    with pytest.raises(Conflict) as conflict:
        opened(stage)
    assert conflict.value.code == "video_ended"


def test_a_guest_who_signs_in_keeps_the_vote_and_of_two_the_accounts_stays(stage: Stage) -> None:
    first, [one, *_] = opened(stage)
    guest, account = stage.viewers[0], Viewer.objects.create_user("vera")
    cast(stage, first, one, guest)
    polls.close_poll(stage.video.id, first, stage.owner)
    second, options = opened(stage)
    cast(stage, second, options[0], guest)
    cast(stage, second, options[1], account)
    follower = BoardFollower(stage, async_to_sync(load)(stage))

    merge(guest, account)

    assert counted(first) == [1, 0, 0]
    assert counted(second) == [0, 1, 0]
    assert dict(Vote.objects.values_list("poll_id", "viewer_id")) == {first: account.id, second: account.id}
    async_to_sync(follower.check)()
    assert [event.total for event in stage.events if isinstance(event, Counters)] == []


def test_votes_go_with_their_viewer_and_everything_with_the_video(stage: Stage) -> None:
    poll_id, [one, two, _] = opened(stage)
    root = Viewer.objects.create_superuser("root")
    cast(stage, poll_id, one, stage.viewers[0])
    cast(stage, poll_id, two, stage.viewers[1])
    follower = BoardFollower(stage, async_to_sync(load)(stage))

    delete_viewer(stage.viewers[0].id, root)

    assert counted(poll_id) == [0, 1, 0]
    async_to_sync(follower.check)()
    removal.delete_video(stage.video.id, root)
    assert not Poll.objects.exists()
    assert not Vote.objects.exists()
    assert not Topic.objects.filter(name=board_topic(stage.video.id)).exists()
