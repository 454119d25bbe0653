"""The admin: what staff do there reaches viewers, what is not theirs to write stays, large tables stay quick."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Viewer
from realtime.log import retention
from realtime.models import LoggedEvent, Topic
from tests.console import Console, changelist, durable, rolled_back_stage, write_comments
from tests.videos.acts import Stage, allow
from videos import broadcasts, likes, removal
from videos.admin import VideoAdmin
from videos.models import Comment, Like, LikeCount, LikeKind, Video
from web import quick_lists

pytestmark = pytest.mark.usefixtures("no_guesses")
stage = rolled_back_stage


def form(video: Video, **changes: object) -> dict[str, Any]:
    """What a browser sends for the unchanged form of a video, and the changes."""
    sent: dict[str, Any] = {
        "title": video.title,
        "description": video.description,
        "visibility": video.visibility,
        "playlist": video.playlist,
        "starts_at_0": "",
        "starts_at_1": "",
    }
    if video.comments_enabled:
        sent["comments_enabled"] = "on"
    return {**sent, **changes}


# Videos: start, end, change, add


def test_start_and_end_buttons_are_published(stage: Stage, root: Console) -> None:
    page = root.get("videos_video_change", stage.video.pk)
    assert reverse("admin:videos_video_start", args=[stage.video.pk]) in page.content.decode()
    assert "Started." in root.messages(root.post("videos_video_start", stage.video.pk))[0]
    assert stage.refreshed().status == "live"
    root.post("videos_video_end", stage.video.pk)
    assert [(name, data["video"]["status"]) for name, data in durable(stage)] == [("video", "live"), ("video", "ended")]
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == ["Started.", "Ended."]
    page = root.get("videos_video_change", stage.video.pk)
    assert 'class="tool' not in page.content.decode(), "nothing is left to do with an ended video"


def test_opening_the_address_of_a_button_does_nothing(stage: Stage, root: Console) -> None:
    for name in ("videos_video_start", "videos_video_end"):
        assert root.get(name, stage.video.pk).status_code == 405
    assert durable(stage) == []


def test_actions_start_what_they_can_and_say_what_they_cannot(stage: Stage, root: Console) -> None:
    ended = broadcasts.create_video(stage.owner, title="Over")
    broadcasts.end_video(ended.id, stage.owner)
    stage.events.clear()
    said = root.messages(root.action("video", "start", [stage.video, ended]))
    assert said == ["Over: This broadcast has ended.", "Started. (A video)"]
    assert [(name, data["video"]["id"]) for name, data in durable(stage)] == [("video", str(stage.video.id))]
    root.action("video", "end", [stage.video, ended])
    assert stage.refreshed().status == "ended"


def test_saved_change_reaches_the_viewers_and_an_unchanged_form_nobody(stage: Stage, root: Console) -> None:
    root.post("videos_video_change", stage.video.pk, **form(stage.video))
    assert durable(stage) == []
    root.post(
        "videos_video_change", stage.video.pk, **form(stage.video, title=" New\u202e title ", comments_enabled="")
    )
    [(name, data)] = durable(stage)
    assert (name, data["video"]["title"], data["video"]["comments_enabled"]) == ("video", "New title", False)


def test_form_changes_only_what_was_changed_in_it(stage: Stage, root: Console) -> None:
    """A start between opening and saving the form must not be undone by the saving."""
    old = form(stage.video, description="Later")
    broadcasts.start_video(stage.video.id, stage.owner)
    root.post("videos_video_change", stage.video.pk, **old)
    assert (stage.refreshed().status, stage.refreshed().description) == ("live", "Later")


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "\u200b\u202e "},
        {"title": "t" * 121},
        {"description": "d" * 2_001},
        {"visibility": "secret"},
        {"playlist": "http://169.254.169.254/live.m3u8"},
        {"playlist": "javascript:alert(1)"},
        {"playlist": "/media/../secret.m3u8"},
        {"starts_at_0": "tomorrow"},
    ],
)
def test_bad_form_is_shown_again_and_changes_nothing(stage: Stage, root: Console, changes: dict[str, Any]) -> None:
    """Rows 9, 37, 73."""
    answer = root.post("videos_video_change", stage.video.pk, **form(stage.video, **changes))
    assert answer.context["errors"], answer.content.decode()[:500]
    assert durable(stage) == []
    assert stage.refreshed().title == "A video"


def test_counters_seq_and_owner_are_not_to_be_written(stage: Stage, root: Console) -> None:
    """Row 78: fields that the form does not hold are sent all the same."""
    forged: dict[str, Any] = {
        "owner": str(stage.viewers[0].pk),
        "status": "ended",
        "state": "ended",
        "seq": "99",
        "topic_seq": "99",
        "_seq": "99",
        "likes_total": "99",
        "viewers_peak": "99",
        "id": str(uuid4()),
        "created_at": "2000-01-01",
        "started_at_0": "2000-01-01",
        "ended_at_0": "2000-01-01",
    }
    root.post("videos_video_change", stage.video.pk, **form(stage.video, title="New", **forged))
    video = stage.refreshed()
    assert (video.owner, video.status, video.started_at, video.ended_at) == (stage.owner, "upcoming", None, None)
    assert Topic.objects.get(name=video.topic).seq == 1, "the one event of the title"
    assert sum(LikeCount.objects.values_list("count", flat=True)) == 0


@pytest.mark.usefixtures("transactional_db")
def test_totals_are_shown(stage: Stage, root: Console) -> None:
    asyncio.run(likes.like(stage.video.id, stage.viewers[0], "love"))
    asyncio.run(likes.like(stage.video.id, stage.viewers[1], "funny"))
    write_comments(stage, 3)
    Topic.objects.filter(name=stage.video.topic).update(viewers_peak=1234)
    page = root.get("videos_video_change", stage.video.pk).content.decode()
    assert "like 0 · celebrate 0 · support 0 · love 1 · insightful 0 · funny 1" in page
    assert "1,234" in page
    listed = root.get("videos_video_changelist").content.decode()
    for cell in ("field-likes_total", "field-viewers_peak"):
        assert cell in listed
    assert '<td class="field-likes_total">2</td>' in listed


def test_added_video_has_its_topic_and_its_counters(stage: Stage, root: Console) -> None:
    added = form(Video(title="Another", visibility="unlisted"), owner=str(stage.owner.pk))
    answer = root.post("videos_video_add", **added)
    video = Video.objects.get(title="Another")
    assert (video.owner, video.visibility) == (stage.owner, "unlisted")
    assert Topic.objects.filter(name=video.topic).exists()
    assert LikeCount.objects.filter(video=video).count() == len(LikeKind.values)
    assert str(video.pk) in answer.content.decode()
    assert LogEntry.objects.get().object_id == str(video.pk)


def test_video_is_not_added_for_somebody_who_does_not_broadcast(stage: Stage, root: Console) -> None:
    answer = root.post("videos_video_add", **form(Video(title="No"), owner=str(stage.viewers[0].pk)))
    assert answer.context["errors"]
    assert not Video.objects.filter(title="No").exists()


# Videos: deletion


def everything_of(video_id: UUID) -> int:
    topic = f"video:{video_id}"
    return sum(
        rows.count()
        for rows in (
            Video.objects.filter(id=video_id),
            Comment.objects.filter(video_id=video_id),
            Like.objects.filter(video_id=video_id),
            LikeCount.objects.filter(video_id=video_id),
            Topic.objects.filter(name=topic),
            LoggedEvent.objects.filter(topic_id=topic),
        )
    )


def busy(stage: Stage, comments: int, likes: int) -> None:
    made = write_comments(stage, comments)
    Comment.objects.filter(id=made[-1].id).update(reply_to=made[0].id)
    fans = Viewer.objects.bulk_create(Viewer(username=f"fan {n}", name="Fan", is_guest=True) for n in range(likes))
    Like.objects.bulk_create(Like(video=stage.video, viewer=fan, kind="like") for fan in fans)
    LikeCount.objects.filter(video=stage.video, kind="like").update(count=likes)
    LoggedEvent.objects.bulk_create(
        LoggedEvent(topic_id=stage.video.topic, seq=comment.seq, name="comment", data={}) for comment in made
    )


def test_deletion_page_counts_and_does_not_list(stage: Stage, root: Console) -> None:
    busy(stage, 30, 20)
    with CaptureQueriesContext(
        connection,
    ) as few:
        page = root.get("videos_video_delete", stage.video.pk).content.decode()
    assert "Comments: 30" in page
    assert "Likes: 20" in page
    assert "note 7" not in page
    assert len(few) < 15


def test_deleted_video_leaves_nothing_and_tells_its_viewers(
    stage: Stage, root: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 79, in the database: the topic goes too, in few queries, after one `video` event that ends it."""
    monkeypatch.setattr(removal, "ROWS_MAX", 100)
    monkeypatch.setattr(retention, "ROWS_MAX", 100)
    busy(stage, 250, 130)
    broadcasts.start_video(stage.video.id, stage.owner)
    other = broadcasts.create_video(stage.owner, title="Stays")
    write_comments(stage, 5, video=other)
    stage.events.clear()
    with CaptureQueriesContext(connection) as queries:
        root.post("videos_video_delete", stage.video.pk, follow=False, post="yes")
    assert everything_of(stage.video.id) == 0
    assert everything_of(other.id) == 1 + 5 + 6 + 1
    [(name, data)] = durable(stage)
    assert (name, data["video"]["status"], data["video"]["visibility"]) == ("video", "ended", "private")
    assert len(queries) < 70, "not one for each comment or like"
    assert LogEntry.objects.get().is_deletion()


def test_interrupted_deletion_can_be_done_again(stage: Stage, root: Console) -> None:
    busy(stage, 20, 20)

    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "DELETE FROM videos_like" in sql:
            raise RuntimeError("the power is gone")
        return execute(sql, *rest)

    with connection.execute_wrapper(fail), pytest.raises(RuntimeError):
        removal.delete_video(stage.video.id, root.who)
    assert everything_of(stage.video.id) > 0
    removal.delete_video(stage.video.id, root.who)
    assert everything_of(stage.video.id) == 0


def test_selected_videos_are_deleted_the_same_way(stage: Stage, root: Console) -> None:
    other = broadcasts.create_video(stage.owner, title="Goes too")
    page = root.action("video", "delete_selected", [stage.video, other])
    assert "Are you sure" in page.content.decode()
    said = root.messages(
        root.post(
            "videos_video_changelist",
            action="delete_selected",
            post="yes",
            _selected_action=[str(stage.video.pk), str(other.pk)],
        )
    )
    assert said == ["Successfully deleted 2 videos."]
    assert everything_of(stage.video.id) + everything_of(other.id) == 0


# Who may


def test_staff_without_permission_changes_nothing(stage: Stage, clerk: Console) -> None:
    """Row 76: forms that no page shows to this account."""
    [comment] = write_comments(stage, 1)
    answers = [
        clerk.post("videos_video_start", stage.video.pk),
        clerk.post("videos_video_change", stage.video.pk, **form(stage.video, title="Mine")),
        clerk.post("videos_video_add", **form(Video(title="Mine"), owner=str(clerk.who.pk))),
        clerk.post("videos_video_delete", stage.video.pk, post="yes"),
        clerk.post("videos_comment_remove", comment.pk),
        clerk.post("videos_comment_pin", comment.pk),
        clerk.post("accounts_viewer_change", clerk.who.pk, username="clerk", is_superuser="on"),
        clerk.action("video", "end", [stage.video]),
        clerk.action("comment", "delete_comments", [comment]),
        clerk.action("viewer", "delete_selected", [stage.viewers[0]], post="yes"),
    ]
    assert {answer.status_code for answer in answers} == {403}
    allow(clerk.who, "view_video", "view_comment", "view_viewer")
    assert clerk.get("videos_video_changelist").status_code == 200
    page = clerk.get("videos_video_change", stage.video.pk).content.decode()
    assert 'class="tool' not in page
    list_editable: dict[str, Any] = {
        "_save": "Save",
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(stage.video.pk),
        "form-0-title": "Mine",
    }
    for model, row in (("video", stage.video), ("comment", comment), ("viewer", stage.viewers[0])):
        clerk.post(changelist(model), **list_editable)
        for action in ("start", "end", "delete_selected", "delete_comments", "pin", "unpin"):
            clerk.action(model, action, [row], post="yes")
    assert durable(stage) == []
    assert stage.refreshed().title == "A video"
    assert Viewer.objects.count() == 7
    assert not Viewer.objects.get(pk=clerk.who.pk).is_superuser


def test_moderator_deletes_comments_and_nothing_else(stage: Stage, clerk: Console) -> None:
    [comment] = write_comments(stage, 1)
    allow(clerk.who, "view_comment", "delete_comment", "view_video")
    clerk.post("videos_comment_remove", comment.pk)
    assert [name for name, _ in durable(stage)] == ["comment_deleted"]
    assert clerk.post("videos_video_end", stage.video.pk).status_code == 403


@pytest.mark.parametrize("path", ["", "videos/video/", "videos/comment/", "accounts/viewer/", "jsi18n/"])
def test_viewers_are_sent_to_the_login_page(stage: Stage, path: str) -> None:
    for who in (None, stage.owner):
        client = Client()
        if who is not None:
            client.force_login(who)
        answer = client.get(f"/admin/{path}")
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/admin/login/?next=/admin/{path}")


# Text of viewers


HOSTILE = "<script>alert(1)</script>\u202e{{7*7}} <img src=x onerror=alert(2)>"


def test_what_people_wrote_is_shown_as_text(stage: Stage, root: Console) -> None:
    """Row 73."""
    Video.objects.filter(pk=stage.video.pk).update(title=HOSTILE, description=HOSTILE)
    [comment] = write_comments(stage, 1)
    Comment.objects.filter(pk=comment.pk).update(body=HOSTILE, pinned_at=timezone.now())
    Viewer.objects.filter(pk=comment.author_id).update(name=HOSTILE[:40])
    root.post("videos_video_start", stage.video.pk)
    for name, *args in (
        ("index",),
        ("videos_video_changelist",),
        ("videos_video_change", stage.video.pk),
        ("videos_video_delete", stage.video.pk),
        ("videos_video_history", stage.video.pk),
        ("videos_comment_changelist",),
        ("videos_comment_change", comment.pk),
        ("accounts_viewer_changelist",),
        ("accounts_viewer_change", comment.author_id),
        ("accounts_viewer_delete", stage.owner.pk),
    ):
        page = root.get(name, *args).content.decode()
        assert "<script>alert" not in page, name
        assert "<img src=x" not in page, name
        assert "49" not in html.unescape(page).partition("{{7*7}}")[2][:5], name


def test_admin_is_never_framed_and_never_kept(stage: Stage, root: Console) -> None:
    """Row 77."""
    headers = root.get("index").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "no-store" in headers["Cache-Control"]


def test_every_model_with_an_admin_is_guarded(stage: Stage) -> None:
    """Tables that only the group commit writes have no admin; a list of ours without the quick one is forgotten."""
    ours = [
        model
        for model in apps.get_models()
        if not model.__module__.startswith(("allauth.", "django.")) and admin.site.is_registered(model)
    ]
    assert {"Video", "Comment", "Viewer"} <= {model.__name__ for model in ours}
    assert not {"Like", "LikeCount", "Vote", "LoggedEvent", "Topic"} & {model.__name__ for model in ours}
    for model in ours:
        registered = admin.site.get_model_admin(model)
        assert isinstance(registered, quick_lists.QuickListMixin)
        assert not registered.list_editable
    assert VideoAdmin.inlines == ()
