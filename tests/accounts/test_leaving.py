"""The owner of an account takes a copy of it, and deletes it with everything."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

import messaging.removal
from accounts import account_api, exports, profiles, removal
from accounts.models import Erasure, SignedIn, Viewer
from accounts.tokens import issue_token
from following.models import Follow
from messaging import acts as talk_acts
from messaging.models import Message
from moderation.acts import write_note
from moderation.complaints import report_person
from moderation.models import Restriction, Role
from realtime.limits import RateLimit
from tests.accounts.test_sign_up import text_of
from tests.console import PASSWORD, Console, durable, give_password, rolled_back_stage, write_comments
from tests.messaging.circle import Circle
from tests.videos.acts import Stage
from videos import broadcasts
from videos.models import Comment, HeldComment, Video

pytestmark = pytest.mark.usefixtures("no_guesses", "transactional_db")
stage = rolled_back_stage


class Owner:
    """Somebody at the pages and the API of their own account."""

    def __init__(self, viewer: Viewer) -> None:
        give_password(viewer)
        self.viewer = viewer
        self.browser = Client()
        self.browser.force_login(viewer)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self.browser.generic(
            method,
            f"/api/v1/me{path}",
            json.dumps(body) if body is not None else "",
            content_type="application/json",
            headers={"Authorization": f"Bearer {issue_token(self.viewer)}"},
        )


@pytest.fixture
def owner(stage: Stage) -> Owner:
    stage.owner.username, stage.owner.is_guest = "ada", False
    return Owner(stage.owner)


def test_copy_has_what_one_made_and_nothing_of_others(stage: Stage, owner: Owner) -> None:
    mine, others = write_comments(stage, 1, author=owner.viewer), write_comments(stage, 1)
    Comment.objects.filter(pk=mine[0].pk).update(body="my own word")
    Comment.objects.filter(pk=others[0].pk).update(body="somebody else's")
    EmailAddress.objects.create(user=owner.viewer, email="o@example.org", verified=True)
    with exports.copy_of(owner.viewer) as file:
        file.seek(0)
        found = json.load(file)
    assert found["account"]["username"] == owner.viewer.username
    assert found["account"]["email_addresses"] == [{"email": "o@example.org", "verified": True}]
    assert [comment["body"] for comment in found["comments"]] == ["my own word"]
    assert [video["title"] for video in found["videos"]] == [stage.video.title]
    assert {"likes", "messages", "blocks", "follows", "votes"} <= found.keys()
    assert "password" not in json.dumps(found)


def test_copy_has_what_waits_and_what_moderation_keeps_but_betrays_no_shadow(stage: Stage, owner: Owner) -> None:
    fan, other = Viewer.objects.create_user("fan"), owner.viewer
    for reason, body in (("a word", "held"), ("shadow", "unseen")):
        HeldComment.objects.create(video=stage.video, author=fan, body=body, reason=reason)
    Role.objects.create(channel=other, viewer=fan, kind="helper")
    write_note(other.id, other.id, fan, "my note")
    report_person(stage.owner.id, stage.viewers[0].id, fan, reason="spam", remark="my remark")
    report_person(stage.owner.id, fan.id, stage.viewers[0], reason="spam", remark="somebody else's")
    for kind, channel in (("ban", other), ("shadow", None)):
        Restriction.objects.create(viewer=fan, channel=channel, kind=kind, reason="because")
    with exports.copy_of(fan) as file:
        file.seek(0)
        found = json.load(file)
    assert [(row["reason"], row["remark"]) for row in found["reported"]] == [("spam", "my remark")]
    assert [[row["body"] for row in found[name]] for name in ("comments", "held_comments")] == [["unseen"], ["held"]]
    assert [(row["channel_id"], row["kind"]) for row in found["roles"]] == [(str(other.id), "helper")]
    assert [(row["kind"], row["reason"]) for row in found["restrictions"]] == [("ban", "because")]
    assert ([row["act"] for row in found["acts_of_moderation"]], len(found["notes"])) == (["note"], 1)
    assert "shadow" not in json.dumps(found)
    assert "somebody else's" not in json.dumps(found)


def test_copy_of_messages_has_only_ones_own(circle: Circle) -> None:
    ada, bea = circle.people[:2]
    talk = circle.start(0, 1)
    talk_acts.send(talk, ada, "from me")
    talk_acts.send(talk, bea, "from her")
    with exports.copy_of(ada) as file:
        file.seek(0)
        assert [message["body"] for message in json.load(file)["messages"]] == ["from me"]


def test_account_goes_with_everything(stage: Stage, owner: Owner) -> None:
    """Its videos too, which staff had to delete one by one."""
    live = broadcasts.create_video(owner.viewer, title="Live now")
    broadcasts.start_video(live.id, owner.viewer)
    guest = stage.viewers[0]
    other = Viewer.objects.create(username="other", is_broadcaster=True)
    elsewhere = broadcasts.create_video(other, title="Of another", visibility="private")
    [written] = write_comments(stage, 1, video=elsewhere, author=owner.viewer)
    write_comments(stage, 1, author=guest)
    stage.events.clear()
    assert owner.browser.get("/accounts/").status_code == 200
    answer = owner.browser.post("/accounts/leave/", {"username": owner.viewer.username, "password": PASSWORD})
    assert answer.headers["Location"] == "/accounts/login/"
    assert "Good-bye" in text_of(owner.browser.get("/accounts/login/"))
    assert owner.browser.get("/accounts/").status_code == 302
    assert owner.call("GET", "/account").status_code == 401, "its tokens are over at once"
    assert not SignedIn.objects.exists()
    while removal.erase_next():
        pass
    assert not Viewer.objects.filter(pk=owner.viewer.pk).exists()
    assert list(Video.objects.all()) == [elsewhere]
    assert ("comment_deleted", str(written.pk)) in [
        (name, data["comment"]["id"]) for name, data in durable(stage) if name == "comment_deleted"
    ]
    assert not Erasure.objects.exists()


@pytest.mark.parametrize(("given", "field"), [({"username": "wrong"}, "username"), ({"password": "wrong"}, "password")])
def test_nobody_leaves_by_mistake(owner: Owner, given: dict[str, str], field: str) -> None:
    form = {"username": owner.viewer.username, "password": PASSWORD, **given}
    answer = owner.browser.post("/accounts/leave/", form)
    assert (answer.status_code, list((answer.context or {})["form"].errors)) == (200, [field])
    refused = owner.call("POST", "/erasure", form)
    assert (refused.status_code, refused.json()["code"]) == ({"username": 409, "password": 403}[field], field)
    assert not Erasure.objects.exists()


def test_password_is_not_checked_in_a_thread_of_the_database(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those answer 503 after 1.8 s, and a busy core needs longer for a password."""
    threads: list[str] = []
    monkeypatch.setattr(profiles, "check_password", lambda *_: threads.append(threading.current_thread().name))
    refused = owner.call("POST", "/erasure", {"username": owner.viewer.username, "password": "wrong"})
    assert refused.status_code == 403
    assert [name for name in threads if not name.startswith("backend-database")] == threads != []


def test_staff_is_deleted_by_other_staff(owner: Owner) -> None:
    Viewer.objects.update(is_staff=True)
    answer = owner.call("POST", "/erasure", {"username": owner.viewer.username, "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (409, "staff")


def test_account_in_the_api(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    assert owner.call("GET", "/account").json()["username"] == owner.viewer.username
    assert owner.call("PATCH", "/account", {"name": "Ada"}).json()["viewer"]["name"] == "Ada"
    assert owner.call("PATCH", "/account", {"name": "Admin"}).json()["code"] == "reserved"
    [browser] = owner.call("GET", "/browsers").json()["items"]
    assert owner.call("DELETE", f"/browsers/{browser['id']}").status_code == 204
    assert owner.call("DELETE", f"/browsers/{browser['id']}").status_code == 404
    assert owner.browser.get("/accounts/").status_code == 302
    monkeypatch.setattr(account_api, "LEAVES", RateLimit(burst=1, per_second=0.001))
    guesses = [owner.call("POST", "/erasure", {"username": "ada", "password": str(n)}).status_code for n in range(2)]
    assert guesses == [403, 429]


def test_guest_has_no_account(stage: Stage) -> None:
    guest = Owner(stage.viewers[0])
    for method, path in (("GET", "/account"), ("GET", "/browsers"), ("GET", "/copy")):
        assert guest.call(method, path).status_code == 403


def test_leaving_ends_what_others_have_of_it(stage: Stage, owner: Owner, circle: Circle) -> None:
    ada = circle.people[0]
    talk_acts.send(circle.start(0, 1), ada, "hello")
    removal.ask_for_erasure(ada)
    assert removal.erase_next()
    assert not Message.objects.exists()
    assert not Follow.objects.filter(viewer=ada.pk).exists()
    assert not removal.erase_next()


def test_somebody_with_much_goes_in_runs_of_a_job_and_the_admin_says_what_is_left(
    circle: Circle, root: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5,000 conversations took 98 s inside the request."""
    monkeypatch.setattr(removal, "REQUEST_SECONDS", 0.0)
    monkeypatch.setattr(removal, "RUN_SECONDS", 0.0)
    monkeypatch.setattr(messaging.removal, "CONVERSATIONS_MAX", 1)
    ada = circle.people[0]
    for other in (1, 2, 3):
        circle.start(0, other)
    said = root.messages(root.post("accounts_viewer_delete", ada.pk, post="yes"))
    assert said == [f"{ada} has so much that a job goes on with it."]
    assert "still has: 0 comments, 2 conversations" in root.get("accounts_viewer_change", ada.pk).content.decode()
    assert [removal.erase_next() for _ in range(4)] == [True, True, True, False]
    assert not Viewer.objects.filter(pk=ada.pk).exists()
    assert Viewer.objects.filter(pk=circle.id_of(1), is_active=True).exists()
