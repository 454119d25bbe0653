"""Limits on what people send to the pages of accounts, for the whole region and beyond a restart.

Wraps the views of sign-in (accounts.sign_in) and all other forms that cost something: a mail, an account, a guess of a
password. Too often is 429, with a page that says when to try again.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.crypto import salted_hmac

from accounts import limits
from realtime.act_limits import network
from realtime.limits import Limited, RateLimit
from realtime.table.redis import key_prefix, shared_redis
from realtime.table.throttle import Throttle

SyncView = Callable[..., HttpResponseBase]
AsyncView = Callable[..., Coroutine[Any, Any, HttpResponseBase]]
Tries = Sequence[tuple[RateLimit, str]]
"""The limits that a request takes a token from, each with its key."""

DONE = 302


async def take(tries: Tries) -> None:
    """Raises Limited."""
    if settings.LIVE_LIMITS:
        for limit, key in tries:
            await _throttle(limit).take(key)


async def give_back(tries: Tries) -> None:
    if settings.LIVE_LIMITS:
        for limit, key in tries:
            await _throttle(limit).give_back(key)


def _throttle(limit: RateLimit) -> Throttle:
    return Throttle(shared_redis(), limit, prefix=f"{key_prefix()}sign-in:")


def too_often(request: HttpRequest, error: Limited) -> HttpResponse:
    response = render(request, "429.html", {"seconds": error.retry_seconds}, status=429)
    response.headers["Retry-After"] = str(error.retry_seconds)
    return response


def keyed(text: str) -> str:
    """Return a keyed hash of what was typed: Redis learns no names and addresses."""
    return salted_hmac("live.throttle", text.strip().casefold()[:200], algorithm="sha256").hexdigest()[:32]


def limited(
    view: SyncView, tries: Callable[[HttpRequest], Tries], *, is_guess: bool = False, methods: Sequence[str] = ("POST",)
) -> AsyncView:
    """Limit a form, and give it a transaction of its own. What has an error does not count; of guesses, only that."""
    in_thread = sync_to_async(transaction.atomic(view), thread_sensitive=True)

    @wraps(view)
    async def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if request.method not in methods:
            return await in_thread(request, *args, **kwargs)
        taken = tries(request)
        try:
            await take(taken)
        except Limited as error:
            return too_often(request, error)
        response: HttpResponseBase = await in_thread(request, *args, **kwargs)
        if (response.status_code == DONE) == is_guess:
            await give_back(taken)
        return response

    return answer


# What each form counts against


def sign_up(request: HttpRequest) -> Tries:
    return [(limits.SIGN_UPS, f"sign-up:{network(request)}"), *_mail_to(request)]


def mail(request: HttpRequest) -> Tries:
    return [(limits.MAILS, f"mail:{network(request)}"), *_mail_to(request)]


def _mail_to(request: HttpRequest) -> Tries:
    """Nobody gets many mails because others enter their address."""
    address = request.POST.get("email", "")
    return [(limits.MAILS_TO_ONE, f"mail-to:{keyed(address)}")] if address else []


def passkey(request: HttpRequest) -> Tries:
    """Each question for a passkey keeps a session."""
    return [(limits.PASSKEYS, f"passkey:{network(request)}")]


def guess(request: HttpRequest) -> Tries:
    return [(limits.LOGINS, f"address:{network(request)}")]
