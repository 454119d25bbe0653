"""The admin: what staff do there reaches viewers, what is not theirs to write stays, large tables stay quick."""

from __future__ import annotations

import asyncio
import html
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import limits
from accounts.guests import create_guest
from accounts.models import Viewer
from realtime.events import Durable
from realtime.limits import RateLimit
from realtime.log import retention
from realtime.models import LoggedEvent, Topic
from tests.videos.acts import Stage, allow
from videos import broadcasts, likes, removal
from videos.admin import CommentAdmin, VideoAdmin
from videos.admin.comments import ACTION_MAX_COMMENTS
from videos.likes import group_commit
from videos.models import Comment, Like, LikeCount, LikeKind, Video
from web import quick_lists

PASSWORD = "a password of the tests"
pytestmark = pytest.mark.usefixtures("no_guesses")


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


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[Stage]:
    """A video with its people, rolled back at the end; tests of likes need `transactional_db` beside it."""
    yield Stage(monkeypatch)
    group_commit.close()


@pytest.fixture
def root(stage: Stage) -> Console:
    return Console(Viewer.objects.create_superuser("root"))


@pytest.fixture
def clerk(stage: Stage) -> Console:
    """Staff without any permission."""
    return Console(Viewer.objects.create_user("clerk", is_staff=True))


def give_password(who: Viewer) -> None:
    who.set_password(PASSWORD)
    who.save()


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
        {"title": "nul\0"},
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
    for cell in ("field-likes_total", "field-viewers_peak", "field-topic_seq"):
        assert cell in listed
    assert '<td class="field-likes_total">2</td>' in listed
    assert '<td class="field-topic_seq">3</td>' in listed


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


def test_interrupted_deletion_can_be_done_again(stage: Stage, root: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    busy(stage, 20, 20)

    def fail(*_: object) -> None:
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as broken:
        broken.setattr(removal, "_delete_rows", fail)
        with pytest.raises(RuntimeError):
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


# Comments


def test_deleted_comments_stay_for_staff_marked(stage: Stage, root: Console) -> None:
    gone, stays = write_comments(stage, 2)
    answer = root.action("comment", "delete_comments", [gone])
    assert root.messages(answer) == ["1 comment deleted."]
    listed = answer.content.decode()
    assert '<span class="state deleted">deleted</span>' in listed
    assert '<bdi class="struck">note 0</bdi>' in listed
    assert [row.pk for row in root.get("videos_comment_changelist", state="deleted").context["cl"].result_list] == [
        gone.pk
    ]
    assert [row.pk for row in root.get("videos_comment_changelist", state="shown").context["cl"].result_list] == [
        stays.pk
    ]
    assert [(name, data["comment"]["id"]) for name, data in durable(stage)] == [("comment_deleted", str(gone.pk))]


def test_many_comments_go_in_few_queries_and_in_order(stage: Stage, root: Console) -> None:
    """Row 75."""
    other = broadcasts.create_video(stage.owner, title="Another")
    first, second = write_comments(stage, 700), write_comments(stage, 300, video=other)
    with CaptureQueriesContext(connection) as queries:
        said = root.messages(root.action("comment", "delete_comments", first[:1], select_across="1"))
    assert said == ["1,000 comments deleted."]
    assert len(queries) < 60
    assert not Comment.objects.filter(deleted_at=None).exists()
    for video, written in ((stage.video, first), (other, second)):
        told = [data for _, data in durable(stage) if data["topic"] == video.topic]
        assert [data["comment"]["id"] for data in told] == [str(comment.pk) for comment in written]
        assert [data["seq"] for data in told] == list(range(len(written) + 1, 2 * len(written) + 1))
        assert Topic.objects.get(name=video.topic).seq == 2 * len(written)
    assert LogEntry.objects.count() == 1_000


def test_more_comments_than_go_at_once_go_in_portions(
    stage: Stage, root: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ACTION_MAX_COMMENTS >= 1_000
    monkeypatch.setattr("videos.admin.comments.ACTION_MAX_COMMENTS", 20)
    written = write_comments(stage, 25)
    said = root.messages(root.action("comment", "delete_comments", written[:1], select_across="1"))
    assert said[0] == "20 comments deleted."
    assert "Do it again" in said[1]
    said = root.messages(root.action("comment", "delete_comments", written[:1], select_across="1"))
    assert said == ["5 comments deleted."]


def test_pinning_goes_through_the_topic(stage: Stage, root: Console) -> None:
    one, two = write_comments(stage, 2)
    assert "one pinned comment" in root.messages(root.action("comment", "pin", [one, two]))[0]
    root.action("comment", "pin", [one])
    root.post("videos_comment_pin", two.pk)
    root.action("comment", "unpin", [one, two])
    assert [name for name, _ in durable(stage)] == [
        "comment_pinned",
        "comment_unpinned",
        "comment_pinned",
        "comment_unpinned",
    ]
    root.post("videos_comment_remove", two.pk)
    assert durable(stage)[-1][0] == "comment_deleted"
    assert "no such comment" in root.messages(root.post("videos_comment_remove", two.pk))[0]


def test_comment_cannot_be_rewritten_added_or_destroyed(stage: Stage, root: Console) -> None:
    """Row 78."""
    [comment] = write_comments(stage, 1)
    forged: dict[str, Any] = {
        "body": "I never said that",
        "author": str(root.who.pk),
        "seq": "77",
        "deleted_at_0": "2026-01-01",
    }
    root.post("videos_comment_change", comment.pk, **forged)
    comment.refresh_from_db()
    assert (comment.body, comment.author_id, comment.seq, comment.deleted_at) == (
        "note 0",
        stage.viewers[0].pk,
        1,
        None,
    )
    assert root.post("videos_comment_add", **forged).status_code == 403
    assert root.post("videos_comment_delete", comment.pk, post="yes").status_code == 403
    assert Comment.objects.count() == 1


def test_comments_are_found_by_words_names_and_ids(stage: Stage, root: Console) -> None:
    stage.viewers[1].name = "Zora"
    stage.viewers[1].save()
    one, _two = write_comments(stage, 2)
    [hers] = write_comments(stage, 1, author=stage.viewers[1])
    for looked_for, count in (
        ("note 1", 1),
        ("zora", 1),
        (str(one.pk), 1),
        (str(hers.author_id), 1),
        (str(stage.video.pk), 3),
        (str(uuid4()), 0),
        ("%", 0),
        ("'; DROP TABLE videos_comment; --", 0),
    ):
        found = root.get("videos_comment_changelist", q=looked_for).context["cl"].result_count
        assert found == count, looked_for


# Lists


@pytest.mark.parametrize("model", ["video", "comment", "viewer"])
def test_list_takes_the_same_queries_for_many_rows(stage: Stage, root: Console, model: str) -> None:
    def grow() -> None:
        for number in range(10):
            video = broadcasts.create_video(stage.owner, title=f"Video {number}")
            write_comments(stage, 2, video=video, author=create_guest("Somebody"))

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert root.get(changelist(model)).status_code == 200
        return len(queries)

    grow()
    count()  # fills the caches of content types
    before = count()
    grow()
    assert count() == before
    assert before < 12


@pytest.mark.parametrize("model", ["video", "comment", "viewer"])
@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "q=" + "x" * 5_000,
        "q=%ED%A0%80",
        "q=%25_%5C'%22;--",
        "o=99.-3.abc",
        "o=-99999999999999999999",
        "p=99999999",
        "p=abc",
        "p=-1",
        "all=",
        "id__exact=%00",
        "id__exact=none",
        "id__in=,,,",
        "pk__gt=zzz",
        "password__startswith=pbkdf2",
        "author__password__startswith=pbkdf2",
        "owner__password__startswith=pbkdf2",
        "status__exact=%00",
        "is_guest__exact=maybe",
        "created_at__gte=yesterday",
        "video=nonsense",
        "video=%00",
        "state=%00",
        "nonsense=1",
        "e=1&nonsense=1",
        "_to_field=password",
        "_popup=1&_facets",
        "body__regex=(a%2B)%2B%24",
        "title__iregex=[",
    ],
)
def test_list_bears_any_parameters(stage: Stage, root: Console, model: str, query: str) -> None:
    """Row 75. Some are answered with an empty list, some are refused; none is an error of ours."""
    write_comments(stage, 1)
    answer = root.client.get(reverse(f"admin:{changelist(model)}") + f"?{query}", follow=True)
    assert answer.status_code in (200, 400)


@pytest.mark.parametrize("chosen", ["none", "\0", "", "1", "9" * 400])
def test_action_on_rows_that_are_none_changes_nothing(stage: Stage, root: Console, chosen: str) -> None:
    for model, action in (("video", "end"), ("comment", "delete_comments"), ("viewer", "delete_selected")):
        name = changelist(model)
        answer = root.post(name, action=action, index="0", _selected_action=[chosen])
        assert answer.status_code == 200
    assert durable(stage) == []
    assert Viewer.objects.count() == 7


def test_unknown_action_and_strange_paths_are_no_errors(stage: Stage, root: Console) -> None:
    assert root.action("video", "drop_table", [stage.video]).status_code == 200
    for path in ("nonsense/change/", "%00/change/", f"{uuid4()}/change/", "nonsense/delete/", "_5F/history/"):
        assert root.client.get(f"/admin/videos/video/{path}").status_code in (302, 404)
    for path in ("nonsense/start/", f"{uuid4()}/end/"):
        assert root.client.post(f"/admin/videos/video/{path}").status_code in (302, 404)


def test_long_list_is_not_counted_to_its_end(stage: Stage, root: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_lists, "LIST_MAX_ROWS", 5)
    write_comments(stage, 8)
    answer = root.get("videos_comment_changelist")
    assert answer.context["cl"].result_count == 5
    assert "the newest 5" in answer.content.decode()
    assert "5+" in root.get("videos_video_change", stage.video.pk).content.decode()


@pytest.mark.usefixtures("transactional_db")
def test_search_that_takes_too_long_says_so(stage: Stage, root: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 75: a table too large for what was asked is no error page."""
    write_comments(stage, 1)
    shown = CommentAdmin.get_queryset

    def slow(self: CommentAdmin, request: Any) -> QuerySet[Comment]:
        rows = shown(self, request)
        return rows.filter(RawSQL("pg_sleep(30) IS NOT NULL", [], BooleanField())) if "q" in request.GET else rows

    monkeypatch.setattr(CommentAdmin, "get_queryset", slow)
    monkeypatch.setattr(quick_lists, "LIST_DEADLINE_MS", 50)
    answer = root.client.get("/admin/videos/comment/?q=needle", follow=True)
    assert "takes too long" in root.messages(answer)[0]


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


# Viewers


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


@pytest.mark.parametrize("name", ["ad\u200bmin", "Admin", "\u202eeve", "аdmin", "x" * 41, "a\0b"])
def test_name_that_deceives_is_refused_here_too(stage: Stage, root: Console, name: str) -> None:
    """Row 16."""
    fan = stage.viewers[0]
    answer = root.post("accounts_viewer_change", fan.pk, **account(fan, name=name))
    assert answer.context["errors"]
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
    assert len(queries) < 60


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


# Signing in


def test_guesses_of_a_password_are_throttled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows 34 and 77."""
    monkeypatch.setattr(limits, "LOGINS", RateLimit(burst=3, per_second=0.01))
    for page in ("/admin/login/", "/accounts/login/"):
        answers = [
            Client().post(page, {"username": "root", "password": str(n)}, REMOTE_ADDR=f"10.0.0.{len(page)}")
            for n in range(5)
        ]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert "Too many attempts" in answers[-1].content.decode()
        assert Client().post(page, {}, REMOTE_ADDR="10.9.9.9").status_code == 200, "others are unaffected"


def test_account_is_guessed_at_from_many_addresses_in_vain(
    stage: Stage, root: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner, at the browser that they always use, is let in meanwhile; a throttle of an address saw nothing."""
    monkeypatch.setattr(limits, "GUESSES", RateLimit(burst=5, per_second=0.001))
    give_password(root.who)
    owner = Client()
    right, wrong = {"username": "root", "password": PASSWORD}, {"username": "ROOT ", "password": "guess"}
    assert owner.post("/accounts/login/", right, REMOTE_ADDR="10.1.1.1").status_code == 302
    assert owner.post("/accounts/logout/").status_code == 302
    guesses = [
        Client().post("/accounts/login/", wrong, REMOTE_ADDR=f"10.2.0.{number}").status_code for number in range(7)
    ]
    assert guesses == [200] * 5 + [429] * 2
    assert Client().post("/admin/login/", right, REMOTE_ADDR="10.3.1.1").status_code == 429
    assert owner.post("/accounts/login/", right, REMOTE_ADDR="10.1.1.1").status_code == 302
    stolen = Client()
    stolen.cookies["known"] = owner.cookies["known"].value + "x"
    assert stolen.post("/accounts/login/", right, REMOTE_ADDR="10.4.1.1").status_code == 429


@pytest.mark.parametrize("page", ["/admin/login/", "/accounts/login/"])
@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/x", "/\\evil.example", "javascript:x"])
def test_sign_in_leads_to_no_other_site(stage: Stage, root: Console, page: str, target: str) -> None:
    """Row 77."""
    give_password(root.who)
    answer = Client().post(f"{page}?next={target}", {"username": "root", "password": PASSWORD, "next": target})
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/")
    assert "evil" not in answer.headers["Location"]


def test_sign_in_gets_a_new_session(stage: Stage, root: Console) -> None:
    """Row 77: a session that somebody planted before is not the one after."""
    give_password(root.who)
    client = Client()
    client.force_login(stage.viewers[0])
    planted = client.cookies["sessionid"].value
    client.post("/admin/login/?next=/admin/", {"username": "root", "password": PASSWORD})
    assert client.cookies["sessionid"].value != planted
    assert client.get("/admin/").status_code == 200


def test_admin_is_never_framed_and_never_kept(stage: Stage, root: Console) -> None:
    """Row 77."""
    headers = root.get("index").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "no-store" in headers["Cache-Control"]


def test_every_model_with_an_admin_is_guarded(stage: Stage) -> None:
    """Tables that only the group commit writes have no admin; a list of ours without the quick one is forgotten."""
    ours = {
        model.__name__
        for model in admin.site._registry
        if model.__module__.startswith(("accounts", "videos", "realtime"))
    }
    assert ours == {"Video", "Comment", "Viewer"}
    for model, registered in admin.site._registry.items():
        if model.__name__ in ours:
            assert isinstance(registered, quick_lists.QuickListMixin)
            assert not registered.list_editable
    assert VideoAdmin.inlines == ()
