"""People make accounts, confirm their e-mail address, and get a new password by mail."""

from __future__ import annotations

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.mail import EmailMessage
from django.test import Client

from accounts import limits
from accounts.models import Invitation, SignedIn, Viewer
from realtime.limits import RateLimit
from tests.accounts.test_merging import browser_of
from tests.console import PASSWORD, rolled_back_stage, write_comments
from tests.videos.acts import Stage
from videos.models import Comment

pytestmark = pytest.mark.usefixtures("no_guesses", "db")
stage = rolled_back_stage
ADDRESS = "vera@example.org"


def sign_up(browser: Client, username: str = "vera", email: str = ADDRESS, **more: str) -> Any:
    return browser.post("/accounts/signup/", {"username": username, "email": email, "password1": PASSWORD, **more})


def test_links_in_mails_name_the_site_and_not_the_host_of_the_request(
    mailoutbox: list[EmailMessage], settings: Any
) -> None:
    """With `ALLOWED_HOSTS=*` anybody could have a link to a host of theirs sent, with the key of a new password."""
    settings.ALLOWED_HOSTS, settings.LIVE_URL = ["*"], "https://live.example.org"
    assert sign_up(Client()).status_code == 302
    EmailAddress.objects.update(verified=True)
    for to in (ADDRESS, "none@example.org"):
        Client().post("/accounts/password/reset/", {"email": to}, HTTP_HOST="evil.example.com")
    said = [f"{mail.subject} {mail.body}" for mail in mailoutbox]
    assert ["https://live.example.org/accounts/" in text for text in said] == [True, True, False]
    assert all("live.example.org" in text and "evil" not in text for text in said)


def link_in(mail: EmailMessage) -> str:
    found = re.search(r"http://testserver(/\S+)", str(mail.body))
    assert found is not None
    return found[1]


def text_of(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def test_account_is_made_and_signed_in(mailoutbox: list[EmailMessage]) -> None:
    browser = Client()
    assert "Make an account" in text_of(browser.get("/accounts/signup/?next=/studio/"))
    answer = sign_up(browser, next="/studio/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/studio/")
    vera = Viewer.objects.get(username="vera")
    assert (vera.name, vera.is_guest, vera.check_password(PASSWORD)) == ("vera", False, True)
    assert browser.session["_auth_user_id"] == str(vera.id)
    assert [mail.to for mail in mailoutbox] == [[ADDRESS]]
    assert browser.get("/accounts/signup/").headers["Location"] == "/accounts/"


def test_guest_becomes_an_account_and_loses_nothing(stage: Stage) -> None:
    guest = stage.viewers[0]
    write_comments(stage, 1)
    browser = browser_of(guest)
    stamp = guest.stamp()
    assert "You are here as the guest Viewer 0 . You keep this name" in text_of(browser.get("/accounts/signup/"))
    assert sign_up(browser).status_code == 302
    guest.refresh_from_db()
    assert (guest.username, guest.name, guest.is_guest) == ("vera", "Viewer 0", False)
    assert Comment.objects.get().author == guest
    assert guest.stamp() != stamp, "the guest's tokens and streams are over"
    assert browser.session["_auth_user_id"] == str(guest.id)


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"username": "admin"}, "This name is reserved."),
        ({"username": "\u0430da"}, "A word of a name may not mix alphabets."),
        ({"username": "a b"}, "Enter a valid username."),
        ({"username": "x" * 41}, "40 characters at most"),
        ({"password1": "password"}, "This password is too common."),
        ({"password1": "vera1"}, "This password is too short."),
        ({"email": "nobody"}, "Enter a valid email address."),
    ],
)
def test_bad_form_is_said_beside_its_field(form: dict[str, str], why: str) -> None:
    answer = sign_up(Client(), **form)
    assert answer.status_code == 200
    assert why in text_of(answer)
    assert not Viewer.objects.exists()


def test_address_of_somebody_else_says_nothing_of_them(mailoutbox: list[EmailMessage]) -> None:
    """Both sign-ups look alike, and so do both resets: only the mails differ, and they go to the owner."""
    sign_up(Client())
    known, unknown = sign_up(Client(), "troll"), sign_up(Client(), "other", "other@example.org")
    assert (known.status_code, known.headers["Location"]) == (unknown.status_code, unknown.headers["Location"])
    Client().post(link_in(mailoutbox[0]))
    mailoutbox.clear()
    answers = [Client().post("/accounts/password/reset/", {"email": to}) for to in (ADDRESS, "none@example.org")]
    assert [(each.status_code, each.headers["Location"]) for each in answers] == [
        (302, "/accounts/password/reset/sent/")
    ] * 2
    assert [(mail.to, "/password/reset/key/" in str(mail.body)) for mail in mailoutbox] == [
        ([ADDRESS], True),
        (["none@example.org"], False),
    ]
    assert "your account vera." in str(mailoutbox[0].body), "the one who has confirmed it, not the troll"


def test_address_is_confirmed_once_and_by_one(mailoutbox: list[EmailMessage]) -> None:
    sign_up(Client())
    sign_up(Client(), "troll")
    mine, trolls = (link_in(mail) for mail in mailoutbox)
    reader = Client()
    assert f"{ADDRESS} belongs to vera" in text_of(reader.get(mine))
    assert reader.post(mine).status_code == 302
    assert "This link does not work any more" in text_of(reader.get(mine))
    Client().post(trolls)
    assert list(EmailAddress.objects.filter(verified=True).values_list("user__username", flat=True)) == ["vera"]


def test_reset_link_works_once_and_signs_out_everywhere(mailoutbox: list[EmailMessage]) -> None:
    old = Client()
    sign_up(old)
    Client().post("/accounts/password/reset/", {"email": ADDRESS})
    link = link_in(mailoutbox[-1])
    reader, late = Client(), Client()
    form = reader.get(link).headers["Location"]
    assert late.get(link).headers["Location"] == form
    chosen = {"password1": "another good one 5", "password2": "another good one 5"}
    assert reader.post(form, chosen).headers["Location"] == "/accounts/password/reset/key/done/"
    assert reader.get("/accounts/password/reset/key/done/").content.count(b"Your password is changed") == 1
    assert "This link does not work any more" in text_of(late.post(form, chosen))
    assert "This link does not work any more" in text_of(Client().get(link))
    assert Viewer.objects.get(username="vera").check_password("another good one 5")
    assert old.get("/accounts/").headers["Location"] == "/accounts/login/?next=/accounts/"
    assert not SignedIn.objects.exists()


def test_guest_who_reads_the_mail_stays_a_guest(stage: Stage, mailoutbox: list[EmailMessage]) -> None:
    """Whoever opened the link as a guest lost the guest, and all that was theirs."""
    sign_up(Client())
    Client().post("/accounts/password/reset/", {"email": ADDRESS})
    guest = stage.viewers[0]
    browser = browser_of(guest)
    browser.get(link_in(mailoutbox[0]))
    browser.get(browser.get(link_in(mailoutbox[1])).headers["Location"])
    assert browser.session["_auth_user_id"] == str(guest.id)


def test_closed_site_lets_nobody_sign_up(settings: Any) -> None:
    settings.LIVE_SIGN_UP = "closed"
    answer = sign_up(Client())
    assert (answer.status_code, "Sign-up is closed" in text_of(answer)) == (403, True)
    assert "Make an account" not in text_of(Client().get("/accounts/login/"))
    assert not Viewer.objects.exists()


def test_invitation_lets_in_one_person(settings: Any) -> None:
    settings.LIVE_SIGN_UP = "invitation"
    link = f"/accounts/signup/?invitation={Invitation.objects.create().code}"
    assert "Sign-up is by invitation" in text_of(Client().get("/accounts/signup/?invitation=guessed"))
    invited, other = Client(), Client()
    for browser in (invited, other):
        assert browser.get(link).status_code == 200
    assert sign_up(invited).status_code == 302
    assert sign_up(other, "troll").status_code == 403
    assert [each.username for each in Viewer.objects.all()] == ["vera"]
    assert Client().get(link).status_code == 403


def test_mails_to_one_address_are_limited(monkeypatch: pytest.MonkeyPatch, mailoutbox: list[EmailMessage]) -> None:
    monkeypatch.setattr(limits, "MAILS_TO_ONE", RateLimit(burst=2, per_second=0.001))
    answers = [
        Client().post("/accounts/password/reset/", {"email": typed}, REMOTE_ADDR=f"10.0.0.{number}").status_code
        for number, typed in enumerate([ADDRESS, ADDRESS.upper(), ADDRESS])
    ]
    assert answers == [302, 302, 429]
    assert len(mailoutbox) == 2


def test_sign_ups_of_an_address_are_limited_and_mistakes_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SIGN_UPS", RateLimit(burst=2, per_second=0.001))
    answers = [sign_up(Client(), name, "").status_code for name in ("admin", "admin", "ada", "bea", "cem")]
    assert answers == [200, 200, 302, 302, 429]
    assert Client().post("/accounts/signup/", REMOTE_ADDR="10.9.9.9").status_code == 200


def test_browsers_are_listed_and_ended_one_by_one() -> None:
    phone, desk = Client(headers={"User-Agent": "Mozilla/5.0 (iPhone) Safari/604"}), Client()
    sign_up(desk)
    assert phone.post("/accounts/login/", {"username": "vera", "password": PASSWORD}).status_code == 302
    page = text_of(desk.get("/accounts/"))
    assert "Safari, iPhone" in page
    other = SignedIn.objects.exclude(session_key=desk.session.session_key).get()
    assert desk.post(f"/accounts/browsers/{other.id}/end/").status_code == 302
    assert phone.get("/accounts/").headers["Location"] == "/accounts/login/?next=/accounts/"
    assert "Safari, iPhone" not in text_of(desk.get("/accounts/"))
    troll = Client()
    sign_up(troll, "troll", "")
    mine = SignedIn.objects.get(session_key=desk.session.session_key)
    troll.post(f"/accounts/browsers/{mine.id}/end/")
    assert desk.get("/accounts/").status_code == 200


def test_new_password_signs_out_the_other_browsers() -> None:
    desk, phone = Client(), Client()
    sign_up(desk)
    phone.post("/accounts/login/", {"username": "vera", "password": PASSWORD})
    chosen = {"password1": "another good one 5", "password2": "another good one 5"}
    assert desk.post("/accounts/password/change/", {"oldpassword": "wrong", **chosen}).status_code == 200
    assert desk.post("/accounts/password/change/", {"oldpassword": PASSWORD, **chosen}).status_code == 302
    assert phone.get("/accounts/").status_code == 302
    assert "This browser" in text_of(desk.get("/accounts/"))


def test_address_is_changed_by_somebody_who_knows_the_password(mailoutbox: list[EmailMessage]) -> None:
    browser = Client()
    sign_up(browser)
    browser.post(link_in(mailoutbox.pop()))
    asked = browser.get("/accounts/email/").headers["Location"]
    assert asked == "/accounts/reauthenticate/?next=%2Faccounts%2Femail%2F"
    assert browser.post("/accounts/email/", {"email": "new@example.org", "action_add": ""}).headers["Location"] == asked
    assert browser.post(asked, {"password": "wrong"}).status_code == 200
    assert browser.post(asked, {"password": PASSWORD}).headers["Location"] == "/accounts/email/"
    browser.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    page = text_of(browser.get("/accounts/email/"))
    assert f"Now: {ADDRESS}" in page
    assert "new@example.org is not confirmed yet" in page
    assert browser.post(link_in(mailoutbox[-1])).status_code == 302
    assert Viewer.objects.get().email == "new@example.org"
    assert (mailoutbox[-1].to, "is now new@example.org" in str(mailoutbox[-1].body)) == ([ADDRESS], True)


def test_name_is_changed_by_its_rules() -> None:
    browser = Client()
    sign_up(browser)
    assert "This name is reserved." in text_of(browser.post("/accounts/", {"name": "Admin"}))
    assert browser.post("/accounts/", {"name": "Ada  Lovelace"}).status_code == 302
    assert Viewer.objects.get().name == "Ada Lovelace"


@pytest.mark.parametrize("path", ["/accounts/", "/accounts/email/", "/accounts/password/change/"])
def test_page_of_an_account_is_for_nobody_else(stage: Stage, path: str) -> None:
    """A guest has no account yet."""
    for browser in (Client(), browser_of(stage.viewers[0])):
        assert browser.get(path).headers["Location"] == f"/accounts/login/?next={path}"
