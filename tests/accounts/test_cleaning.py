"""What the periodic jobs delete of sessions and guests, and what they leave alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import cleaning
from accounts.guests import create_guest
from accounts.models import Viewer
from accounts.tasks import forget_guests, forget_sessions
from accounts.tokens import TOKEN_DAYS
from liveplatform.celery import app
from messaging.models import Block, Conversation, Member, Message
from messaging.representation import user_topic
from realtime import tasks as platform_tasks  # noqa: F401  (makes its jobs known)
from realtime.models import LoggedEvent, Topic
from tests.videos.acts import allow
from videos.models import Comment, Like, Video

pytestmark = pytest.mark.django_db


def run_all_jobs() -> None:
    """Run what beat runs."""
    for entry in app.conf.beat_schedule.values():
        app.tasks[entry["task"]]()


def video_of(owner: Viewer, **fields: Any) -> Video:
    return Video.objects.create(owner=owner, title="A video", **fields)


@pytest.fixture
def late(settings: Any) -> None:
    """Have all guests of now been away for too long to come back."""
    settings.SESSION_COOKIE_AGE = -TOKEN_DAYS * 86_400 - 60


# Sessions


def test_expired_sessions_go_and_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name that a visitor chose made a row for ever. In short transactions: here of 4 sessions each."""
    monkeypatch.setattr(cleaning, "ROWS_MAX", 4)
    now = timezone.now()
    for number in range(10):
        Session.objects.create(session_key=f"old-{number}", expire_date=now - timedelta(seconds=1))
    Session.objects.create(session_key="open", expire_date=now + timedelta(days=1))
    with CaptureQueriesContext(connection) as queries:
        assert forget_sessions() == 10
    assert sum(query["sql"].startswith('DELETE FROM "django_session"') for query in queries) == 3
    assert list(Session.objects.values_list("session_key", flat=True)) == ["open"]


# Guests


def with_traces(host: Viewer) -> list[Viewer]:
    """Make guests of whom one thing is left each."""
    names = "likes comments owns left wrote starts blocks is-blocked group permission log broadcasts"
    made = {name: create_guest(name) for name in names.split()}
    video = video_of(host)
    Like.objects.create(video=video, viewer=made["likes"], kind="like")
    Comment.objects.create(video=video, author=made["comments"], body="gone", seq=1, deleted_at=timezone.now())
    video_of(made["owns"])
    talk = Conversation.objects.create(creator=made["starts"])
    Member.objects.create(conversation=talk, viewer=made["left"], left_at=timezone.now())
    Message.objects.create(conversation=talk, author=made["wrote"], body="hello", seq=1)
    Block.objects.create(blocker=made["blocks"], blocked=host)
    Block.objects.create(blocker=host, blocked=made["is-blocked"])
    made["group"].groups.add(Group.objects.create(name="helpers"))
    allow(made["permission"], "view_video")
    LogEntry.objects.create(user=made["log"], action_flag=CHANGE, object_repr="x")
    Viewer.objects.filter(id=made["broadcasts"].id).update(is_broadcaster=True)
    return list(made.values())


def test_guests_without_a_trace_go_and_all_others_stay(late: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guests of 400 days ago could not come back, and were the third biggest thing in the database."""
    monkeypatch.setattr(cleaning, "ROWS_MAX", 5)
    host = Viewer.objects.create_user("host")
    kept = [host, *with_traces(host)]
    gone = [create_guest(f"Guest {number}") for number in range(12)]
    Viewer.objects.filter(id=gone[0].id).update(is_active=False)
    inbox = Topic.objects.create(name=user_topic(gone[1].id), seq=1)
    LoggedEvent.objects.create(topic=inbox, seq=1, name="message", data={})
    assert forget_guests() == len(gone)
    assert set(Viewer.objects.values_list("id", flat=True)) == {viewer.id for viewer in kept}
    assert not Topic.objects.filter(name=inbox.name).exists()
    assert forget_guests() == 0


@pytest.mark.parametrize("moment", ["date_joined", "last_login", "last_active_at"])
def test_guest_who_may_come_back_stays(late: None, moment: str) -> None:
    guest = create_guest("Guest")
    Viewer.objects.filter(id=guest.id).update(**{moment: timezone.now() + timedelta(hours=1)})
    assert forget_guests() == 0
    Viewer.objects.filter(id=guest.id).update(**{moment: timezone.now()})
    assert forget_guests() == 1


def test_guest_can_come_back_for_as_long_as_a_session_and_the_last_token_that_it_gives() -> None:
    create_guest("Guest")
    assert forget_guests() == 0
    expected = timezone.now() - timedelta(days=TOKEN_DAYS, seconds=settings.SESSION_COOKIE_AGE)
    assert abs(cleaning.guests_gone_before() - expected) < timedelta(minutes=1)
