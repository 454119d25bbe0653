"""Lists of videos, page by page: all of them once, in order, and by an index."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from django.db import connection
from django.test import AsyncClient

from accounts.models import Viewer
from realtime.log.threads import backend_threads
from realtime.models import Topic
from tests.videos.acts import Stage
from videos.cards import ORDERS, Place, describe, place_of, read_cards
from videos.models import Video
from videos.reading import read_videos

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


def make(owner: Viewer, count: int, status: str, **fields: object) -> list[Video]:
    """Make videos of a status; several began, come or ended at the same moment, and some have no planned start."""
    chance = random.Random(count)
    videos = []
    for number in range(count):
        at = NOON + timedelta(microseconds=chance.randrange(count))
        moment = {ORDERS[status].column: at if status != "upcoming" or number % 4 else None}
        if status == "ended":
            moment["started_at"] = NOON
        videos.append(Video(owner=owner, title=f"{status} {number}", status=status, **{**moment, **fields}))
    made = Video.objects.bulk_create(videos)
    Topic.objects.bulk_create(Topic(name=video.topic) for video in made)
    return made


def pages_of(status: str, limit: int, channel: Viewer | None = None) -> Iterator[list[Video]]:
    """Read one page after the other, each after the place that the one before names."""
    after: Place | None = None
    while True:
        cards = read_cards(status, limit, after=after, channel_id=channel.id if channel else None)
        yield cards.videos
        if not cards.next:
            return
        after = place_of(cards.next)


@pytest.mark.parametrize("status", ORDERS)
def test_all_pages_together_are_the_list(stage: Stage, status: str) -> None:
    Video.objects.all().delete()
    made = make(stage.owner, 40, status)
    others = make(stage.viewers[0], 5, status)
    for visibility in ("private", "unlisted"):
        make(stage.owner, 5, status, visibility=visibility)

    pages = list(pages_of(status, 7))
    shown = [video.id for page in pages for video in page]
    assert [len(page) for page in pages] == [7] * 6 + [3]
    assert sorted(shown) == sorted(video.id for video in (*made, *others))
    [whole] = pages_of(status, 100)
    assert [video.id for video in whole] == shown
    own = [video.id for page in pages_of(status, 7, stage.owner) for video in page]
    assert own == [id for id in shown if id in {video.id for video in made}]


def test_a_page_goes_on_where_the_one_before_ended_whatever_has_come_and_gone(stage: Stage) -> None:
    made = make(stage.owner, 30, "ended")
    first = read_cards("ended", 10)
    rest = [video.id for page in pages_of("ended", 100) for video in page][10:]
    Video.objects.filter(id=first.videos[-1].id).delete()
    make(stage.owner, 5, "ended", ended_at=NOON + timedelta(days=1))
    assert len(made) - 10 == len(rest)
    assert [video.id for video in read_cards("ended", 100, after=place_of(first.next)).videos] == rest


def test_no_list_reads_all_videos(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The home page sorted every video that had ever ended: 333 ms with 100,000 of them."""
    for status in ORDERS:
        make(stage.owner, 2_000, status)
        make(stage.viewers[0], 200, status, visibility="private")
    asked = []

    def noted(chosen: str, *values: Any) -> list[Video]:
        asked.append((chosen, values))
        return read_videos(chosen, *values)

    monkeypatch.setattr("videos.cards.read_videos", noted)
    for status in ORDERS:
        for channel in (None, stage.owner):
            list(islice(pages_of(status, 24, channel), 2))
    assert len(asked) == 12
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE videos_video")
        for chosen, values in asked:
            cursor.execute(f"EXPLAIN SELECT video.id FROM videos_video video {chosen}", values)
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Sort" not in plan and "Seq Scan" not in plan, plan


@pytest.mark.parametrize(
    "place", ["", "1", "x-1", f"{'9' * 18}-{'0' * 32}", f"1-{'0' * 31}", f"-1-{'0' * 32}", "1-\x00"]
)
async def test_a_place_that_is_none_is_no_page(stage: Stage, place: str) -> None:
    with pytest.raises(ValueError):
        place_of(place)
    answer = await AsyncClient().get("/videos/ended/", {"after": place})
    assert answer.status_code == (400 if "\0" in place else 404)


def test_a_video_that_is_deleted_while_its_list_is_read_is_no_card(stage: Stage) -> None:
    """The page answered 500."""
    gone, *left = make(stage.owner, 3, "ended")
    cards = read_cards("ended", 24)
    Topic.objects.filter(name=gone.topic).delete()
    gone.delete()
    describe([cards])
    assert {item["id"] for item in cards.items} == {str(video.id) for video in left}


async def test_the_rest_of_a_list_is_behind_the_home_page(stage: Stage) -> None:
    made = await backend_threads.run(make, stage.owner, 30, "ended")
    client, path, seen = AsyncClient(), "/", set[str]()
    for _ in range(2):
        page = (await client.get(path)).content.decode()
        seen |= {str(video.id) for video in made if f'data-video="{video.id}"' in page}
        path = f"/videos/ended/?after={page.partition('/videos/ended/?after=')[2].partition(chr(34))[0]}"
    assert len(seen) == 30
    last = await client.get(f"/videos/ended/?after={Place(NOON - timedelta(days=1), stage.video.id)}")
    assert (last.status_code, b"That is all" in last.content) == (200, True)
