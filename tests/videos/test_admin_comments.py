"""The admin of comments, and its lists: what staff do reaches viewers, large tables stay quick."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.guests import create_guest
from accounts.lookalikes import name_key
from accounts.models import Viewer
from realtime.models import Topic
from tests.console import Console, changelist, durable, rolled_back_stage, write_comments
from tests.plans import scans
from tests.videos.acts import Stage
from videos import broadcasts
from videos.admin import CommentAdmin
from videos.admin.comments import ACTION_MAX_COMMENTS
from videos.models import Comment, LikeCount
from web import quick_lists

pytestmark = pytest.mark.usefixtures("no_guesses")
LARGE = ("accounts_viewer", "videos_comment", "videos_video")
stage = rolled_back_stage


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
    assert len(queries) < 70
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


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("comment", {"q": "needle"}),
        ("comment", {"q": "zora"}),
        ("comment", {"q": "nothing like it"}),
        ("comment", {"state": "deleted"}),
        ("video", {"q": "haystack"}),
        ("video", {"q": "zora"}),
        ("viewer", {"q": "zora"}),
        ("viewer", {"is_broadcaster__exact": "1"}),
        ("viewer", {"is_staff__exact": "1"}),
        ("viewer", {"is_active__exact": "0"}),
    ],
)
def test_what_is_looked_for_among_many_is_found_by_an_index(
    stage: Stage, root: Console, model: str, query: dict[str, str]
) -> None:
    """At a million comments each search took too long."""
    zora = stage.viewers[1]
    Viewer.objects.filter(id=zora.id).update(name="Zora", name_key=name_key("Zora"))
    Viewer.objects.filter(id=stage.viewers[0].id).update(is_active=False)
    broadcasts.create_video(stage.owner, title="The haystack")
    one, two = write_comments(stage, 2, author=zora)
    Comment.objects.filter(id=one.id).update(body="A needle here")
    Comment.objects.filter(id=two.id).update(deleted_at=timezone.now())

    def rows() -> int:
        with scans() as found:
            assert root.get(changelist(model), **query).status_code == 200
        assert not any(scan.reads_all for scan in found if scan.table in LARGE), found
        return sum(scan.rows for scan in found if scan.table in LARGE)

    before = rows()
    for number in range(10):
        video = broadcasts.create_video(stage.owner, title=f"Video {number}")
        write_comments(stage, 2, video=video, author=create_guest(f"Somebody {number}"))
    assert rows() == before


def test_videos_by_likes_are_the_newest_ones(stage: Stage, root: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """No index has that order: all videos of the site were put in order."""
    monkeypatch.setattr(quick_lists, "LIST_MAX_ROWS", 2)
    made = [broadcasts.create_video(stage.owner, title=f"Video {number}") for number in range(4)]
    for number, video in enumerate(made):
        LikeCount.objects.filter(video=video, kind="like").delete()
        LikeCount.objects.create(video=video, kind="like", count=10 - number)
    shown = root.get("videos_video_changelist", o="5").context["cl"].result_list
    assert [video.pk for video in shown] == [made[2].pk, made[3].pk]


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
        assert answer.status_code == (400 if "\0" in chosen else 200)
    assert durable(stage) == []
    assert Viewer.objects.count() == 7


def test_unknown_action_and_strange_paths_are_no_errors(stage: Stage, root: Console) -> None:
    assert root.action("video", "drop_table", [stage.video]).status_code == 200
    for path in ("nonsense/change/", "%00/change/", f"{uuid4()}/change/", "nonsense/delete/", "_5F/history/"):
        assert root.client.get(f"/admin/videos/video/{path}").status_code in (302, 400, 404)
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
    answer = root.client.get("/admin/videos/comment/?q=note", follow=True)
    assert "takes too long" in root.messages(answer)[0]
