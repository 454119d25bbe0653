"""Limits how often a password may be tried, and how many are checked at once. Wraps the sign-in pages, the admin's too.

There are two limits (accounts.throttling): for one address, and for one
account from any address. A browser that has signed in to the account before keeps a signed cookie, and has a limit of
its own. So an attacker with a thousand addresses is slowed down, and the owner is not locked out.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.views import LoginView, LogoutView
from django.core import signing
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac

from accounts import limits
from accounts.guests import end_guest
from accounts.merging import merge
from accounts.models import Viewer
from accounts.pages import guest_on, provider_name, words_of
from accounts.throttling import AsyncView, SyncView, Tries, give_back, take, too_often
from realtime.act_limits import network
from realtime.limits import Limited
from web.middleware import unavailable
from web.turns import Busy, busy, sign_ins

PATHS = ("/accounts/login/", "/admin/login/")
KNOWN_COOKIE = "known"
KNOWN_SALT = "live.known"
KNOWN_SECONDS = 60 * 60 * 24 * 365


@dataclass(frozen=True, slots=True)
class Guess:
    """What one try of a password counts against. `account` is a keyed hash of the name that was typed."""

    account: str
    device: str
    network: str

    @classmethod
    def of(cls, request: HttpRequest) -> Guess:
        typed = request.POST.get("username", "").strip().casefold()[:200]
        account = salted_hmac(KNOWN_SALT, typed, algorithm="sha256").hexdigest()[:32]
        return cls(account, _device(request, account), network(request))

    @property
    def tries(self) -> Tries:
        if self.device:
            return [(limits.LOGINS, f"address:{self.network}"), (limits.GUESSES, f"device:{self.device}")]
        return [(limits.LOGINS, f"address:{self.network}"), (limits.GUESSES, f"account:{self.account}")]


def _device(request: HttpRequest, account: str) -> str:
    """Return the name of the browser, if it has signed in with the account before; else ""."""
    try:
        known, device = signing.loads(request.COOKIES.get(KNOWN_COOKIE, ""), salt=KNOWN_SALT, max_age=KNOWN_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return str(device) if known == account else ""


class SignIn(LoginView):
    """Django's sign-in page. It also serves people who are signed in: a guest, or somebody with another account."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mine = {
            "guest": guest_on(self.request),
            "may_sign_up": settings.LIVE_SIGN_UP == "open",
            "provider": provider_name(),
        }
        return {**super().get_context_data(**kwargs), **words_of(self.request), **mine}


class SignOut(LogoutView):
    """Django's, and it ends a guest everywhere: nobody else could revoke the guest's tokens."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        who = request.user
        if isinstance(who, Viewer) and who.is_guest:
            end_guest(who)
        return super().post(request, *args, **kwargs)


def guarded(login: SyncView) -> AsyncView:
    """Answer 429 with a page that says when to try again, after too many tries by an address or for an account.

    Answer 503 if too many passwords wait to be checked.
    """
    in_thread = sync_to_async(_merging(login), thread_sensitive=True)

    @wraps(login)
    async def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.method != "POST":
            return await in_thread(request, *args, **kwargs)
        guess = Guess.of(request)
        try:
            await take(guess.tries)
        except Limited as error:
            return too_often(request, error)
        response: HttpResponseBase
        try:
            async with sign_ins.turn():
                response = await in_thread(request, *args, **kwargs)
        except Busy:
            response = unavailable(request, advice=busy())
        if response.status_code == 503:
            await give_back(guess.tries)
        elif type(request.user) is Viewer:  # signed in just now; otherwise it is Django's lazy object
            await give_back(guess.tries)
            _remember(response, guess)
        return response

    return answer


def _merging(login: SyncView) -> SyncView:
    """Merge the guest who signs in into the account, together with the sign-in or not at all."""

    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        guest = request.user
        if not (request.method == "POST" and isinstance(guest, Viewer) and guest.is_guest):
            return login(request, *args, **kwargs)
        with transaction.atomic():
            response = login(request, *args, **kwargs)
            if type(request.user) is Viewer and request.user != guest:
                merge(guest, request.user)
            return response

    return answer


def _remember(response: HttpResponseBase, guess: Guess) -> None:
    response.set_cookie(
        KNOWN_COOKIE,
        signing.dumps([guess.account, guess.device or secrets.token_hex(8)], salt=KNOWN_SALT),
        max_age=KNOWN_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
