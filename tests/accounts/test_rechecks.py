"""A node hears of each change that may end a stream, whoever made it, and asks about nobody else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import rechecks
from accounts.guests import create_guest
from accounts.models import Recheck, Viewer
from moderation.models import Role
from realtime.log.epoch import epoch

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def viewer() -> Viewer:
    return create_guest("Ada")


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def session(*, ends_in: float) -> str:
    """Make a session that ends in so many seconds. Return its key."""
    until = timezone.now() + timedelta(seconds=ends_in)
    return Session.objects.create(session_key="a" * 32, session_data="", expire_date=until).session_key


def allow(viewer: Viewer) -> None:
    viewer.user_permissions.add(Permission.objects.get(codename="change_video"))


def join_a_group(viewer: Viewer) -> None:
    viewer.groups.add(Group.objects.create(name="Helpers"))


CHANGES: dict[str, Callable[[Viewer], object]] = {
    "ban": lambda viewer: sql("UPDATE accounts_viewer SET is_active = false WHERE id = %s", viewer.id),
    "new password": lambda viewer: sql("UPDATE accounts_viewer SET password = '!' WHERE id = %s", viewer.id),
    "superuser": lambda viewer: Viewer.objects.filter(id=viewer.id).update(is_superuser=True),
    "hides": lambda viewer: Viewer.objects.filter(id=viewer.id).update(is_hidden=True),
    "deleted": lambda viewer: sql("DELETE FROM accounts_viewer WHERE id = %s", viewer.id),
    "permission": allow,
    "group": join_a_group,
    "role": lambda viewer: Role.objects.create(channel=create_guest("Nadia"), viewer=viewer, kind="helper"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_a_viewer_is_seen_by_the_next_look_alone(viewer: Viewer, change: str) -> None:
    seen = rechecks.rechecks("")
    assert seen.is_all, "the first look knows nothing"
    CHANGES[change](viewer)
    found = rechecks.rechecks(seen.until)
    assert found.viewer_ids == {str(viewer.id)} and not found.sessions and not found.is_all
    assert not rechecks.rechecks(found.until)


@pytest.mark.parametrize(
    ("statement", "ends_in"),
    [
        ("DELETE FROM django_session", 60),
        ("DELETE FROM django_session", -1),
        ("UPDATE django_session SET expire_date = now() - interval '1 minute'", 60),
    ],
)
def test_session_that_ends_is_seen(statement: str, ends_in: float) -> None:
    key, seen = session(ends_in=ends_in), rechecks.rechecks("")
    sql(statement)
    found = rechecks.rechecks(seen.until)
    assert found.sessions == {key} and not found.viewer_ids and not found.is_all


def test_session_that_ends_by_its_time_is_seen() -> None:
    """No row changes then."""
    seen = rechecks.rechecks("")
    key = session(ends_in=0.05)
    while Session.objects.filter(expire_date__gt=timezone.now()).exists():
        pass
    found = rechecks.rechecks(seen.until)
    assert found.sessions == {key}
    assert not rechecks.rechecks(found.until)


def test_sessions_and_viewers_that_live_on_are_no_news(viewer: Viewer) -> None:
    """Each page, each hour and each heartbeat writes such rows."""
    key, seen = session(ends_in=60), rechecks.rechecks("")
    Session.objects.filter(session_key=key).update(expire_date=timezone.now() + timedelta(days=1))
    Viewer.objects.filter(id=viewer.id).update(last_active_at=timezone.now(), last_login=timezone.now())
    viewer.name = "Ada L."
    viewer.save()
    create_guest("Grace")
    assert not rechecks.rechecks(seen.until)


@pytest.mark.parametrize("change", ["TRUNCATE django_session", "DELETE FROM auth_group_permissions"])
def test_what_may_change_anybody_has_everybody_checked(change: str) -> None:
    seen = rechecks.rechecks("")
    sql(change)
    found = rechecks.rechecks(seen.until)
    assert found.is_all
    assert not rechecks.rechecks(found.until)


def test_transaction_that_commits_late_is_seen_then(viewer: Viewer) -> None:
    """Its number is lower than those of transactions that were seen before."""
    late = connection.copy()
    with contextlib.closing(late), late.cursor() as cursor:
        cursor.execute("BEGIN; UPDATE accounts_viewer SET is_active = false WHERE id = %s", [viewer.id])
        create_guest("Grace").delete()
        seen = rechecks.rechecks(rechecks.rechecks("").until)
        assert not seen
        cursor.execute("COMMIT")
        assert rechecks.rechecks(seen.until).viewer_ids == {str(viewer.id)}


def test_after_a_gap_or_in_another_history_anybody_may_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = rechecks.rechecks("")
    assert not rechecks.rechecks(seen.until)
    with monkeypatch.context() as then:
        then.setattr(rechecks, "GAP_MAX", timedelta(0))
        assert rechecks.rechecks(seen.until).is_all
    assert rechecks.rechecks(seen.until.replace(epoch(), "another")).is_all


def test_look_is_one_query_for_any_number_of_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rechecks, "epoch", lambda: "kept")
    seen = rechecks.rechecks("")
    with CaptureQueriesContext(connection) as of_none:
        rechecks.rechecks(seen.until)
    Viewer.objects.bulk_create(Viewer(username=str(number)) for number in range(20))
    Viewer.objects.update(is_hidden=True)
    with CaptureQueriesContext(connection) as of_many:
        assert len(rechecks.rechecks(seen.until).viewer_ids) == 20
    assert len(of_none) == len(of_many) == 1


def test_rows_that_no_node_needs_go(viewer: Viewer) -> None:
    Recheck.objects.all().delete()
    for _ in range(2):
        CHANGES["permission"](viewer)
        viewer.user_permissions.clear()
    [new, *_] = Recheck.objects.all()
    Recheck.objects.exclude(id=new.id).update(at=timezone.now() - timedelta(hours=2))
    assert rechecks.forget() == 3
    assert Recheck.objects.count() == 1
