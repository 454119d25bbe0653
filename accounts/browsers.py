"""The browsers in which an account is signed in: listed, and ended one by one.

Called by the pages and the API of accounts. Django's sessions say nothing of their browser, so each sign-in of an
account is written down beside its session. Guests have one browser, and are not.
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import SignedIn, Viewer
from web.refusals import NotFound
from web.sessions import SessionStore

AGENT_MAX = 200

# The first that fits: many browsers name others, too.
_PROGRAMS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


def write_down(request: HttpRequest, user: Viewer, **_: Any) -> None:
    """Remember the browser of a sign-in. Receives Django's signal `user_logged_in`."""
    if not user.is_guest:
        if not request.session.session_key:
            request.session.save()
        _remember(request, user)


def _remember(request: HttpRequest, viewer: Viewer) -> SignedIn:
    seen = {
        "viewer": viewer,
        "agent": request.headers.get("User-Agent", "")[:AGENT_MAX],
        "address": request.META.get("REMOTE_ADDR", "")[:45],
    }
    found, _ = SignedIn.objects.update_or_create(session_key=request.session.session_key, defaults=seen)
    return found


def open_browsers(viewer: Viewer) -> list[SignedIn]:
    """Return the browsers whose sessions are open, the newest first. Forgets those of the others."""
    found = list(SignedIn.objects.filter(viewer=viewer).order_by("-began_at", "-id"))
    open_keys = set(
        Session.objects.filter(
            session_key__in=[browser.session_key for browser in found], expire_date__gt=timezone.now()
        ).values_list("session_key", flat=True)
    )
    SignedIn.objects.filter(viewer=viewer).exclude(session_key__in=open_keys).delete()
    return [browser for browser in found if browser.session_key in open_keys]


def browsers_with_this(request: HttpRequest, viewer: Viewer) -> list[SignedIn]:
    """Return what `open_browsers` does. The browser that asks is among them, whatever it did before."""
    if not SignedIn.objects.filter(session_key=request.session.session_key).exists():
        _remember(request, viewer)
    return open_browsers(viewer)


def end(viewer: Viewer, browser_id: int) -> None:
    """End one session. Its streams end within 5 s. Raises NotFound."""
    browser = SignedIn.objects.filter(viewer=viewer, id=browser_id).first()
    if browser is None:
        raise NotFound("This browser is not signed in any more.")
    SessionStore().delete(browser.session_key)
    browser.delete()


def end_all(viewer: Viewer) -> None:
    keys = list(SignedIn.objects.filter(viewer=viewer).values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    SignedIn.objects.filter(viewer=viewer).delete()


def described(agent: str) -> str:
    """Return a browser in words: "Firefox, Linux"."""
    found = [next((word for sign, word in signs if sign in agent), "") for signs in (_PROGRAMS, _SYSTEMS)]
    return ", ".join(word for word in found if word) or "Another program"
