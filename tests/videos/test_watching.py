"""How many viewers a video has had, in the real database: each once, exact at first, then by a sample."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from django.db.backends.utils import CursorWrapper
from django.db.models import F

from realtime.events import TopicName
from realtime.log import audiences, database
from realtime.log.database import DatabaseStore
from realtime.log.threads import backend_threads
from realtime.models import Audience, SeenViewer
from realtime.registry import registry
from realtime.table.counting import ViewerKey, is_sampled, viewer_keys
from tests.plans import Scan, scans
from tests.videos.acts import Stage
from videos import broadcasts, removal
from videos.cleaning import SEEN_FOR, forget_seen
from videos.models import Video
from videos.watching import uniques


@pytest.fixture
def store(stage: Stage) -> DatabaseStore:
    return DatabaseStore(registry)


def people(seed: int, size: int) -> list[ViewerKey]:
    key_of = viewer_keys(str(seed))
    return [key_of(f"viewer {number}") for number in range(size)]


async def unique(stage: Stage) -> int:
    found = await backend_threads.run(uniques, [stage.video.topic])
    return found.get(stage.video.topic, 0)


async def rows(stage: Stage) -> int:
    return await backend_threads.run(SeenViewer.objects.filter(topic_id=stage.video.topic).count)


async def test_viewer_who_comes_again_is_no_new_one(stage: Stage, store: DatabaseStore) -> None:
    topic = TopicName(stage.video.topic)
    assert await unique(stage) == 0
    for keys in ([1, 2, -3], [-3, 4], [1, 2, -3, 4]):
        assert await store.save_seen({topic: keys}) == {topic: 0}
    assert (await unique(stage), await rows(stage)) == (4, 4)


async def test_nodes_that_write_at_the_same_time_count_nobody_twice(stage: Stage, store: DatabaseStore) -> None:
    other = await backend_threads.run(broadcasts.create_video, stage.owner, title="Another")
    topics = [TopicName(stage.video.topic), TopicName(other.topic)]
    crowd = people(1, 3_000)
    nodes = [DatabaseStore(registry) for _ in range(4)]
    await asyncio.gather(
        *(
            node.save_seen(dict.fromkeys(sequence, crowd[number * 500 : number * 500 + 1_500]))
            for number, node in enumerate(nodes)
            for sequence in (topics, topics[::-1])
        )
    )
    assert await unique(stage) == await rows(stage) == 3_000


async def test_many_viewers_are_kept_by_a_sample_that_halves(
    stage: Stage, store: DatabaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20,000 of whom 1,000 to 2,000 are kept: three standard errors are less than 10 %."""
    monkeypatch.setattr(database, "SEEN_MAX", 2_000)
    topic, crowd = TopicName(stage.video.topic), people(2, 20_000)
    levels = []
    for start in range(0, len(crowd), 1_000):
        levels.append((await store.save_seen({topic: crowd[start : start + 1_500]}))[topic])
    assert levels == sorted(levels)
    level = levels[-1]
    assert level in (3, 4)
    assert await rows(stage) == sum(is_sampled(key, level) for key in crowd) <= 2_000
    assert await unique(stage) == pytest.approx(20_000, rel=0.1)
    before = await unique(stage)
    await store.save_seen({topic: crowd[:5_000]})
    assert await unique(stage) == before


async def test_statements_are_as_many_for_a_hundred_topics_as_for_one(
    stage: Stage, store: DatabaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics = [TopicName(stage.video.topic)]
    for number in range(20):
        video = await backend_threads.run(broadcasts.create_video, stage.owner, title=f"Video {number}")
        topics.append(TopicName(video.topic))

    ran: list[str] = []
    execute = CursorWrapper.execute

    def noted(cursor: CursorWrapper, sql: Any, params: Any = None) -> Any:
        ran.append(sql)
        return execute(cursor, sql, params)

    async def statements(count: int) -> int:
        ran.clear()
        await store.save_seen({topic: [number, number + 1] for number, topic in enumerate(topics[:count])})
        return len(ran)

    monkeypatch.setattr(CursorWrapper, "execute", noted)
    few, many = [await statements(count) for count in (1, 21)]
    assert few >= 4, "the topics, the audiences, their locks, the viewers"
    assert few == many <= 8


async def test_deleted_video_takes_its_viewers_along_and_disturbs_no_other(stage: Stage, store: DatabaseStore) -> None:
    other = await backend_threads.run(broadcasts.create_video, stage.owner, title="Another")
    gone, stays = TopicName(stage.video.topic), TopicName(other.topic)
    await store.save_seen({gone: [1, 2], stays: [3]})
    await backend_threads.run(removal.delete_video, stage.video.id, stage.owner)
    assert await store.save_seen({gone: [5], stays: [4]}) == {stays: 0}
    assert await backend_threads.run(uniques, [gone, stays]) == {stays: 2}
    assert await rows(stage) == 0
    assert not await backend_threads.run(Audience.objects.filter(topic_id=gone).exists)


async def test_day_after_the_end_the_number_of_viewers_is_all_that_is_kept(
    stage: Stage, store: DatabaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys of a large video took 22 MB for ever."""
    monkeypatch.setattr(audiences, "ROWS_MAX", 2)
    other = await backend_threads.run(broadcasts.create_video, stage.owner, title="Another")
    over, live = TopicName(stage.video.topic), TopicName(other.topic)
    await store.save_seen({over: [1, 2, 3, 4, 5], live: [6]})
    await backend_threads.run(broadcasts.end_video, stage.video.id, stage.owner)
    assert await backend_threads.run(forget_seen) == 0, "it may go on"
    ended = Video.objects.filter(id=stage.video.id)
    await backend_threads.run(lambda: ended.update(ended_at=F("ended_at") - SEEN_FOR - timedelta(seconds=1)))
    assert await backend_threads.run(forget_seen) == 5
    await store.save_seen({over: [1, 7], live: [8]})
    assert await backend_threads.run(uniques, [over, live]) == {over: 5, live: 2}
    assert await rows(stage) == 0
    assert await backend_threads.run(audiences.open_topics, "video", "", 10) == [live]


async def test_ended_videos_are_not_looked_at_again(stage: Stage, store: DatabaseStore) -> None:
    topic = TopicName(stage.video.topic)
    await store.save_seen({topic: [1]})
    await backend_threads.run(audiences.close, topic)

    def read() -> list[Scan]:
        with scans() as found:
            assert forget_seen() == 0
        return found

    [scan] = await backend_threads.run(read)
    assert (scan.reads_all, scan.rows) == (False, 0)
