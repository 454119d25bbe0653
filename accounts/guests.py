"""Guests: made from a name, ended everywhere. And what a browser keeps for a viewer: session and device."""

from __future__ import annotations

import contextlib
import secrets
from uuid import UUID

from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse

from accounts.limits import DEVICES
from accounts.models import Viewer
from accounts.names import clean_name
from accounts.taken import claim_as_guest
from realtime import act_limits
from realtime.edge import devices
from realtime.limits import Limited
from web.sessions import SessionStore


def create_guest(name: str, *, came_to: UUID | None = None) -> Viewer:
    """Make a viewer from only a name. `came_to`: the id of the video where they come in.

    Raises Invalid, Conflict (`claim_as_guest`).
    """
    viewer = Viewer(username=f"guest-{secrets.token_hex(12)}", name=clean_name(name), is_guest=True, came_to=came_to)
    claim_as_guest(viewer.name, came_to=came_to)
    viewer.set_unusable_password()
    viewer.save(force_insert=True)
    return viewer


def end_guest(viewer: Viewer) -> None:
    """Make the guest's tokens, sessions and streams worthless, wherever they are, and let their name go. One query.

    A guest has no password to change. So the random text that stamps all of these is drawn anew.
    """
    viewer.set_unusable_password()
    viewer.came_to = None
    viewer.save(update_fields=["password", "came_to"])


def sign_in(request: HttpRequest, viewer: Viewer) -> str:
    """Give the viewer a new session, and return its key. `set_session` puts it on the response."""
    request.session = SessionStore()
    login(request, viewer, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return str(request.session.session_key)


def set_device(request: HttpRequest, response: HttpResponse) -> None:
    """Put a cookie on the response that makes all connections of this browser one viewer; a browser keeps its own.

    If an address has got too many, it gets none for a while. Its viewers then count as one. Nothing else is different.
    """
    if devices.read(request.COOKIES.get(devices.COOKIE, "")):
        return
    with contextlib.suppress(Limited):
        act_limits.take(DEVICES, act_limits.network(request))
        response.set_cookie(
            devices.COOKIE,
            devices.issue(),
            max_age=settings.SESSION_COOKIE_AGE,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
