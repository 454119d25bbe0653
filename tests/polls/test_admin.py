"""Boards in the admin: what is on them, and what the site's moderators take away there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.test import TestCase
from django.urls import reverse
from django.utils import timezone

from accounts.models import Viewer
from polls import announcements, asking, goals, polls, questions, raids
from polls.models import Announcement, Goal, Question, Raid
from tests.console import Console
from tests.videos.acts import Stage, allow
from videos import broadcasts
from videos.models import Video


@pytest.fixture
def board(stage: Stage) -> Iterator[Stage]:
    """Something of each kind."""
    broadcasts.start_video(stage.video.id, stage.owner)
    id, owner = stage.video.id, stage.owner
    polls.open_poll(id, owner, "Which song?", ["One", "Two"])
    announcements.announce(id, owner, "A break")
    goals.set_goal(id, owner, "likes", 5, "Then I sing")
    questions.set_open(id, owner, True)
    async_to_sync(asking.ask)(id, stage.viewers[0], "How did you learn this?")
    raids.raid(id, owner, another_channels(stage).id, viewers=3)
    Raid.objects.update(leaves_at=timezone.now() + timedelta(hours=1))  # a busy machine takes its time
    yield stage


def another_channels(stage: Stage) -> Video:
    other = stage.viewers[1]
    other.is_broadcaster = True
    return broadcasts.start_video(broadcasts.create_video(other, title="Where they go").id, other)


def test_a_moderator_of_the_site_sees_and_takes_away(board: Stage) -> None:
    moderator = board.viewers[2]
    moderator.is_staff = True
    moderator.save()
    allow(moderator, "delete_comment")
    console = Console(moderator)
    id = board.video.id
    acts: list[tuple[str, str, str, Callable[[], bool]]] = [
        ("poll", "Which song?", "withdraw", lambda: polls.newest_json(id) is None),
        ("question", "How did you learn this?", "delete_them", lambda: questions.listed_json(id) == []),
        ("announcement", "A break", "take_away", lambda: announcements.current_json(id) is None),
        ("goal", "Then I sing", "take_away", lambda: goals.goals_json(id) == []),
        ("raid", "Where they go", "call_off", lambda: raids.raid_json(id) is None),
    ]
    for model, text, action, gone in acts:
        page = f"polls_{model}"
        found = console.get(f"{page}_changelist", q=str(id))
        assert text in found.content.decode(), model
        [row] = found.context["cl"].result_list
        assert text in console.get(f"{page}_change", row.pk).content.decode(), model
        chosen = {"action": action, "index": "0", "_selected_action": [str(row.pk)]}
        with TestCase.captureOnCommitCallbacks(execute=True):
            console.client.post(reverse(f"admin:{page}_changelist"), chosen)
        assert gone(), model
    assert Announcement.objects.count() == Question.objects.count() == 1, "they are kept"
    assert not Goal.objects.exists() and not Raid.objects.exists()


def test_others_of_the_staff_see_nothing_of_boards(board: Stage) -> None:
    clerk = Viewer.objects.create_user("clerk", is_staff=True)
    for model in ("poll", "question", "announcement", "goal", "raid"):
        assert Console(clerk).get(f"polls_{model}_changelist").status_code == 403
