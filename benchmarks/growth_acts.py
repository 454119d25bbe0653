"""What a site does all day, each by the site's own code, for benchmarks.growth. Import it when Django is set up."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.test import Client
from django.utils import timezone

from accounts.identities import identity_of, review
from accounts.models import Viewer
from accounts.removal import delete_viewer
from accounts.taken import namesakes
from accounts.tasks import forget_sessions
from benchmarks.growth_data import COMMON_WORD, RARE_WORD, Loader
from following.reading import channel_named, newest_of, read_followed
from following.search import search
from messaging import acts as messages
from messaging.contacts import acquaintances, may_see
from messaging.reading import inbox_page, inbox_snapshots, message_page
from moderation.complaints import reported_in
from notices.reading import lines
from notices.tasks import tell
from realtime.events import TopicName
from realtime.log.changes import confirmed_changes
from realtime.log.database import DatabaseStore
from realtime.log.store import Head, Mark
from realtime.registry import registry
from realtime.tasks import retention
from videos.cards import list_cards, place_of, read_cards
from videos.held import waiting_at
from videos.likes import comment, like, unlike
from videos.replay import replay_json
from videos.reports import report_json
from videos.tasks import forget_seen, keep_timelines, recount
from videos.topics import page_state
from videos.watching import viewers_json

ROUNDS_MAX, ROUND_SECONDS = 60, 0.1
"""What is quick is done more often."""
OLD_EVENTS = 1_000

Act = Callable[[], object]

JOBS: dict[str, Act] = {
    "job: recount": recount,
    "job: timelines": keep_timelines,
    "job: notices": tell,
    "job: sessions": forget_sessions,
    "job: keys of viewers": forget_seen,
}


class Acts:
    """What is done, by name. `loader`: adds what some of it takes away."""

    def __init__(self, loader: Loader, run: Callable[[Any], Any]) -> None:
        self._loader, self._run = loader, run
        self._numbers = itertools.count(loader.size.videos * 1_000)
        ids = loader.ids()
        self.focus, self.other = (Viewer.objects.get(id=ids[name]) for name in ("focus", "other"))
        self.administrator = Viewer.objects.get(username="administrator")
        self.live, self.ended, self.talked = ids["live"], ids["ended"], ids["talked"]
        self.group, self.pair = ids["group"], ids["pair"]
        self._client = Client(HTTP_HOST="localhost")
        self._client.force_login(self.administrator)
        self._store = DatabaseStore(registry)
        self._mark = confirmed_changes(Mark()).until

    def all(self) -> dict[str, tuple[Act, Act | None]]:
        """Return each with what comes before it, which is not measured."""
        alone: dict[str, Act] = {**self._pages(), **self._people(), **self._staff(), **JOBS}
        found: dict[str, tuple[Act, Act | None]] = {name: (act, None) for name, act in alone.items()}
        found["job: retention, 1,000 old events"] = (retention, self._add_old_events)
        found["erasure of a person"] = (self._erase, self._add_leaver)
        return found

    def _pages(self) -> dict[str, Act]:
        topic = TopicName(f"video:{self.live}")
        half = timezone.now() - timedelta(days=500)
        middle = place_of(f"{round(half.timestamp() * 1_000_000)}-{UUID(int=0).hex}")
        return {
            "home page": lambda: self._run(list_cards(24)),
            "list of ended videos, in the middle": lambda: read_cards("ended", 24, after=middle),
            "watch page": lambda: self._run(page_state(self.live, None)),
            "watch page, signed in": lambda: self._run(page_state(self.live, self.focus)),
            "replay": lambda: replay_json(self.ended, None),
            "channel page": lambda: (channel_named(str(self.focus.id)), newest_of(self.focus.id, 24)),
            "search, a rare word": lambda: search(RARE_WORD),
            "search, a common word": lambda: search(COMMON_WORD),
            "node: topic opened": lambda: self._run(self._store.load(topic)),
            "node: topics that have changed": lambda: self._run(self._store.changes(self._mark)),
            "node: heads of topics": lambda: self._run(self._store.heads({topic: Head(0, 0)})),
            "like and unlike": self._like,
            "comment": lambda: self._run(comment(self.live, self.other, f"Hello {next(self._numbers)}")),
        }

    def _people(self) -> dict[str, Act]:
        id = self.focus.id
        return {
            "who watches": lambda: self._run(viewers_json(self.live, self.focus)),
            "presence: who may see": lambda: may_see([id]),
            "presence: acquaintances": lambda: acquaintances(id),
            "inbox of 200 conversations": lambda: inbox_page(id, before=None, limit=20),
            "inbox, for a node": lambda: inbox_snapshots([id]),
            "messages of a conversation": lambda: message_page(self.pair, id, before=None, limit=50),
            "message to one": lambda: messages.send(self.pair, self.focus, f"Hello {next(self._numbers)}"),
            "message to fifty": lambda: messages.send(self.group, self.focus, f"Hello {next(self._numbers)}"),
            "notices": lambda: lines(id),
            "followed channels": lambda: read_followed(id),
            "namesakes of a name": lambda: namesakes(self.other.name),
            "node: rights of a viewer": lambda: review([identity_of(self.focus)]),
        }

    def _staff(self) -> dict[str, Act]:
        viewers, videos, comments = (
            f"/admin/{name}/" for name in ("accounts/viewer", "videos/video", "videos/comment")
        )
        found = {
            "admin: viewers": viewers,
            "admin: viewers, a name": f"{viewers}?q={self.other.name}",
            "admin: broadcasters": f"{viewers}?is_broadcaster__exact=1",
            "admin: staff": f"{viewers}?is_staff__exact=1",
            "admin: videos": videos,
            "admin: videos, a rare word": f"{videos}?q={RARE_WORD}",
            "admin: videos, a common word": f"{videos}?q={COMMON_WORD}",
            "admin: videos by likes": f"{videos}?o=5",
            "admin: comments": comments,
            "admin: comments, a rare word": f"{comments}?q={RARE_WORD}",
            "admin: comments, a common word": f"{comments}?q={COMMON_WORD}",
            "admin: comments, a name": f"{comments}?q={self.other.name}",
            "admin: comments, no such word": f"{comments}?q=xylophone",
            "admin: comments of a video": f"{comments}?video={self.talked}",
            "admin: comments of a video, a word": f"{comments}?video={self.talked}&q={RARE_WORD}",
            "admin: deleted comments": f"{comments}?state=deleted",
            "admin: conversations": "/admin/messaging/conversation/",
        }
        pages: dict[str, Act] = {name: partial(self._get, path) for name, path in found.items()}
        return {
            **pages,
            "report of a video": lambda: report_json(self.ended, self.focus),
            "moderators' queue": lambda: reported_in(self.focus.id, self.focus),
            "comments that are held": lambda: waiting_at(self.live, self.focus, 50),
        }

    def _get(self, path: str) -> None:
        response = self._client.get(path)
        if response.status_code != 200:
            raise TimeoutError(f"{path} answers {response.status_code}: it takes too long")

    def _like(self) -> None:
        self._run(like(self.live, self.other, "love"))
        self._run(unlike(self.live, self.other))

    def _add_old_events(self) -> None:
        self._loader.add_old_events(OLD_EVENTS)

    def _add_leaver(self) -> None:
        self._leaver = uuid.uuid4()
        self._loader.add_leaver(str(self._leaver), next(self._numbers))

    def _erase(self) -> None:
        delete_viewer(self._leaver, self.administrator)


def measure(act: Act, before: Act | None, rounds: int) -> float | None:
    """Return how long it takes, in ms: the median of some rounds. None: the database gave it up."""
    took: list[float] = []
    try:
        for _ in range(min(rounds, 2)):  # the second has all in memory
            if before:
                before()
            act()
        while len(took) < rounds or (len(took) < ROUNDS_MAX and sum(took) < (rounds - 1) * ROUND_SECONDS * 1_000):
            if before:
                before()
            began = time.perf_counter()
            act()
            took.append((time.perf_counter() - began) * 1_000)
    except TimeoutError:
        return None
    return statistics.median(took)


def measure_all(loader: Loader, rounds: int) -> dict[str, float | None]:
    with asyncio.Runner() as runner:
        # The first pass has what a release before has left.
        began = time.perf_counter()
        while retention():
            pass
        first = (time.perf_counter() - began) * 1_000
        loader.tidy_log()
        acts = Acts(loader, runner.run)
        found = {name: measure(*pair, rounds) for name, pair in acts.all().items()}
        return {"job: retention, the first": first, **found}
