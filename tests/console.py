"""The admin as somebody at a browser uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from django.test import Client, TestCase
from django.urls import reverse

from accounts.models import Viewer
from realtime.events import Durable
from realtime.models import Topic
from tests.videos.acts import Stage
from videos.likes import group_commit
from videos.models import Comment, Video

PASSWORD = "a password of the tests"


def changelist(model: str) -> str:
    return f"{'accounts' if model == 'viewer' else 'videos'}_{model}_changelist"


class Console:
    """Somebody signed in at the admin."""

    def __init__(self, who: Viewer) -> None:
        self.who = who
        self.client = Client()
        self.client.force_login(who)

    def get(self, page: str, *args: object, **query: Any) -> Any:
        return self.client.get(reverse(f"admin:{page}", args=args), query)

    def post(self, page: str, *args: object, follow: bool = True, **data: Any) -> Any:
        """Send a form. What is published when its transactions are committed is published."""
        with TestCase.captureOnCommitCallbacks(execute=True):
            return self.client.post(reverse(f"admin:{page}", args=args), data, follow=follow)

    def action(self, model: str, action: str, chosen: list[Any], **data: Any) -> Any:
        """Run an action of a list on the chosen rows."""
        ids = [str(row.pk) for row in chosen]
        return self.post(changelist(model), action=action, index="0", _selected_action=ids, **data)

    def messages(self, response: Any) -> list[str]:
        return [str(message) for message in response.context["messages"]]


def give_password(who: Viewer) -> None:
    who.set_password(PASSWORD)
    who.save()


def durable(stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    return [(event.name, orjson.loads(event.body)) for event in stage.events if isinstance(event, Durable)]


def write_comments(stage: Stage, count: int, *, video: Video | None = None, author: Viewer | None = None) -> list[Any]:
    """Put comments into the tables as the group commit does, but their events."""
    video = video or stage.video
    head = Topic.objects.get(name=video.topic)
    made = Comment.objects.bulk_create(
        Comment(video=video, author=author or stage.viewers[0], body=f"note {number}", seq=head.seq + number + 1)
        for number in range(count)
    )
    Topic.objects.filter(name=video.topic).update(seq=head.seq + count)
    return made


@pytest.fixture
def rolled_back_stage(monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[Stage]:
    """A video with its people, rolled back at the end; tests of likes need `transactional_db` beside it."""
    yield Stage(monkeypatch)
    group_commit.close()
