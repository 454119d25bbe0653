"""Who is told what, and when: on the real database, with a push service that takes what the site sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from allauth.account.models import EmailAddress
from asgiref.sync import async_to_sync
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.exports import copy_of
from accounts.merging import merge
from accounts.models import Mail, Viewer
from accounts.removal import delete_viewer
from following import acts, browsers, news, push, reminders, written
from following import said as said_to_people
from following.models import Announced, DueMessage, PushDevice, Reminder
from messaging import acts as messages
from notices import choices, inbox, telling
from notices.models import Notice
from tests.console import Console
from tests.following.push_service import PushBrowser, PushService, claims, running
from tests.videos.acts import Stage
from videos import broadcasts, likes, moderation
from videos.models import Video
from web.refusals import Conflict, Invalid, NotFound


@pytest.fixture
def service(settings: Any) -> Iterator[PushService]:
    with running() as made:
        settings.LIVE_PUSH_ORIGINS = [made.origin]
        yield made


def allow(service: PushService, viewer: Viewer, name: str, *, session: str = "") -> PushBrowser:
    """Have a browser of the viewer's say yes."""
    browser = service.browser(name)
    reminders.keep_device(viewer, endpoint=browser.endpoint, session_key=session, **browser.keys)
    return browser


def plan(stage: Stage, **after: float) -> None:
    Video.objects.filter(id=stage.video.id).update(starts_at=timezone.now() + timedelta(**after))


def go_live(stage: Stage) -> None:
    broadcasts.start_video(stage.video.id, stage.owner)


def test_followers_with_alerts_are_told_once_that_a_channel_is_live(stage: Stage, service: PushService) -> None:
    vera, walt = stage.viewers[:2]
    browser = allow(service, vera, "vera")
    allow(service, walt, "walt")
    acts.follow(stage.owner.id, vera, alerts=True)
    acts.follow(stage.owner.id, walt, alerts=False)
    assert news.announce() == 0
    go_live(stage)
    assert (news.announce(), news.announce()) == (1, 0)
    [(path, headers, body)] = service.got
    assert path == "/vera"
    assert browser.read(body) == {
        "title": "Broadcaster is live",
        "body": "A video",
        "path": f"/videos/{stage.video.id}/",
        "tag": f"video:{stage.video.id}",
    }
    assert (headers["content-encoding"], headers["ttl"], headers["urgency"]) == ("aes128gcm", "3600", "high")
    assert claims(headers)["key"] == push.public_key()


def test_a_reminder_comes_before_the_planned_start_and_when_it_is_live(stage: Stage, service: PushService) -> None:
    vera = stage.viewers[0]
    browser = allow(service, vera, "vera")
    reminders.remind(stage.video.id, vera)
    plan(stage, minutes=11)
    assert news.announce() == 0
    plan(stage, minutes=9)
    assert (news.announce(), news.announce()) == (1, 0)
    plan(stage, minutes=-1)
    assert news.announce() == 0
    go_live(stage)
    assert news.announce() == 1
    assert [browser.read(body)["title"] for _, _, body in service.got] == [
        "Broadcaster starts soon", "Broadcaster is live"
    ]  # fmt: skip


def test_a_broadcast_that_is_planned_anew_is_told_anew(stage: Stage, service: PushService) -> None:
    vera = stage.viewers[0]
    allow(service, vera, "vera")
    reminders.remind(stage.video.id, vera)
    plan(stage, minutes=5)
    assert news.announce() == 1
    plan(stage, minutes=8)
    assert news.announce() == 0, "nearly the same time"
    Announced.objects.update(at=timezone.now() - timedelta(hours=1))
    assert news.announce() == 1


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
def test_followers_hear_only_of_what_is_public(stage: Stage, service: PushService, visibility: str) -> None:
    """Who has the address of an unlisted one, and wants to be reminded, is."""
    vera, walt = stage.viewers[:2]
    for viewer, name in ((vera, "vera"), (walt, "walt")):
        allow(service, viewer, name)
    acts.follow(stage.owner.id, vera, alerts=True)
    reminders.remind(stage.video.id, walt)
    broadcasts.update_video(stage.video.id, stage.owner, visibility=visibility)
    go_live(stage)
    news.announce()
    assert service.paths() == (["/walt"] if visibility == "unlisted" else [])


def test_browsers_that_are_gone_are_forgotten_and_others_are_not(stage: Stage, service: PushService) -> None:
    vera = stage.viewers[0]
    for name, status in (("gone", 410), ("missing", 404), ("other-key", 403), ("too-large", 413), ("fine", 201)):
        allow(service, vera, name)
        service.answers[f"/{name}"] = status
    acts.follow(stage.owner.id, vera, alerts=True)
    go_live(stage)
    assert news.announce() == 1
    left = {endpoint.rpartition("/")[2] for endpoint in PushDevice.objects.values_list("endpoint", flat=True)}
    assert left == {"too-large", "fine"}


def test_a_push_service_that_is_away_loses_nobody_else_their_message(
    stage: Stage, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "TRIES", 1)
    vera, walt = stage.viewers[:2]
    allow(service, vera, "vera")
    service.answers["/vera"] = 503
    allow(service, walt, "walt")
    for viewer in (vera, walt):
        acts.follow(stage.owner.id, viewer, alerts=True)
    go_live(stage)
    assert news.announce() == 1
    assert PushDevice.objects.count() == 2


def test_a_run_that_was_killed_goes_on_where_it_was(
    stage: Stage, service: PushService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "VIEWERS_MAX", 2)
    monkeypatch.setattr(news, "PAGES_MAX", 1)
    for number, viewer in enumerate(stage.viewers):
        allow(service, viewer, str(number))
        acts.follow(stage.owner.id, viewer, alerts=True)
    go_live(stage)
    assert news.announce() == 2

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(browsers, "send_all", killed)
        news.announce()
    assert news.announce() == 0, "it may still be on"
    Announced.objects.update(leased_until=timezone.now())
    assert [news.announce() for _ in range(3)] == [2, 1, 0]
    assert service.paths() == [f"/{number}" for number in range(5)]


def test_a_browser_is_told_as_long_as_its_session_lasts(stage: Stage, service: PushService) -> None:
    vera, walt = stage.viewers[:2]
    Session.objects.create(session_key="walts", session_data="", expire_date=timezone.now() + timedelta(days=1))
    allow(service, vera, "vera", session="veras")  # she has signed out
    allow(service, walt, "walt", session="walts")
    for viewer in (vera, walt):
        acts.follow(stage.owner.id, viewer, alerts=True)
    go_live(stage)
    news.announce()
    assert service.paths() == ["/walt"]


def test_who_has_no_browser_for_messages_gets_one_mail(
    stage: Stage, service: PushService, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept in the transaction that writes down how far the run came. Only a confirmed address gets one."""
    vera, walt, anna = (Viewer.objects.create_user(name) for name in ("vera", "walt", "anna"))
    for viewer, is_verified in ((vera, True), (walt, True), (anna, False)):
        EmailAddress.objects.create(user=viewer, email=f"{viewer.username}@example.org", verified=is_verified)
        acts.follow(stage.owner.id, viewer, alerts=True)
    allow(service, walt, "walt")
    assert not reminders.takes_mail(vera)
    settings.LIVE_URL = "https://live.example.org"
    settings.EMAIL_BACKEND = "accounts.outbox.MailQueue"
    monkeypatch.setattr("accounts.tasks.send_mail.apply_async", lambda **_: None)
    assert [reminders.takes_mail(viewer) for viewer in (vera, anna)] == [True, False]
    go_live(stage)
    assert (news.announce(), news.announce()) == (1, 0)
    [mail] = Mail.objects.all()
    assert (mail.to, mail.subject) == (["vera@example.org"], "Broadcaster is live: A video")
    assert f"https://live.example.org/videos/{stage.video.id}/" in mail.body


def test_each_one_gets_the_message_in_the_language_of_their_account(
    stage: Stage, service: PushService, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vera, walt = (Viewer.objects.create_user(name, language=code) for name, code in (("vera", "de"), ("walt", "")))
    for viewer in (vera, walt):
        EmailAddress.objects.create(user=viewer, email=f"{viewer.username}@example.org", verified=True)
        acts.follow(stage.owner.id, viewer, alerts=True)
    allow(service, stage.viewers[0], "guest")
    Viewer.objects.filter(id=stage.viewers[0].id).update(language="de")
    acts.follow(stage.owner.id, stage.viewers[0], alerts=True)
    pushed: list[str] = []
    monkeypatch.setattr(browsers, "send_all", partial(_note_titles, pushed))
    settings.LIVE_URL, settings.EMAIL_BACKEND = "https://live.example.org", "accounts.outbox.MailQueue"
    monkeypatch.setattr("accounts.tasks.send_mail.apply_async", lambda **_: None)
    go_live(stage)
    news.announce()
    assert {mail.to[0]: mail.subject for mail in Mail.objects.all()} == {
        "vera@example.org": "Broadcaster ist live: A video",
        "walt@example.org": "Broadcaster is live: A video",
    }
    assert pushed == ["Broadcaster ist live"]


async def _note_titles(titles: list[str], pushed: list[tuple[Any, push.PushMessage]]) -> list[Any]:
    titles += [message.title for _, message in pushed]
    return []


def test_each_one_gets_what_they_have_chosen_in_the_ways_they_have_chosen(
    stage: Stage, service: PushService, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wants no message in their browser gets a mail, and who wants neither gets nothing."""
    names = ("vera", "walt", "anna")
    vera, walt, anna = (Viewer.objects.create_user(name) for name in names)
    for viewer, name in zip((vera, walt, anna), names, strict=True):
        EmailAddress.objects.create(user=viewer, email=f"{name}@example.org", verified=True)
        acts.follow(stage.owner.id, viewer, alerts=True)
        allow(service, viewer, name)
    choices.choose(walt, {"live": {"push": False}, "soon": {"mail": False}})
    choices.choose(anna, {"live": {"push": False, "mail": False}})
    settings.LIVE_URL, settings.EMAIL_BACKEND = "https://live.example.org", "accounts.outbox.MailQueue"
    monkeypatch.setattr("accounts.tasks.send_mail.apply_async", lambda **_: None)
    go_live(stage)
    assert news.announce() == 1
    assert service.paths() == ["/vera"]
    assert [mail.to for mail in Mail.objects.all()] == [["walt@example.org"]]


def test_browsers_show_who_has_answered_to_those_who_want_that_once_a_line(stage: Stage, service: PushService) -> None:
    vera, walt, guest = stage.viewers[:3]
    browser = allow(service, vera, "vera")
    allow(service, walt, "walt")
    choices.choose(vera, {"answer": {"push": True}})
    say = async_to_sync(likes.comment)
    said = [UUID(say(stage.video.id, viewer, "Who plays?")["id"]) for viewer in (vera, walt)]
    for comment_id in said:
        answer = say(stage.video.id, guest, "The Ravens", reply_to=comment_id)
    telling.tell()
    first = UUID(say(stage.video.id, guest, "Really", reply_to=said[0])["id"])
    telling.tell()
    assert (said_to_people.send(), said_to_people.send()) == (1, 0)
    [(path, _, body)] = service.got
    line = Notice.objects.get(viewer=vera)
    assert path == "/vera"
    assert browser.read(body) == {
        "title": "Viewer 2 answered you",
        "body": "A video",
        "path": f"/videos/{stage.video.id}/?comment={first}",
        "tag": f"notice:{line.id}",
    }
    assert answer["body"] not in str(browser.read(body)), "a text may be deleted"


def test_browsers_show_what_is_written_to_those_who_want_that_and_have_not_seen_it(
    stage: Stage, service: PushService
) -> None:
    vera, walt, bo = stage.viewers[:3]
    browser = allow(service, vera, "vera")
    allow(service, walt, "walt")
    pair = UUID(messages.start(bo, [vera.id]).summary["id"])
    group = UUID(messages.start(bo, [vera.id, walt.id], title="The three").summary["id"])

    def write(body: str, conversation: UUID = pair) -> int:
        messages.send(conversation, bo, body)
        DueMessage.objects.update(at=timezone.now() - written.WAIT)
        return written.send()

    assert write("Nobody has asked for it") == 0
    choices.choose(vera, {"message": {"push": True}})
    messages.send(pair, bo, "Hello")
    assert written.send() == 0, "an open page may be about to show it"
    assert (write("Are you there?"), written.send()) == (1, 0)
    seq = messages.send(group, bo, "Seen at once")["seq"]
    messages.see(group, vera, seq)
    assert write("For all", group) == 1
    DueMessage.objects.all().delete()
    messages.see(group, vera, messages.send(group, bo, "Seen")["seq"])
    DueMessage.objects.update(at=timezone.now() - written.WAIT)
    assert written.send() == 0
    choices.choose(vera, {"message": {"text": False}})
    assert write("A secret") == 1
    messages.block(vera, bo.id)
    assert write("Not from you", group) == 0
    shown = [browser.read(body) for _, _, body in service.got]
    assert [(each["title"], each["body"]) for each in shown] == [
        (bo.name, "Are you there?"),
        (f"{bo.name} in The three", "For all"),
        (bo.name, "A new message"),
    ]
    assert (shown[0]["path"], shown[0]["tag"]) == (f"/messages/{pair}/", f"conversation:{pair}")
    assert not DueMessage.objects.exists()


@pytest.mark.parametrize("how", ["seen", "deleted", "old"])
def test_browsers_show_nothing_that_is_over(stage: Stage, service: PushService, how: str) -> None:
    vera, guest = stage.viewers[:2]
    allow(service, vera, "vera")
    choices.choose(vera, {"answer": {"push": True}})
    say = async_to_sync(likes.comment)
    said = UUID(say(stage.video.id, vera, "Who plays?")["id"])
    answer = UUID(say(stage.video.id, guest, "The Ravens", reply_to=said)["id"])
    telling.tell()
    assert Notice.objects.get().is_due
    match how:
        case "seen":
            inbox.see(vera.id, timezone.now())
        case "deleted":
            moderation.delete_comment(stage.video.id, answer, guest)
        case "old":
            Notice.objects.update(at=timezone.now() - said_to_people.FRESH - timedelta(seconds=1))
    assert said_to_people.send() == 0
    assert service.got == []
    assert not Notice.objects.filter(is_due=True).exists()


def test_a_copy_of_an_account_has_what_it_follows_and_waits_for(stage: Stage, service: PushService) -> None:
    vera = Viewer.objects.create_user("vera")
    acts.follow(stage.owner.id, vera, alerts=True)
    reminders.remind(stage.video.id, vera)
    allow(service, vera, "vera")
    with copy_of(vera) as file:
        file.seek(0)
        copy = json.load(file)
    assert [each["channel__owner__name"] for each in copy["follows"]] == ["Broadcaster"]
    assert [each["video__title"] for each in copy["reminders"]] == ["A video"]
    assert [each["endpoint"] for each in copy["push_devices"]] == [f"{service.origin}/vera"]


def test_what_a_guest_waits_for_the_account_waits_for(stage: Stage, service: PushService, root: Console) -> None:
    vera, guest = Viewer.objects.create_user("vera"), stage.viewers[0]
    allow(service, guest, "guest")
    for viewer in (vera, guest):
        reminders.remind(stage.video.id, viewer)
    merge(guest, vera)
    assert list(Reminder.objects.values_list("viewer_id", flat=True)) == [vera.id]
    go_live(stage)
    assert news.announce() == 1
    delete_viewer(vera.id, root.who)
    assert not (Reminder.objects.exists() or PushDevice.objects.exists())


def test_a_browser_belongs_to_who_uses_it_now_and_ten_are_enough(stage: Stage, service: PushService) -> None:
    vera, walt = stage.viewers[:2]
    allow(service, vera, "shared")
    allow(service, walt, "shared")
    assert list(PushDevice.objects.values_list("viewer_id", flat=True)) == [walt.id]
    for number in range(12):
        allow(service, walt, str(number))
    assert PushDevice.objects.filter(viewer=walt).count() == reminders.DEVICES_MAX


def test_nobody_is_reminded_of_what_has_begun_or_what_they_may_not_see(stage: Stage) -> None:
    go_live(stage)
    with pytest.raises(Conflict, match="begun"):
        reminders.remind(stage.video.id, stage.viewers[0])
    broadcasts.update_video(stage.video.id, stage.owner, visibility="private")
    with pytest.raises(NotFound):
        reminders.remind(stage.video.id, stage.viewers[0])


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://169.254.169.254/x", "https://push.example.org/x", "https://fcm.googleapis.com.evil.example/x"),
        *("https://user@fcm.googleapis.com/x", "https://evil.example\\.push.apple.com/x", "https://[::1", "x", ""),
        *("http://fcm.googleapis.com/x", "https://push.apple.com/x", "https://evilpush.apple.com/x"),
        "https://fcm.googleapis.com/" + "x" * 1_000,
    ],
)
def test_the_site_sends_nothing_to_other_machines(endpoint: str) -> None:
    with pytest.raises(Invalid, match="push service"):
        push.check_address(endpoint, **PushBrowser("").keys)


@pytest.mark.parametrize("endpoint", ["https://fcm.googleapis.com/fcm/send/x:y", "https://web.push.apple.com/Qx"])
def test_a_message_goes_to_the_services_of_browsers_and_with_their_keys(endpoint: str) -> None:
    keys = PushBrowser("").keys
    push.check_address(endpoint, **keys)
    for bad in ({**keys, "p256dh": "A" * 87}, {**keys, "auth": "A" * 21}, {**keys, "auth": "ä" * 22}):
        with pytest.raises(Invalid, match="no keys"):
            push.check_address(endpoint, **bad)
