"""The log keeps a day. A pass of the job costs what it deletes, however long the log is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from realtime.events import Durable, TopicName
from realtime.log import retention
from realtime.log.store import Head, Loaded
from realtime.models import LoggedEvent, Topic
from tests.plans import scans

pytestmark = pytest.mark.django_db(transaction=True)
TOPIC = TopicName("video:old")


def fill(*, old: int, new: int) -> None:
    Topic.objects.create(name=TOPIC, seq=old + new)
    begin = timezone.now() - retention.KEPT_FOR - timedelta(seconds=old)
    LoggedEvent.objects.bulk_create(
        LoggedEvent(topic_id=TOPIC, seq=seq, name="comment", data={}, at=begin + timedelta(seconds=seq - 1))
        for seq in range(1, old + 1)
    )
    LoggedEvent.objects.bulk_create(
        LoggedEvent(topic_id=TOPIC, seq=old + seq, name="comment", data={}) for seq in range(1, new + 1)
    )


def seqs() -> list[int]:
    return list(LoggedEvent.objects.order_by("seq").values_list("seq", flat=True))


def test_what_is_older_than_a_day_goes_and_the_rest_stays() -> None:
    """The newest 10,000 of a topic stayed for ever: nearly all comments that were ever written, twice."""
    fill(old=3, new=2)
    assert retention.retire() == 3
    assert seqs() == [4, 5]
    assert retention.retire() == 0


def test_a_pass_deletes_in_slices_and_leaves_the_rest_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS_MAX", 2)
    monkeypatch.setattr(retention, "RETIRED_MAX", 4)
    fill(old=7, new=1)
    assert [retention.retire() for _ in range(3)] == [4, 3, 0]
    assert seqs() == [8]


def test_a_pass_reads_by_time_and_never_the_whole_log() -> None:
    """It read all of the log each hour to delete 80 rows."""
    fill(old=50, new=50)
    with scans() as found:
        retention.retire()
    assert found
    assert not any(scan.reads_all for scan in found)


@pytest.mark.parametrize(
    ("kept", "whole"),
    [([4, 5, 6], [4, 5, 6]), ([2, 4, 5, 6], [4, 5, 6]), ([4, 5], []), ([], [])],
    ids=["whole", "with a hole", "without the newest", "empty"],
)
def test_who_resumes_gets_no_log_with_a_hole(kept: list[int], whole: list[int]) -> None:
    """Two transactions of a topic may have begun in another order than they have committed in."""
    log = [Durable(TOPIC, seq, "comment", b"{}") for seq in kept]
    assert [event.seq for event in Loaded(Head(6, 0), {}, log=log).whole_log()] == whole
