"""What a node keeps of a topic takes the memory of its bytes, not of the blocks in which they were made."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from realtime.events import TopicName
from realtime.log.database import events_after
from realtime.models import LoggedEvent, Topic

EVENTS = 500
TOPIC = TopicName("video:1")
COMMENT = {"comment": {"id": "0" * 36, "body": "Hello from the harbour. " * 8}}


@pytest.mark.django_db
def test_read_events_take_little_more_than_their_bytes() -> None:
    """A kept event took 4 KB, whatever it said, so 100 videos with 1,000 comments each took 400 MB of a node."""
    Topic.objects.create(name=TOPIC)
    LoggedEvent.objects.bulk_create(
        LoggedEvent(topic_id=TOPIC, seq=seq, name="comment", data=COMMENT) for seq in range(1, EVENTS + 1)
    )
    tracemalloc.start()
    try:
        kept = events_after("default", TOPIC, 0, EVENTS)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == EVENTS
    assert taken < 3 * sum(len(event.body) for event in kept)
