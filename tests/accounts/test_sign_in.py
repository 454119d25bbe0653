"""Signing in: how often a password may be tried, and where it leads."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts import limits
from realtime.limits import RateLimit
from tests.console import PASSWORD, Console, give_password, rolled_back_stage
from tests.videos.acts import Stage

pytestmark = pytest.mark.usefixtures("no_guesses")
stage = rolled_back_stage


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
