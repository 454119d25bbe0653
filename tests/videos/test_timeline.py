"""The timeline: what happened at a video in each step of 5 seconds, written once, whoever looks and how often."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from realtime.log.threads import backend_threads
from realtime.table.subscriptions import Watched
from tests.rooms import open_room
from tests.sites import Site
from tests.videos.acts import Stage
from tests.watching import HANG_SECONDS, SseWatcher, watching
from videos import broadcasts, likes, moderation, removal, timeline
from videos.models import Comment, Pin, TimelineStep, Video
from videos.timeline import LATE, STEP, ReactionTally, look, step_of

run = backend_threads.run


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many viewers each topic has, as the shared table says."""
    counts: dict[str, int] = Counter()

    class Table:
        async def watched(self, topics: list[str]) -> dict[str, Watched]:
            return {topic: Watched(counts[topic], 99) for topic in topics}

    monkeypatch.setattr(timeline, "shared_table", Table)
    return counts


@pytest.fixture
async def live(stage: Stage, room: dict[str, int]) -> Stage:
    await run(broadcasts.start_video, stage.video.id, stage.owner)
    return stage


def written() -> list[tuple[Any, ...]]:
    rows = TimelineStep.objects.order_by("video", "at")
    return list(rows.values_list("at", "likes", "reactions", "comments", "viewers"))


async def test_a_look_writes_what_there_is_and_a_second_one_nothing(live: Stage, room: dict[str, int]) -> None:
    await likes.like(live.video.id, live.viewers[0], "love")
    await likes.comment(live.video.id, live.viewers[0], "hello")
    room[live.video.topic] = 7
    now = timezone.now()
    assert await run(look, now)
    steps = await run(written)
    [(_, liked, reactions, _, viewers)] = [row for row in steps if row[0] == step_of(now)]
    assert (liked, reactions, viewers) == ({"love": 1}, {}, 7)
    assert sum(row[3] for row in steps) == 1
    for seconds in (0, 5, 600):
        assert await run(look, now + timedelta(seconds=seconds)) == 0
    assert await run(written) == steps


async def test_a_step_keeps_the_highest_number_of_viewers(live: Stage, room: dict[str, int]) -> None:
    now = step_of(timezone.now())
    for seconds, count in ((0, 5), (1, 9), (2, 3), (5, 3), (10, 3), (15, 0)):
        room[live.video.topic] = count
        await run(look, now + timedelta(seconds=seconds))
    assert [(row[0] - now, row[4]) for row in await run(written)] == [
        (timedelta(seconds=0), 9),
        (timedelta(seconds=5), 3),
        (timedelta(seconds=15), 0),
    ]


async def test_likes_are_those_that_the_video_has_then(live: Stage) -> None:
    now = step_of(timezone.now())
    fan = live.viewers[0]
    for number, kind in enumerate(("love", "funny", None)):
        await (likes.like(live.video.id, fan, kind) if kind else likes.unlike(live.video.id, fan))
        await run(look, now + number * STEP)
    assert [row[1] for row in await run(written)] == [{"love": 1}, {"funny": 1}, {}]


async def test_late_comments_and_deletions_change_the_last_steps(live: Stage) -> None:
    """Nodes commit a comment after the moment that it has; the job may not run for a while."""
    now = step_of(timezone.now())
    moments = [now - timedelta(seconds=90), now - timedelta(seconds=20), now - timedelta(seconds=19)]
    made = [await likes.comment(live.video.id, live.viewers[0], "hello") for _ in moments]
    for comment, at in zip(made, moments, strict=True):
        await run(Comment.objects.filter(id=comment["id"]).update, created_at=at)
    await run(look, now)
    assert [(row[0], row[3]) for row in await run(written)] == [
        (step_of(moments[0]), 1),
        (now - timedelta(seconds=20), 2),
    ]
    await run(moderation.delete_comment, live.video.id, made[1]["id"], live.owner)
    await run(look, now + STEP)
    assert [row[3] for row in await run(written)] == [1, 1]


async def test_reactions_are_added_up_by_each_process(live: Stage, room: dict[str, int]) -> None:
    now = timezone.now()
    at_ms = int(now.timestamp() * 1000)
    room[live.video.topic] = 2
    for bursts in ([("heart", 5), ("wow", 1)], [("heart", 2)]):
        tally = ReactionTally()
        for kind, count in bursts:
            tally.add(live.video.id, kind, count, at_ms=at_ms)
        tally.add(live.viewers[0].id, "heart", 1, at_ms=at_ms)  # a video that is gone by now
        await tally.flush()
        await run(look, now)
    assert [row[1:] for row in await run(written)] == [(None, {"heart": 7, "wow": 1}, 0, 2)]


@pytest.mark.parametrize("what", ["reactions", "viewers"])
async def test_steps_of_a_video_that_is_deleted_meanwhile_are_left_out(
    live: Stage, room: dict[str, int], what: str
) -> None:
    """The video was found, and gone when the rows were committed: all steps of that moment were lost."""
    live.viewers[0].is_broadcaster = True
    other = await run(broadcasts.create_video, live.viewers[0], title="Stays")
    await run(broadcasts.start_video, other.id, live.viewers[0])
    tally, deleted, go_on = ReactionTally(), threading.Event(), threading.Event()
    for video in (live.video, other):
        room[video.topic] = 3
        if what == "reactions":
            tally.add(video.id, "heart", 1, at_ms=int(timezone.now().timestamp() * 1000))

    def delete() -> None:
        with transaction.atomic():
            Video.objects.filter(id=live.video.id).delete()
            deleted.set()
            go_on.wait(20)

    deleting = asyncio.create_task(run(delete))
    await asyncio.to_thread(deleted.wait, 20)
    writing = asyncio.create_task(tally.flush() if what == "reactions" else run(look, timezone.now()))
    async with asyncio.timeout(HANG_SECONDS):
        while not await is_waited_for():
            await asyncio.sleep(0.01)
    go_on.set()
    await deleting
    await writing
    left = ({"heart": 1}, None) if what == "reactions" else ({}, 3)
    assert [(row[2], row[4]) for row in await run(written)] == [left]


async def test_a_video_is_deleted_while_people_react(live: Stage) -> None:
    """A step that was written between the deletion of the others and that of the video ended the deletion."""
    tally, is_almost_done, go_on = ReactionTally(), threading.Event(), threading.Event()
    tally.add(live.video.id, "heart", 1, at_ms=int(timezone.now().timestamp() * 1000))

    def late(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith('DELETE FROM "videos_video"'):
            is_almost_done.set()
            go_on.wait(20)
        return execute(sql, *rest)

    def delete() -> None:
        with connection.execute_wrapper(late):
            removal.delete_video(live.video.id, live.owner)
        connection.close()

    deleting = asyncio.create_task(asyncio.to_thread(delete))
    await asyncio.to_thread(is_almost_done.wait, 20)
    flushing = asyncio.create_task(tally.flush())
    async with asyncio.timeout(HANG_SECONDS):
        while not flushing.done() and not await is_waited_for():
            await asyncio.sleep(0.01)
    go_on.set()
    await deleting
    await flushing
    assert not await run(Video.objects.filter(id=live.video.id).exists)


async def is_waited_for() -> bool:
    def read() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
            return bool(cursor.fetchone()[0])

    return await run(read)


async def test_only_videos_that_are_live_or_have_just_ended_cost_anything(live: Stage) -> None:
    await likes.comment(live.video.id, live.viewers[0], "the last word")
    ended = await run(broadcasts.end_video, live.video.id, live.owner)
    assert ended.ended_at is not None
    assert await run(look, ended.ended_at + LATE) == 0
    assert await run(look, ended.ended_at + timedelta(seconds=2)) == 1
    await run(broadcasts.create_video, live.owner, title="Announced")
    assert await run(look, datetime(2030, 1, 1, tzinfo=UTC)) == 0


async def test_timeline_goes_with_its_video(live: Stage) -> None:
    comment = await likes.comment(live.video.id, live.viewers[0], "hello")
    await run(moderation.pin_comment, live.video.id, comment["id"], live.owner)
    await run(look, timezone.now())
    assert await run(TimelineStep.objects.count) == await run(Pin.objects.count) == 1
    await run(removal.delete_video, live.video.id, live.owner)
    assert await run(TimelineStep.objects.count) == await run(Pin.objects.count) == await run(Video.objects.count) == 0


async def test_a_site_keeps_the_timeline_of_its_broadcast(start_site: Callable[..., Site]) -> None:
    """All of the way: nodes publish, the job looks, the API answers. Beat had a process of its own, of 77 MB."""
    site = start_site(jobs=True)
    assert site.jobs
    async with open_room(site) as room, watching(SseWatcher(site.urls[1], room.topic)):
        viewer, video = room.people[1], f"/videos/{room.video_id}"
        await room.like(kind="love")
        await room.comment("hello")
        (await room.call("POST", f"{video}/reactions", {"kind": "heart", "count": 5}, person=viewer)).raise_for_status()
        found: dict[str, int] = {}
        async with asyncio.timeout(HANG_SECONDS):
            while found != {"likes": 1, "reactions": 5, "comments": 1, "viewers": 1}:
                points = (await room.call("GET", f"{video}/timeline")).raise_for_status().json()["points"]
                found = {name: sum(point[name] for point in points) for name in ("likes", "reactions", "comments")}
                found["viewers"] = max(point["viewers"] for point in points)
                await asyncio.sleep(0.2)
        assert Path(f"/proc/{site.jobs.pid}/task/{site.jobs.pid}/children").read_text() == ""
