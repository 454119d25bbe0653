"""A video played again: its curve, its peaks, and windows that hold everything once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from django.test import AsyncClient
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Viewer
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos import broadcasts, likes, moderation
from videos.models import Comment, TimelineStep, Video
from videos.replay import peaks, replay_json, timeline_json
from web.refusals import NotFound

run = backend_threads.run
START = datetime(2026, 11, 29, 12, 0, 2, tzinfo=UTC)
START_MS = 1_795_953_602_000
MINUTE = 60_000


@pytest.fixture
def ended(stage: Stage) -> Stage:
    """A broadcast of an hour."""
    times = {"started_at": START, "ended_at": START + timedelta(hours=1)}
    Video.objects.filter(id=stage.video.id).update(status="ended", **times)
    return stage


def write_comments(video: Video, author: Viewer, moments_ms: Sequence[float]) -> None:
    Comment.objects.bulk_create(
        Comment(video=video, author=author, body=f"number {seq}", seq=seq, created_at=at(ms))
        for seq, ms in enumerate(moments_ms, 1_000)
    )


def at(ms: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)


def write_step(video: Video, seconds: int, **fields: Any) -> None:
    """Write the step that begins so long after that of the broadcast."""
    TimelineStep.objects.create(video=video, at=START + timedelta(seconds=seconds - 2), **fields)


def windows(video: Video, chance: random.Random) -> list[dict[str, Any]]:
    """Ask for one window after the other, each from where the last one ended, from before the first comment on."""
    found = [replay_json(video.id, None, START_MS - 11 * MINUTE, None)]
    while found[-1]["to_ms"] < START_MS + 60 * MINUTE:
        begin = found[-1]["to_ms"]
        found.append(replay_json(video.id, None, begin, begin + chance.randrange(1, 20 * MINUTE)))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_windows_put_together_hold_each_comment_once(ended: Stage, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Also where more are written in a window, or in a millisecond, than one answer holds."""
    monkeypatch.setattr("videos.replay.WINDOW_MAX_COMMENTS", 20)
    chance = random.Random(seed)
    moments: list[float] = [START_MS + chance.randrange(-10 * MINUTE, 60 * MINUTE) for _ in range(300)]
    moments += [START_MS + MINUTE] * 30 + [START_MS + MINUTE + 0.25] * 5
    moments += [START_MS + 2 * MINUTE + chance.randrange(200) / 10 for _ in range(100)]
    write_comments(ended.video, ended.owner, moments)
    gone = {number for number in range(len(moments)) if chance.random() < 0.2}
    Comment.objects.filter(body__in=[f"number {1_000 + number}" for number in gone]).update(deleted_at=START)
    found = windows(ended.video, chance)
    together = [comment for window in found for comment in window["comments"]]
    expected = sorted(set(range(len(moments))) - gone, key=lambda number: (moments[number], number))
    assert [comment["body"] for comment in together] == [f"number {1_000 + number}" for number in expected]
    assert max(len(window["comments"]) for window in found) < 60
    assert all(window["from_ms"] < window["to_ms"] <= window["from_ms"] + 10 * MINUTE for window in found)


def test_a_window_has_the_steps_and_what_stood_before(ended: Stage) -> None:
    write_step(ended.video, 5, likes={"love": 2}, viewers=4)
    write_step(ended.video, 60, reactions={"heart": 9})
    write_step(ended.video, 65, likes={"love": 2, "funny": 1}, comments=3, viewers=0)
    found = replay_json(ended.video.id, None, START_MS + 30_000, START_MS + 2 * MINUTE)
    assert (found["likes"]["total"], found["viewers"]) == (2, 4)
    assert [(step["at_ms"] - START_MS, step["likes"]["total"], step["viewers"]) for step in found["steps"]] == [
        (58_000, 2, 4),
        (63_000, 3, 0),
    ]
    assert [(step["reactions"], step["comments"]) for step in found["steps"]] == [({"heart": 9}, 0), ({}, 3)]


async def test_a_window_has_pins_and_replies_as_they_were(stage: Stage) -> None:
    await run(broadcasts.start_video, stage.video.id, stage.owner)
    first, second = [await likes.comment(stage.video.id, stage.viewers[0], text) for text in ("first", "second")]
    reply = await likes.comment(stage.video.id, stage.owner, "a reply", reply_to=UUID(first["id"]))
    for comment in (first, second):
        await run(moderation.pin_comment, stage.video.id, comment["id"], stage.owner)
    found = await run(replay_json, stage.video.id, None, first["at_ms"], None)
    assert [comment["reply_to"] for comment in found["comments"]] == [None, None, first["id"]]
    old, new = found["pins"]
    assert [pin["comment"]["body"] for pin in (old, new)] == ["first", "second"]
    assert first["at_ms"] <= old["from_ms"] <= old["until_ms"] == pytest.approx(new["from_ms"], abs=1_000)
    assert new["until_ms"] is None
    assert (await run(replay_json, stage.video.id, None, new["from_ms"] + MINUTE, None))["pins"] == [new]
    await run(moderation.unpin_comment, stage.video.id, second["id"], stage.owner)
    await run(moderation.delete_comment, stage.video.id, first["id"], stage.owner)
    found = await run(replay_json, stage.video.id, None, first["at_ms"], None)
    assert [pin["comment"]["body"] for pin in found["pins"]] == ["second"]
    assert found["pins"][0]["until_ms"] is not None
    assert [comment["id"] for comment in found["comments"]] == [second["id"], reply["id"]]


def test_a_long_video_is_a_curve_of_few_points(ended: Stage) -> None:
    for seconds, total in ((0, 3), (1_800, 10), (1_805, 14), (3_000, 13)):
        write_step(ended.video, seconds, likes={"love": total}, viewers=total)
    write_step(ended.video, 1_810, reactions={"heart": 5, "wow": 1}, comments=2)
    found = timeline_json(ended.video.id, None)
    points = found["points"]
    assert (found["step_ms"], len(points)) == (15_000, 241)
    assert {points[n + 1]["at_ms"] - points[n]["at_ms"] for n in range(240)} == {15_000}
    assert points[120] == {
        "at_ms": START_MS - 2_000 + 1_800_000,
        "likes": 11,
        "reactions": 6,
        "comments": 2,
        "viewers": 14,
    }
    assert [point["viewers"] for point in (points[0], points[119], points[121], points[200], points[201])] == [
        3,
        3,
        14,
        14,
        13,
    ]
    assert sum(point["likes"] for point in points) == 14
    assert found["peaks"] == [
        {"at_ms": points[0]["at_ms"], "activity": 3},
        {"at_ms": points[120]["at_ms"], "activity": 13},
    ]


@given(st.lists(st.integers(0, 1_000), max_size=301))
def test_peaks_are_few_high_and_apart(curve: list[int]) -> None:
    found = peaks(curve)
    assert found == sorted(set(found))
    assert len(found) <= 8
    assert all(0 <= place < len(curve) for place in found)
    assert all(later - place > len(curve) // 20 for place, later in pairwise(found))
    assert peaks([0] * len(curve)) == []


def test_a_video_that_has_not_begun_has_no_points(stage: Stage) -> None:
    found = timeline_json(stage.video.id, None)
    assert (found["points"], found["peaks"]) == ([], [])


def test_rights_are_those_of_watching(ended: Stage) -> None:
    Video.objects.update(visibility="private")
    for read in (timeline_json, replay_json):
        with pytest.raises(NotFound):
            read(ended.video.id, ended.viewers[0])
        assert read(ended.video.id, ended.owner)["from_ms"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("from_ms=0&to_ms=0", 200),
        ("from_ms=9&to_ms=3", 200),
        ("from_ms=253402300799000", 200),
        ("to_ms=253402300799000", 200),
        ("from_ms=-1", 422),
        ("from_ms=253402300799001", 422),
        ("from_ms=noon", 422),
        ("from_ms=1&from_ms=2", 422),
        ("until=5", 422),
    ],
)
async def test_any_window_may_be_asked_for(ended: Stage, query: str, status: int) -> None:
    found = await AsyncClient().get(f"/api/v1/videos/{ended.video.id}/replay?{query}")
    assert found.status_code == status, found.content
    assert set(found.json()) == {"code", "detail"} if status > 200 else found.json()["from_ms"] <= found.json()["to_ms"]


def test_a_window_takes_few_queries(ended: Stage, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(7):  # video, cut, comments, standing, seq, steps, pins
        replay_json(ended.video.id, None)
