"""The page of a channel's rules, as its people use it: by forms, without a script."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Viewer
from moderation import complaints
from moderation.complaints import report_person
from moderation.models import Role
from screening.models import Gate
from tests.videos.acts import Stage
from videos.channel_rules import rules_of, set_rules, words_of
from videos.models import ChannelEmoji, Comment, HeldComment
from videos.moderation import report_comment


def browser_of(viewer: Viewer) -> Client:
    client = Client()
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def path(stage: Stage) -> str:
    return f"/rules/{stage.owner.id}/"


def send(client: Client, path: str, form: str, **data: Any) -> Any:
    return client.post(path, {"form": form, **data}, follow=True)


def test_broadcaster_changes_rules_and_words(stage: Stage, path: str) -> None:
    owner = browser_of(stage.owner)
    page = send(owner, path, "rules", slow_seconds="30", account_minutes="60", follow_minutes="", links_off="on")
    assert "They bind the next comment." in page.content.decode()
    rules = rules_of(stage.owner.id)
    assert (rules["slow_seconds"], rules["account_minutes"], rules["follow_minutes"]) == (30, 60, None)
    assert rules["links_off"]
    assert not rules["emoji_only"]
    send(owner, path, "words", refused="crook\r\nthief", held="money")
    assert words_of(stage.owner.id, stage.owner) == {"refused": "crook\nthief", "held": "money"}


def test_wrong_input_is_shown_again_with_its_reason(stage: Stage, path: str) -> None:
    owner = browser_of(stage.owner)
    page = send(owner, path, "words", refused="/(/", held="")
    assert page.status_code == 422
    assert "missing )" in page.content.decode()
    assert page.context["words"]["refused"] == "/(/"
    assert send(owner, path, "rules", slow_seconds="a lot").status_code == 422
    assert send(owner, path, "everything").status_code == 404
    assert rules_of(stage.owner.id)["slow_seconds"] == 0


def test_emoji_that_there_never_was_is_not_found(stage: Stage, path: str) -> None:
    """It was 200. The second press of "Delete" is no mistake."""
    ChannelEmoji.objects.create(owner=stage.owner, code="wave", data=b"a picture")
    owner = browser_of(stage.owner)
    for _ in range(2):
        assert "The emoji is deleted." in send(owner, path, "delete_emoji", code="wave").content.decode()
    assert not ChannelEmoji.objects.exists()
    for code in ("other", "", "../x"):
        assert send(owner, path, "delete_emoji", code=code).status_code == 404


def test_value_that_rest_has_set_stays_a_choice(stage: Stage, path: str) -> None:
    set_rules(stage.owner.id, stage.owner, {"slow_seconds": 7, "account_minutes": 2_880})
    shown = browser_of(stage.owner).get(path).content.decode()
    assert '<option value="7" selected>7 seconds</option>' in shown
    assert '<option value="2880" selected>Accounts older than 2 days</option>' in shown


def test_helper_reviews_and_does_not_rule(stage: Stage, path: str) -> None:
    helper = stage.viewers[4]
    Role.objects.create(channel=stage.owner, viewer=helper, kind=Role.Kind.HELPER)
    author = stage.viewers[0]
    rows = [HeldComment.objects.create(video=stage.video, author=author, body=f"{n} <b>", reason="x") for n in "ab"]
    client = browser_of(helper)
    shown = client.get(path).content.decode()
    assert "a &lt;b&gt;" in shown
    assert "textarea" not in shown
    for act, row in zip(("approve", "deny"), rows, strict=True):
        send(client, path, act, video=stage.video.id, comment=row.id)
    assert [comment.body for comment in Comment.objects.all()] == ["a <b>"]
    assert (
        "Perhaps another moderator"
        in send(client, path, "deny", video=stage.video.id, comment=rows[0].id).content.decode()
    )
    for act, row, said in zip(("approve", "deny"), rows, ("It is published.", "It is thrown away."), strict=True):
        again = send(client, path, act, video=stage.video.id, comment=row.id).content.decode()
        assert said in again, "the second press of a double click is no mistake"
    assert Comment.objects.count() == 1
    assert send(client, path, "deny", video="x", comment="y").status_code == 404
    assert send(client, path, "words", refused="x", held="").status_code == 422


@pytest.mark.parametrize(
    "fields",
    [
        {"form": "words", "refused": "a\0b", "held": ""},
        {"form": "delete_emoji", "code": "a\0b"},
        {"form": "give", "username": "a\0b", "role": "helper"},
        {"form": "share", "name": "a\0b"},
        {"form": "\0"},
    ],
)
def test_form_with_a_character_that_is_none_is_no_mistake_of_ours(
    stage: Stage, path: str, fields: dict[str, str]
) -> None:
    """It was: PostgreSQL keeps no NUL, and answered with an error."""
    for page in (path, path.replace("/rules/", "/people/")):
        assert browser_of(stage.owner).post(page, fields).status_code == 400


def test_gate_closes_and_opens(stage: Stage, path: str) -> None:
    owner = browser_of(stage.owner)
    assert "The gate is closed. 0 comments are deleted." in send(owner, path, "close").content.decode()
    assert Gate.objects.get(owner=stage.owner).until > timezone.now()
    assert "The gate is open." in send(owner, path, "open").content.decode()
    assert Gate.objects.get(owner=stage.owner).until <= timezone.now()
    Role.objects.create(channel=stage.owner, viewer=stage.viewers[0], kind=Role.Kind.HELPER)
    send(browser_of(stage.viewers[0]), path, "close")
    assert Gate.objects.get(owner=stage.owner).until <= timezone.now()


def test_others_find_no_rules_to_change(stage: Stage, path: str) -> None:
    assert browser_of(stage.viewers[0]).get(path).status_code == 403
    assert Client().get(path).status_code == 302
    assert browser_of(stage.owner).get(f"/rules/{stage.video.id}/").status_code == 404


def test_what_viewers_report_is_decided_there(stage: Stage, path: str) -> None:
    """By a helper, too, who cannot ban. What another moderator has decided meanwhile says so."""
    helper, reporter, *trolls = stage.viewers
    Role.objects.create(channel=stage.owner, viewer=helper, kind=Role.Kind.HELPER)
    rows = [
        Comment.objects.create(video=stage.video, author=troll, body=f"rude {n} <b>", seq=n)
        for n, troll in enumerate(trolls, start=1)
    ]
    for row in rows:
        report_comment(stage.video.id, row.id, reporter, reason="hate", remark="Look at <this>")
    report_person(stage.owner.id, trolls[0].id, reporter, reason="other")
    page = browser_of(helper).get(path).content.decode()
    assert page.count("Harassment or hate") == 3
    assert "rude 1 &lt;b&gt;" in page
    assert page.count("Look at &lt;this&gt;") == 3
    assert 'value="ban"' not in page
    client, said = browser_of(helper), []
    for form, row in (("dismiss", rows[0]), ("delete", rows[1]), ("dismiss", rows[0]), ("dismiss", rows[1])):
        fields = {"reported": row.id, "kind": "comment", "video": stage.video.id, "person": row.author_id}
        said += [str(message) for message in send(client, path, form, **fields).context["messages"]]
    assert "They have a time-out." in send(client, path, "time_out", person=rows[2].author_id).content.decode()
    assert said[:3] == ["It stays as it is.", "It is deleted.", "It stays as it is."], "the second press is no mistake"
    assert "another moderator" in said[3]
    waiting = complaints.reported_in(stage.owner.id, stage.owner)
    assert [each["id"] for each in waiting] == [str(trolls[0].id), str(rows[2].id)]
    owner = browser_of(stage.owner)
    assert 'value="ban"' in owner.get(path).content.decode()
    send(owner, path, "ban", person=trolls[0].id)
    assert [each["id"] for each in complaints.reported_in(stage.owner.id, stage.owner)] == [str(rows[2].id)]
