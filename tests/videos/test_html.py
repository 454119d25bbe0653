"""Every page in its states is HTML without an error: the Nu Html Checker reads them all in one run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Viewer
from tests.console import changelist
from tests.npm import HtmlErrors
from tests.videos.acts import Stage
from videos import broadcasts, likes, moderation
from videos.models import LikeKind, Video

HOUR = timedelta(hours=1)
PART = '<!doctype html>\n<html lang="en"><head><title>A part</title></head><body>{}</body></html>'
"""What a page loads later stands in its body."""
ERRORS = ("400", "403", "403_csrf", "404", "429", "500", "503")


class Visitors:
    """Browsers of people who look at the pages of a site with videos of every kind."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.pages: dict[str, str] = {}

    def look(self, name: str, path: str, viewer: Viewer | None = None, *, status: int = 200, **post: Any) -> None:
        client = Client()
        if viewer is not None:
            client.force_login(viewer)
        answer = client.post(path, post) if post else client.get(path)
        assert answer.status_code == status, path
        self.pages[name] = answer.content.decode()

    def video(self, title: str, **fields: Any) -> Video:
        return broadcasts.create_video(self.stage.owner, title=title, **fields)


@pytest.fixture
def visitors(stage: Stage) -> Visitors:
    return Visitors(stage)


@pytest.mark.usefixtures("no_guesses")
def test_no_page_has_an_error_of_html(visitors: Visitors, html_errors: HtmlErrors) -> None:
    """The watch page had 54: six digits of a second in each `datetime`, `maxlength=""`, empty <time>, …"""
    stage, look = visitors.stage, visitors.look
    owner, viewer = stage.owner, stage.viewers[0]
    now = timezone.now()
    look("home-empty", "/")
    upcoming = [visitors.video("Soon", starts_at=now + HOUR), visitors.video("Late", starts_at=now - HOUR), stage.video]
    live = visitors.video("Live <b>now</b>", description="One.\n\nTwo,\nof two lines.", playlist="/media/1/live.m3u8")
    ended = visitors.video("Over")
    for video in (live, ended):
        broadcasts.start_video(video.id, owner)
        first = async_to_sync(likes.comment)(video.id, owner, "Hello\n<b>there</b>")
        async_to_sync(likes.comment)(video.id, viewer, "Hello", reply_to=UUID(first["id"]))
        moderation.pin_comment(video.id, UUID(first["id"]), owner)
        async_to_sync(likes.like)(video.id, viewer, LikeKind.LOVE)
    broadcasts.end_video(ended.id, owner)
    silent = visitors.video("Silent", comments_enabled=False, visibility="unlisted")
    root = Viewer.objects.create_superuser("root", name="Root")

    for number, video in enumerate([*upcoming, live, ended, silent]):
        look(f"watch-{number}", f"/videos/{video.id}/")
    look("watch-guest", f"/videos/{live.id}/", viewer)
    look("watch-broadcaster", f"/videos/{live.id}/", owner)
    for apart in ("embed", "dock"):
        look(f"watch-{apart}", f"/videos/{live.id}/?as={apart}")
    people: dict[str, Viewer | None] = {"nobody": None, "guest": viewer, "broadcaster": owner, "root": root}
    for name, who in people.items():
        look(f"home-{name}", "/", who)
        look(f"login-{name}", "/accounts/login/?next=/studio/", who)
    look("login-refused", "/accounts/login/", username="", password="")
    for name, who in (("nobody", None), ("guest", viewer)):
        look(f"sign-up-{name}", "/accounts/signup/", who)
    look("sign-up-refused", "/accounts/signup/", username="admin", email="x", password1="x")
    account = Viewer.objects.create_user("vera", name="Vera", password="a password of Vera's")
    for page in ("", "leave/", "password/change/", "password/reset/", "password/reset/sent/", "reauthenticate/"):
        look(f"account-{page.replace('/', '-')}", f"/accounts/{page}", account)
    look("studio", "/studio/", owner)
    for name, video in (("live", live), ("ended", ended), ("upcoming", silent)):
        look(f"report-{name}", f"/studio/{video.id}/report/", owner)
    look("studio-empty", "/studio/", root)
    look("studio-not-yours", "/studio/", Viewer.objects.create_user("plain", name="Plain"))
    look("studio-guest", "/studio/", viewer, status=403)
    for name, who in (("nobody", None), ("owner", owner)):
        look(f"channel-{name}", f"/channels/{owner.id}/", who)
        look(f"search-{name}", "/search/?q=Over", who)
    for chosen in ("live", "upcoming", "ended"):
        look(f"list-{chosen}", f"/videos/{chosen}/")
        look(f"channel-list-{chosen}", f"/channels/{owner.id}/{chosen}/")
    look("search-empty", "/search/")
    for page in ("rules", "people"):
        look(page, f"/{page}/{owner.id}/", owner)
    for page in ("notices/", "notices/choices/", "messages/"):
        look(page.replace("/", "-"), f"/{page}", account)
    for part in (f"videos/{live.id}/later/", "emoji/", "board/", "moderation/tools/"):
        name = f"part-{part.split('/')[0]}"
        look(name, f"/{part}?in=en", owner)
        visitors.pages[name] = PART.format(visitors.pages[name])
    look("operator", "/operator/", root)
    look("docs", "/api/v1/docs")
    # Not the form of an account: Django's own field for a password is a <div disabled>.
    look("admin", "/admin/", root)
    for kind in ("video", "comment", "viewer"):
        look(f"admin-{kind}s", reverse(f"admin:{changelist(kind)}"), root)
    look("admin-video", f"/admin/videos/video/{live.id}/change/", root)
    look("missing", "/nowhere", status=404)
    visitors.pages |= {f"error-{code}": render_to_string(f"{code}.html", {"seconds": 3}) for code in ERRORS}

    assert html_errors(visitors.pages) == []
