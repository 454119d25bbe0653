"""Sign-in at a provider of OpenID Connect: a real one, in a thread."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from accounts.models import Viewer
from tests.accounts.test_merging import browser_of
from tests.accounts.test_sign_up import sign_up, text_of
from tests.console import PASSWORD, rolled_back_stage, write_comments
from tests.sites import free_port
from tests.videos.acts import Stage
from videos.models import Comment

with warnings.catch_warnings(record=True):  # of its own libraries
    from oidc_provider_mock import User, run_server_in_thread

pytestmark = [
    pytest.mark.usefixtures("no_guesses", "db"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the provider's own libraries
]
stage = rolled_back_stage
PEOPLE = [
    User(
        sub="vera",
        claims={"email": "vera@example.org", "email_verified": True, "name": "Vera Neu", "preferred_username": "vera"},
    ),
    User(sub="root", claims={"name": "Admin", "preferred_username": "admin"}),
]


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with run_server_in_thread(user_claims=PEOPLE) as server:
        yield f"http://localhost:{server.server_port}"


def at(settings: Any, url: str) -> None:
    app = {
        "provider_id": "oidc",
        "name": "Work",
        "client_id": "live",
        "secret": "secret",
        "settings": {"server_url": url},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}


@pytest.fixture(autouse=True)
def _at_the_provider(settings: Any, provider: str) -> None:
    at(settings, provider)


def go_through(browser: Client, who: str, process: str = "login") -> Any:
    """Press the button, say there who one is, and come back."""
    asked = browser.post("/accounts/oidc/oidc/login/", {"process": process, "next": "/studio/"})
    answer = httpx.post(asked.headers["Location"], data={"sub": who}, trust_env=False)
    back = urlsplit(answer.headers["Location"])
    return browser.get(f"{back.path}?{back.query}")


def test_newcomer_gets_an_account() -> None:
    browser = Client()
    assert "Continue with Work" in text_of(browser.get("/accounts/login/"))
    answer = go_through(browser, "vera")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/studio/")
    vera = Viewer.objects.get()
    assert (vera.username, vera.name, vera.has_usable_password()) == ("vera", "Vera Neu", False)
    assert list(EmailAddress.objects.values_list("email", "verified")) == [("vera@example.org", True)]
    assert browser.session["_auth_user_id"] == str(vera.id)
    again = Client()
    go_through(again, "vera")
    assert again.session["_auth_user_id"] == str(vera.id)
    assert Viewer.objects.count() == 1


def test_guest_becomes_the_account_or_is_merged_into_it(stage: Stage) -> None:
    first, second = stage.viewers[:2]
    write_comments(stage, 1, author=first)
    go_through(browser_of(first), "vera")
    first.refresh_from_db()
    assert (first.username, first.name, first.is_guest) == ("vera", "Viewer 0", False)
    assert Comment.objects.get().author == first
    browser = browser_of(second)
    go_through(browser, "vera")
    second.refresh_from_db()
    assert not second.is_active
    assert browser.session["_auth_user_id"] == str(first.id)


def test_reserved_name_is_not_taken_by_way_of_a_provider() -> None:
    go_through(Client(), "root")
    made = Viewer.objects.get()
    assert "admin" not in (made.username.casefold(), made.name.casefold())


def test_account_with_the_same_address_is_not_taken_over() -> None:
    """Whoever enters somebody's address here would have their account, or they his."""
    sign_up(Client())
    go_through(Client(), "vera")
    assert Viewer.objects.count() == 2
    assert SocialAccount.objects.get().user.username != "vera"


def test_account_is_connected_and_disconnected() -> None:
    browser = Client()
    sign_up(browser)
    mine = Viewer.objects.get()
    asked = go_through(browser, "vera", "connect").headers["Location"]
    assert asked.startswith("/accounts/reauthenticate/")
    browser.post(asked, {"password": PASSWORD})
    assert SocialAccount.objects.get().user == mine
    other = Client()
    go_through(other, "vera")
    assert other.session["_auth_user_id"] == str(mine.id)
    assert "Disconnect" in text_of(browser.get("/accounts/"))
    browser.post("/accounts/connections/", {"account": SocialAccount.objects.get().pk})
    assert not SocialAccount.objects.exists()


def test_last_way_in_stays() -> None:
    browser = Client()
    go_through(browser, "vera")
    answer = browser.post("/accounts/connections/", {"account": SocialAccount.objects.get().pk})
    assert "Your account has no password set up." in text_of(answer)
    assert SocialAccount.objects.exists()


def test_provider_that_is_away_or_says_no_is_said(settings: Any, stage: Stage) -> None:
    """Nobody is signed out for it."""
    guest = stage.viewers[0]
    browser = browser_of(guest)
    asked = browser.post("/accounts/oidc/oidc/login/", {"process": "login"}).headers["Location"]
    [state] = parse_qs(urlsplit(asked).query)["state"]
    answer = browser.get(f"/accounts/oidc/oidc/login/callback/?error=access_denied&state={state}")
    assert answer.headers["Location"] == "/accounts/oidc/cancelled/"
    assert "Nothing has changed." in text_of(browser.get("/accounts/oidc/cancelled/"))
    at(settings, f"http://localhost:{free_port()}")
    assert "That did not work" in text_of(browser.post("/accounts/oidc/oidc/login/", {"process": "login"}))
    assert "That did not work" in text_of(browser.get("/accounts/oidc/oidc/login/callback/?code=x&state=guessed"))
    assert browser.session["_auth_user_id"] == str(guest.id)


def test_sign_up_that_is_closed_is_closed_there_too(settings: Any) -> None:
    settings.LIVE_SIGN_UP = "closed"
    assert "Sign-up is closed" in text_of(go_through(Client(), "vera"))
    assert not Viewer.objects.exists()
