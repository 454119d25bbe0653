"""Who is signed in with a session: read by two queries as text, with the answers of Django's own way."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Viewer
from accounts.requests import viewer_of_session
from realtime.users import user_of_session
from web.sessions import SessionStore

pytestmark = pytest.mark.django_db


def signed_in(viewer: Viewer) -> str:
    client = Client()
    client.force_login(viewer)
    return client.cookies["sessionid"].value


@pytest.fixture
def ada() -> Viewer:
    return Viewer.objects.create_user("ada", name="Ada")


def test_a_viewer_comes_with_their_permissions_in_two_queries(ada: Viewer) -> None:
    """Django took four, and made each of them anew from models."""
    delete, change = (Permission.objects.get(codename=name) for name in ("delete_comment", "change_video"))
    ada.user_permissions.add(delete)
    group = Group.objects.create(name="Editors")
    group.permissions.add(change)
    ada.groups.add(group)
    key = signed_in(ada)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = viewer_of_session(key)
        assert found is not None
        rights = found.get_all_permissions()
        assert found.has_perm("videos.delete_comment") and not found.has_perm("videos.delete_video")
    assert len(queries) == 2
    assert rights == {"videos.delete_comment", "videos.change_video"} == user_of_session(key).get_all_permissions()  # type: ignore[union-attr]
    assert columns(found) == columns(Viewer.objects.get(pk=ada.pk))


def columns(viewer: Viewer) -> dict[str, object]:
    return {name: value for name, value in vars(viewer).items() if not name.startswith("_")}


def test_a_superuser_has_all_permissions() -> None:
    found = viewer_of_session(signed_in(Viewer.objects.create_superuser("root")))
    assert found is not None and found.has_perm("videos.delete_video")
    assert len(found.get_all_permissions()) == Permission.objects.count()


def test_a_session_that_opens_nothing_is_nobodys(ada: Viewer) -> None:
    keys = [signed_in(ada) for _ in range(3)]
    SessionStore.get_model_class().objects.filter(pk=keys[0]).update(expire_date=timezone.now())
    assert viewer_of_session(keys[0]) is None
    for key in ("", "short", "x" * 32, "\x00" * 32, "../../etc/passwd"):
        assert viewer_of_session(key) is None
    ada.is_active = False
    ada.save()
    assert viewer_of_session(keys[1]) is None
    ada.is_active = True
    ada.set_password("another one")
    ada.save()
    assert viewer_of_session(keys[2]) is None
    assert not SessionStore(keys[2]).exists(keys[2]), "it is gone, as Django has it"


def test_a_session_outlives_a_new_secret_key(ada: Viewer, settings: Any) -> None:
    former = settings.SECRET_KEY
    key = signed_in(ada)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "x7" * 30, [former]
    found = viewer_of_session(key)
    assert found is not None and found.pk == ada.pk
