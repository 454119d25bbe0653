"""What viewers do to a video, on the real database: who is refused, what is stored once, what is published."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import AsyncClient
from django.utils import timezone

from accounts.guests import create_guest
from accounts.models import Viewer
from accounts.tokens import Claim, issue_token
from realtime.events import Burst, Counters, Durable
from realtime.identity import Identity
from realtime.log.threads import backend_threads
from realtime.models import LoggedEvent, Topic
from realtime.registry import CommandError
from tests.videos.acts import Stage, allow
from videos import broadcasts, limits, moderation, reactions
from videos.commands import COMMANDS
from videos.likes import comment, group_commit, like, unlike
from videos.models import Comment, Like, LikeCount, LikeKind, Video
from videos.recount import EVERY, PARTS, RECENT, videos_due
from videos.tasks import recount
from web.refusals import Conflict, Forbidden, Invalid, NotFound, SignedOut

run = backend_threads.run


def totals(stage: Stage) -> list[int]:
    return [event.total for event in stage.events if isinstance(event, Counters)]


def names(events: Iterable[object]) -> list[str]:
    return [event.name for event in events if isinstance(event, Durable)]


async def counts(stage: Stage) -> dict[str, int]:
    def read() -> dict[str, int]:
        stored = dict(LikeCount.objects.filter(video=stage.video).values_list("kind", "count"))
        rows: dict[str, int] = dict.fromkeys(LikeKind.values, 0)
        for kind in Like.objects.filter(video=stage.video).values_list("kind", flat=True):
            rows[kind] += 1
        assert stored == rows, "the counters are not what the likes add up to"
        return {kind: count for kind, count in stored.items() if count}

    return await run(read)


# Likes


async def test_like_is_stored_counted_and_published(stage: Stage) -> None:
    answer = await like(stage.video.id, stage.viewers[0], "love")
    assert (answer["total"], answer["kinds"]["love"], answer["mine"]) == (1, 1, "love")
    assert await counts(stage) == {"love": 1}
    [event] = stage.events
    assert isinstance(event, Counters)
    assert (event.total, event.names) == (1, ("Viewer 0",))


async def test_liking_again_changes_nothing_and_says_nothing(stage: Stage) -> None:
    for _ in range(3):
        await like(stage.video.id, stage.viewers[0], "like")
    assert await counts(stage) == {"like": 1}
    assert totals(stage) == [1]


async def test_another_kind_replaces_the_first(stage: Stage) -> None:
    await like(stage.video.id, stage.viewers[0], "like")
    await like(stage.video.id, stage.viewers[0], "funny")
    assert await counts(stage) == {"funny": 1}
    assert totals(stage) == [1, 1]


async def test_unlike_takes_back_and_without_a_like_changes_nothing(stage: Stage) -> None:
    await unlike(stage.video.id, stage.viewers[0])
    assert stage.events == []
    await like(stage.video.id, stage.viewers[0], "like")
    assert (await unlike(stage.video.id, stage.viewers[0]))["mine"] is None
    assert await counts(stage) == {}
    assert totals(stage) == [1, 0]


async def test_five_hundred_likes_of_one_viewer_at_once_are_one(stage: Stage) -> None:
    answers = await asyncio.gather(*(like(stage.video.id, stage.viewers[0], "like") for _ in range(500)))
    assert {answer["total"] for answer in answers} == {1}
    assert await counts(stage) == {"like": 1}
    assert totals(stage) == [1]


async def test_storm_of_likes_and_unlikes_adds_up(stage: Stage) -> None:
    acts: list[Any] = []
    for number in range(300):
        viewer = stage.viewers[number % 5]
        kind = LikeKind.values[number % 6]
        acts.append(unlike(stage.video.id, viewer) if number % 4 == 3 else like(stage.video.id, viewer, kind))
    await asyncio.gather(*acts)
    stored = await counts(stage)
    assert totals(stage)[-1] == sum(stored.values())
    versions = [event.version for event in stage.events if isinstance(event, Counters)]
    assert versions == sorted(set(versions))


async def test_unknown_kind_is_refused(stage: Stage) -> None:
    with pytest.raises(Invalid):
        await like(stage.video.id, stage.viewers[0], "hate")
    assert await counts(stage) == {}


async def test_counter_cannot_be_negative(stage: Stage) -> None:
    def spoil() -> None:
        with transaction.atomic():
            LikeCount.objects.filter(video=stage.video, kind="like").update(count=-1)

    with pytest.raises(IntegrityError):
        await run(spoil)


async def test_deleted_viewer_takes_nobody_elses_like_with_him(stage: Stage) -> None:
    gone = await run(create_guest, "Gone")
    await run(Viewer.objects.filter(id=gone.id).delete)
    outcomes = await asyncio.gather(
        like(stage.video.id, stage.viewers[0], "like"),
        like(stage.video.id, gone, "like"),
        like(stage.video.id, stage.viewers[1], "like"),
        return_exceptions=True,
    )
    assert [isinstance(outcome, SignedOut) for outcome in outcomes] == [False, True, False]
    assert await counts(stage) == {"like": 2}


# Comments


async def test_comments_get_the_topics_next_seq(stage: Stage) -> None:
    written = await asyncio.gather(*(comment(stage.video.id, stage.viewers[n % 5], f"note {n}") for n in range(50)))
    assert sorted(one["seq"] for one in written) == list(range(1, 51))
    assert [event.seq for event in stage.events if isinstance(event, Durable)] == list(range(1, 51))
    assert await run(LoggedEvent.objects.filter(topic_id=stage.video.topic).count) == 50


async def test_same_client_id_answers_the_same_comment(stage: Stage) -> None:
    first, again = await asyncio.gather(
        *(comment(stage.video.id, stage.viewers[0], "hello", client_id="x") for _ in range(2))
    )
    later = await comment(stage.video.id, stage.viewers[0], "hello", client_id="x")
    assert first == again == later
    assert await run(Comment.objects.count) == 1
    assert names(stage.events) == ["comment"]
    other = await comment(stage.video.id, stage.viewers[1], "hello", client_id="x")
    assert other["id"] != first["id"]


async def test_same_client_id_with_another_text_is_a_conflict(stage: Stage) -> None:
    await comment(stage.video.id, stage.viewers[0], "hello", client_id="x")
    with pytest.raises(Conflict):
        await comment(stage.video.id, stage.viewers[0], "bye", client_id="x")


async def test_comment_says_whose_it_is(stage: Stage) -> None:
    moderator = await run(create_guest, "Mo")
    await run(allow, moderator, "delete_comment")
    roles = [
        (await comment(stage.video.id, author, "hello"))["author"]["role"]
        for author in (stage.owner, moderator, stage.viewers[0])
    ]
    assert roles == ["broadcaster", "moderator", None]


async def test_answer_needs_a_comment_of_this_video(stage: Stage) -> None:
    first = await comment(stage.video.id, stage.viewers[0], "hello")
    other = await run(broadcasts.create_video, stage.owner, title="Another")
    answer = await comment(stage.video.id, stage.viewers[1], "hi", reply_to=UUID(first["id"]))
    assert answer["reply_to"] == first["id"]
    for video, target in ((other.id, UUID(first["id"])), (stage.video.id, uuid4())):
        with pytest.raises(NotFound):
            await comment(video, stage.viewers[1], "hi", reply_to=target)


async def test_comments_off_and_ended_videos_take_none(stage: Stage) -> None:
    await run(broadcasts.update_video, stage.video.id, stage.owner, comments_enabled=False)
    with pytest.raises(Forbidden):
        await comment(stage.video.id, stage.viewers[0], "hello")
    await run(broadcasts.end_video, stage.video.id, stage.owner)
    for act in (
        comment(stage.video.id, stage.viewers[0], "hello"),
        like(stage.video.id, stage.viewers[0], "like"),
        like(uuid4(), stage.viewers[0], "like"),
    ):
        with pytest.raises(NotFound):
            await act
    assert await run(Comment.objects.count) == 0


async def test_comments_go_on_after_the_end_where_the_broadcaster_wants_that(stage: Stage) -> None:
    await run(broadcasts.update_video, stage.video.id, stage.owner, comments_after_end=True)
    ended_at = (await run(broadcasts.end_video, stage.video.id, stage.owner)).ended_at
    written = await comment(stage.video.id, stage.viewers[0], "I have seen it today")
    assert ended_at is not None
    assert written["at_ms"] >= int(ended_at.timestamp() * 1000)
    with pytest.raises(NotFound):
        await like(stage.video.id, stage.viewers[0], "like")
    await run(broadcasts.update_video, stage.video.id, stage.owner, comments_enabled=False)
    with pytest.raises(Forbidden):
        await comment(stage.video.id, stage.viewers[0], "And again")


async def test_private_video_is_missing_for_strangers(stage: Stage) -> None:
    await run(broadcasts.update_video, stage.video.id, stage.owner, visibility="private")
    with pytest.raises(NotFound) as private:
        await like(stage.video.id, stage.viewers[0], "like")
    with pytest.raises(NotFound) as missing:
        await like(uuid4(), stage.viewers[0], "like")
    assert (private.value.code, private.value.detail) == (missing.value.code, missing.value.detail)
    assert (await like(stage.video.id, stage.owner, "like"))["total"] == 1


# Moderation


async def test_author_and_moderators_delete_others_do_not(stage: Stage) -> None:
    mine = await comment(stage.video.id, stage.viewers[0], "mine")
    with pytest.raises(Forbidden):
        await run(moderation.delete_comment, stage.video.id, mine["id"], stage.viewers[1])
    await run(moderation.delete_comment, stage.video.id, mine["id"], stage.viewers[0])
    with pytest.raises(NotFound):
        await run(moderation.delete_comment, stage.video.id, mine["id"], stage.viewers[0])
    theirs = await comment(stage.video.id, stage.viewers[0], "theirs")
    await run(moderation.delete_comment, stage.video.id, theirs["id"], stage.owner)
    assert names(stage.events) == ["comment", "comment_deleted", "comment", "comment_deleted"]


async def test_pinning_another_comment_unpins_the_first(stage: Stage) -> None:
    first, second = [await comment(stage.video.id, stage.viewers[0], text) for text in ("one", "two")]
    with pytest.raises(Forbidden):
        await run(moderation.pin_comment, stage.video.id, first["id"], stage.viewers[0])
    for target in (first, first, second):
        await run(moderation.pin_comment, stage.video.id, target["id"], stage.owner)
    assert names(stage.events)[2:] == ["comment_pinned", "comment_unpinned", "comment_pinned"]
    assert await run(Comment.objects.filter(pinned_at__isnull=False).count) == 1


async def test_starting_and_ending_twice_changes_nothing(stage: Stage) -> None:
    for _ in range(2):
        await run(broadcasts.start_video, stage.video.id, stage.owner)
    for _ in range(2):
        await run(broadcasts.end_video, stage.video.id, stage.owner)
    assert names(stage.events) == ["video", "video"]
    with pytest.raises(Conflict):
        await run(broadcasts.start_video, stage.video.id, stage.owner)


async def test_only_broadcasters_announce_and_only_owners_change(stage: Stage) -> None:
    with pytest.raises(Forbidden):
        await run(broadcasts.create_video, stage.viewers[0], title="Mine")
    for act in (broadcasts.start_video, broadcasts.end_video, broadcasts.update_video):
        with pytest.raises(Forbidden):
            await run(act, stage.video.id, stage.viewers[0])


async def test_act_that_is_rolled_back_publishes_nothing(stage: Stage) -> None:
    def failing() -> None:
        with transaction.atomic():
            broadcasts.start_video(stage.video.id, stage.owner)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await run(failing)
    assert stage.events == []
    assert (await run(stage.refreshed)).status == "upcoming"


async def test_acts_of_both_ways_keep_one_order(stage: Stage) -> None:
    """Group commit and ordinary transactions take the same lock: no seq twice, none left out."""
    first = await comment(stage.video.id, stage.viewers[0], "first")
    acts: list[Any] = []
    for number in range(30):
        acts.append(comment(stage.video.id, stage.viewers[number % 5], f"note {number}"))
        if number % 3 == 0:
            act = moderation.pin_comment if number % 2 else moderation.unpin_comment
            acts.append(run(act, stage.video.id, first["id"], stage.owner))
    await asyncio.gather(*acts)
    of_video = LoggedEvent.objects.filter(topic=stage.video.topic).order_by("seq")
    seqs = await run(lambda: list(of_video.values_list("seq", flat=True)))
    assert seqs == list(range(1, len(seqs) + 1))
    assert (await run(Topic.objects.get, name=stage.video.topic)).seq == len(seqs)


# Jobs


async def test_recount_mends_what_somebody_spoiled_by_hand(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await like(stage.video.id, stage.viewers[0], "like")
    assert await run(recount) == 0
    before = await run(Topic.objects.get, name=stage.video.topic)
    await run(LikeCount.objects.filter(video=stage.video, kind="like").update, count=99)
    assert await run(recount) == 1
    assert await counts(stage) == {"like": 1}
    assert (await run(Topic.objects.get, name=stage.video.topic)).version > before.version
    assert "were wrong" in caplog.text


async def test_recount_looks_at_each_ended_video_once_a_day(stage: Stage) -> None:
    """It counted all likes of the site in one statement, which no site with 20 million likes could do in time."""
    now = timezone.now()
    await run(Video.objects.filter(id=stage.video.id).update, status="ended", ended_at=now)
    day = [now + RECENT + turn * EVERY for turn in range(1, PARTS + 1)]

    def turns() -> int:
        return sum(stage.video.id in videos_due(moment) for moment in day)

    assert await run(videos_due, now) == [stage.video.id]
    assert await run(turns) == 1


async def test_reaction_is_published_and_not_stored(stage: Stage) -> None:
    reactions.react(stage.video, "heart", 5)
    [event] = stage.events
    assert isinstance(event, Burst)
    assert event.counts == {"heart": 5}
    for kind, count in (("hate", 1), ("heart", 0), ("heart", 51)):
        with pytest.raises(Invalid):
            reactions.react(stage.video, kind, count)


# Who acts


async def test_claim_is_checked_in_the_transaction(stage: Stage) -> None:
    """A bearer token costs no query of its own: the group commit reads the accounts of all its commands at once."""
    viewer = stage.viewers[0]
    assert (await like(stage.video.id, Claim(viewer.id, viewer.stamp()), "like"))["total"] == 1
    with pytest.raises(SignedOut):
        await like(stage.video.id, Claim(viewer.id, "of an old password"), "love")
    await run(Viewer.objects.filter(id=viewer.id).update, is_active=False)
    for act in (
        like(stage.video.id, Claim(viewer.id, viewer.stamp()), "love"),
        comment(stage.video.id, viewer, "hello"),
        unlike(stage.video.id, Claim(uuid4())),
    ):
        with pytest.raises(SignedOut):
            await act
    assert await counts(stage) == {"like": 1}


async def test_acts_that_the_server_refuses_cost_their_author_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 20 s of a full disk people were told to slow down whose every comment had been refused: over both paths."""
    nowhere = {"HOST": "127.0.0.1", "PORT": "1"}
    fan = stage.viewers[0]
    headers = {"Authorization": f"Bearer {await run(issue_token, fan)}"}
    path = f"/api/v1/videos/{stage.video.id}/comments"
    identity = Identity(str(fan.id))
    message = {"video": str(stage.video.id), "body": "hello"}

    async def by_rest() -> object:
        answer = await AsyncClient().post(path, {"body": "hello"}, content_type="application/json", headers=headers)
        return answer.status_code

    async def by_socket() -> object:
        try:
            return await COMMANDS["comment"](identity, "", message)
        except CommandError as error:
            return error.code

    await run(group_commit.close)
    with monkeypatch.context() as patch:
        for name, value in nowhere.items():
            patch.setitem(connection.settings_dict, name, value)
        assert {await by_rest() for _ in range(limits.COMMENTS.burst)} == {503}
        assert {await by_socket() for _ in range(limits.COMMENTS.burst)} == {"unavailable"}
    assert await by_rest() == 201
    assert isinstance(await by_socket(), dict)
