"""The video and the viewers of one load test, in the site's database. Called by the command `loadtest`.

Promise: nothing of a run stays. Each run has a name. Its broadcaster is made first and removed last, and a lock of its
database session shows that it is alive. So a later run finds what a killed run has left, and does not touch a running
one.
"""

from __future__ import annotations

import logging
import secrets
import time
import zlib
from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Viewer
from realtime.events import TopicName
from realtime.log.retention import delete_topics, empty_topics
from realtime.log.writer import lock_topics
from videos.broadcasts import create_video
from videos.models import Comment, Like, Video

PREFIX = "loadtest-"
LOCK = 0x6C6F6164  # "load": the first half of the advisory lock's key
BATCH = 2_000  # rows at a time: well below the statement timeout
PATIENCE_SECONDS = 15.0

logger = logging.getLogger(__name__)


class Stage:
    """The viewers of one run: `loadtest-<name>` broadcasts, `loadtest-<name>-<number>` like and comment."""

    def __init__(self) -> None:
        self.name = secrets.token_hex(6)
        self.viewers: list[Viewer] = []
        self._video: Video | None = None
        self._begun = False

    @property
    def video(self) -> Video:
        assert self._video is not None, "not set yet"
        return self._video

    def set(self, viewers: int) -> None:
        """Remove what killed runs have left. Then make the broadcaster, the live video and the viewers."""
        _lock(self.name)
        self._begun = True
        for left in _abandoned():
            logger.info("loadtest: removing what run %s has left", left)
            remove(left)
        broadcaster = _viewer(PREFIX + self.name, name="Load test")
        broadcaster.is_broadcaster = True
        broadcaster.save(force_insert=True)
        self._video = create_video(
            broadcaster,
            title="Load test",
            description="Made by manage.py loadtest, and removed by it.",
            visibility=Video.Visibility.UNLISTED,
            status=Video.Status.LIVE,
            started_at=timezone.now(),
        )
        self.viewers = [_viewer(f"{PREFIX}{self.name}-{number}", name=f"Viewer {number}") for number in range(viewers)]
        Viewer.objects.bulk_create(self.viewers, batch_size=BATCH)

    def remove(self) -> None:
        """Remove everything of this run. The next run removes what cannot be removed now. Raises OperationalError."""
        if self._begun:
            _patiently(lambda: remove(self.name))


def _viewer(username: str, *, name: str) -> Viewer:
    # "!": no password fits. To hash thousands of passwords would take minutes.
    return Viewer(username=username, name=name, password="!")


def _lock(run: str) -> bool:
    """Take the run's lock for this database session. False: another session holds it, so the run is alive."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK, zlib.crc32(run.encode()) - 2**31])
        (taken,) = cursor.fetchone()
        return bool(taken)


def _abandoned() -> list[str]:
    """Return the names of runs whose process has ended."""
    broadcasters = Viewer.objects.filter(username__regex=rf"^{PREFIX}[0-9a-f]{{12}}$").values_list(
        "username", flat=True
    )
    names = [username.removeprefix(PREFIX) for username in broadcasters]
    return [name for name in names if _lock(name)]


def remove(run: str) -> None:
    """Remove a run's rows, in steps that can be repeated. The broadcaster comes last."""
    for video in Video.objects.filter(owner__username=PREFIX + run):
        _end(video)
        Like.objects.filter(video=video).delete()
        _delete_in_batches(Comment.objects.filter(video=video))
        topics = [TopicName(video.topic)]  # a deleted video has no id
        empty_topics(topics)
        with transaction.atomic():
            video.delete()
            delete_topics(topics)
    _delete_in_batches(Viewer.objects.filter(username__startswith=f"{PREFIX}{run}-"))
    Viewer.objects.filter(username=PREFIX + run).delete()


def _end(video: Video) -> None:
    """End the video without an event. From here on no like that is still under way is stored."""
    with transaction.atomic():
        lock_topics([TopicName(video.topic)])
        Video.objects.filter(pk=video.pk).update(status=Video.Status.ENDED, ended_at=timezone.now())


def _delete_in_batches(rows: QuerySet[Any]) -> None:
    while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
        rows.filter(pk__in=keys).delete()


def _patiently(work: Callable[[], None]) -> None:
    """Do it. If the database is away for a moment, do it again. Raises OperationalError, InterfaceError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return work()
        except (OperationalError, InterfaceError):
            if time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(0.5)
