"""What a node reads when the first viewers of many videos come at once."""

from __future__ import annotations

import random
from typing import Any

import orjson

from realtime.events import TopicName
from realtime.log.database import events_after, newest_events, save_peaks
from realtime.log.threads import backend_threads
from realtime.models import Topic
from tests.videos.acts import Stage
from videos import broadcasts
from videos.models import Video
from videos.topics import VideoTopics


def topics_of_some_videos(stage: Stage) -> list[TopicName]:
    quiet = [broadcasts.create_video(stage.owner, title=f"Quiet {number}") for number in range(3)]
    return [TopicName(video.topic) for video in [stage.video, *quiet]]


async def test_many_videos_are_read_with_as_many_queries_as_one(stage: Stage, django_assert_num_queries: Any) -> None:
    """Three queries for each, and one for its log: a hundred videos took four hundred round trips."""
    dice = random.Random(1)
    for _ in range(40):
        await stage.act(dice)

    def look() -> None:
        topics = topics_of_some_videos(stage)
        kind = VideoTopics()
        with django_assert_num_queries(3):
            found = kind.load_all([*topics, TopicName("video:none"), TopicName(f"video:{stage.owner.id}")])
        assert found == {topic: kind.load(topic) for topic in topics}
        comments = found[topics[0]]["comments"]
        assert len(comments) > 3
        assert comments == sorted(comments, key=lambda comment: comment["seq"])
        with django_assert_num_queries(1):
            newest = newest_events(topics, 5)
        for topic in topics:
            all_of_topic = events_after("default", topic, 0, 1_000)
            of_topic = sorted((event for event in newest if event.topic == topic), key=lambda event: event.seq)
            assert [(e.seq, e.name, e.thing, orjson.loads(e.body)) for e in of_topic] == [
                (e.seq, e.name, e.thing, orjson.loads(e.body)) for e in all_of_topic[-5:]
            ]
        assert Video.objects.count() == len(topics)

    await backend_threads.run(look)


async def test_peaks_of_many_videos_are_kept_by_one_statement(stage: Stage, django_assert_num_queries: Any) -> None:
    """One for each, each a transaction: while thousands of videos got their first viewer, nothing else was read."""

    def look() -> None:
        topics = topics_of_some_videos(stage)
        save_peaks({topics[0]: 7})
        with django_assert_num_queries(1):
            save_peaks({topic: number for number, topic in enumerate(topics, 3)} | {TopicName("video:none"): 9})
        found = dict(Topic.objects.filter(name__in=topics).values_list("name", "viewers_peak"))
        assert [found[topic] for topic in topics] == [7, 4, 5, 6]

    await backend_threads.run(look)
