"""The admin of viewers: names, rights, and what goes with an account."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Viewer
from realtime.models import Topic
from tests.console import PASSWORD, Console, durable, rolled_back_stage, write_comments
from tests.videos.acts import Stage, allow
from videos import broadcasts, likes
from videos.models import Comment, Like, LikeCount

pytestmark = pytest.mark.usefixtures("no_guesses")
stage = rolled_back_stage


def account(viewer: Viewer, **changes: object) -> dict[str, Any]:
    sent: dict[str, Any] = {
        "username": viewer.username,
        "name": viewer.name,
        "email": viewer.email,
        "is_active": "on",
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    return {**sent, **changes}


def test_account_is_made_a_broadcaster(stage: Stage, root: Console) -> None:
    fan = stage.viewers[0]
    root.post("accounts_viewer_change", fan.pk, **account(fan, is_broadcaster="on", name="Fan One"))
    fan.refresh_from_db()
    assert (fan.is_broadcaster, fan.name, fan.is_guest) == (True, "Fan One", True)


def test_admin_shows_no_secret_of_a_sign_in(stage: Stage, root: Console) -> None:
    """django-allauth's own pages showed the keys of passkeys and the tokens of providers, and let one change them."""
    vera = Viewer.objects.create_user("vera")
    passkey = {"name": "Laptop", "credential": "SECRET"}
    kept = {
        "account_emailaddress": EmailAddress.objects.create(user=vera, email="v@example.org"),
        "mfa_authenticator": Authenticator.objects.create(user=vera, type="webauthn", data=passkey),
        "socialaccount_socialaccount": SocialAccount.objects.create(
            user=vera, provider="oidc", uid="1", extra_data={"token": "SECRET"}
        ),
    }
    for name, row in kept.items():
        page = root.client.get(f"/admin/{name.replace('_', '/')}/{row.pk}/change/").content.decode()
        assert "vera" in page and "SECRET" not in page and 'name="_save"' not in page
        assert root.client.get(f"/admin/{name.replace('_', '/')}/").status_code == 200
    assert not any(admin.site.is_registered(model) for model in (SocialApp, SocialToken))


def test_added_account_can_sign_in(stage: Stage, root: Console) -> None:
    root.post(
        "accounts_viewer_add",
        username="nadia",
        name="Nadia",
        is_broadcaster="on",
        usable_password="true",
        password1=PASSWORD,
        password2=PASSWORD,
    )
    nadia = Viewer.objects.get(username="nadia")
    assert (nadia.name, nadia.is_broadcaster, nadia.is_staff) == ("Nadia", True, False)
    assert Client().login(username="nadia", password=PASSWORD)


@pytest.mark.parametrize("name", ["ad\u200bmin", "Admin", "\u202eeve", "аdmin", "x" * 41])
def test_name_that_deceives_is_refused_here_too(stage: Stage, root: Console, name: str) -> None:
    """Row 16."""
    fan = stage.viewers[0]
    answer = root.post("accounts_viewer_change", fan.pk, **account(fan, name=name))
    assert answer.context["errors"]
    fan.refresh_from_db()
    assert fan.name == "Viewer 0"


def test_a_form_with_a_character_that_is_none_is_refused_as_a_whole(stage: Stage, root: Console) -> None:
    fan = stage.viewers[0]
    assert root.post("accounts_viewer_change", fan.pk, **account(fan, name="a\0b")).status_code == 400
    fan.refresh_from_db()
    assert fan.name == "Viewer 0"


def test_staff_may_bear_a_reserved_name(stage: Stage, root: Console, clerk: Console) -> None:
    root.post("accounts_viewer_change", clerk.who.pk, **account(clerk.who, name="Support", is_staff="on"))
    clerk.who.refresh_from_db()
    assert clerk.who.name == "Support"


def test_whoever_may_edit_accounts_cannot_make_himself_superuser(stage: Stage, clerk: Console, root: Console) -> None:
    """Rows 36 and 76."""
    allow(clerk.who, "view_viewer", "change_viewer", "add_viewer", "delete_viewer")
    fan = stage.viewers[0]
    forged: dict[str, Any] = {"is_superuser": "on", "is_staff": "on", "user_permissions": ["1"]}
    for who in (fan, clerk.who):
        clerk.post("accounts_viewer_change", who.pk, **account(who, **forged))
        who.refresh_from_db()
        assert not who.is_superuser
    assert not fan.is_staff
    assert clerk.post("accounts_viewer_change", root.who.pk, **account(root.who, username="x")).status_code == 403
    assert clerk.post("accounts_viewer_delete", root.who.pk, post="yes").status_code == 403
    password: dict[str, Any] = {"password1": PASSWORD * 2, "password2": PASSWORD * 2, "usable_password": "true"}
    assert clerk.post("auth_user_password_change", root.who.pk, **password).status_code == 403
    root.who.refresh_from_db()
    assert (root.who.username, root.who.has_usable_password()) == ("root", False)
    said = clerk.action("viewer", "delete_selected", [root.who], post="yes")
    assert said.status_code == 403
    assert Viewer.objects.filter(pk=root.who.pk).exists()


def test_account_with_videos_is_not_deleted_and_the_page_says_why(stage: Stage, root: Console) -> None:
    page = root.post("accounts_viewer_delete", stage.owner.pk, post="yes").content.decode()
    assert "Cannot delete viewer" in page
    assert f'<a href="/admin/videos/video/{stage.video.pk}/change/">A video</a>' in page
    page = root.action("viewer", "delete_selected", [stage.owner, stage.viewers[0]], post="yes").content.decode()
    assert "Cannot delete" in page
    assert Viewer.objects.count() == 7


@pytest.mark.usefixtures("transactional_db")
def test_deleted_account_takes_its_likes_and_comments_with_it(stage: Stage, root: Console) -> None:
    fan, other = stage.viewers[:2]
    second = broadcasts.create_video(stage.owner, title="Another")
    for video in (stage.video, second):
        asyncio.run(likes.like(video.id, fan, "love"))
        asyncio.run(likes.like(video.id, other, "love"))
    mine = write_comments(stage, 3, author=fan)
    [answer] = write_comments(stage, 1, author=other)
    Comment.objects.filter(pk=answer.pk).update(reply_to=mine[0].pk)
    versions = {head.name: head.version for head in Topic.objects.all()}
    stage.events.clear()
    root.post("accounts_viewer_delete", fan.pk, post="yes")
    assert not Viewer.objects.filter(pk=fan.pk).exists()
    assert [data["comment"]["id"] for _, data in durable(stage)] == [str(comment.pk) for comment in mine]
    for video in (stage.video, second):
        assert LikeCount.objects.get(video=video, kind="love").count == Like.objects.filter(video=video).count() == 1
        assert Topic.objects.get(name=video.topic).version > versions[video.topic], "nodes fetch the new totals"
    answer.refresh_from_db()
    assert (answer.reply_to, answer.deleted_at) == (None, None)


def test_deleting_an_active_account_takes_few_queries(stage: Stage, root: Console) -> None:
    fan = stage.viewers[0]
    write_comments(stage, 400, author=fan)
    with CaptureQueriesContext(connection) as queries:
        root.post("accounts_viewer_delete", fan.pk, follow=False, post="yes")
    assert not Comment.objects.exists()
    assert len(queries) < 200, "some for each table that refers to viewers, none for each comment"
