"""Finds who sends a request: to the API by a token or a session, to a page by a session."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from accounts.models import Viewer
from accounts.tokens import Claim, claim_of_token, viewer_of_token
from realtime.edge.csrf import check_csrf
from realtime.log.threads import backend_threads
from realtime.users import user_of_session
from web.door import SAFE_METHODS, Unauthorized, bearer, by_token_or_session
from web.languages import prefer


def viewer_of_session(key: str) -> Viewer | None:
    """Return who is signed in with the session, or None. Two queries."""
    user = user_of_session(key)
    return user if isinstance(user, Viewer) else None


async def viewer_of(request: HttpRequest) -> Viewer | None:
    """Return who sends an API request, or None if it carries no credentials.

    Raises Unauthorized (a token that is none), Refusal, StoreUnavailable.
    """
    if header := request.headers.get("Authorization"):
        bearing = await backend_threads.run(viewer_of_token, bearer(header))
        prefer(bearing.language)
        return bearing
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    viewer = await backend_threads.run(viewer_of_session, key)
    if viewer is not None:
        prefer(viewer.language)
        if request.method not in SAFE_METHODS:
            check_csrf(request)
    return viewer


async def require_viewer(request: HttpRequest) -> Viewer:
    """Return who sends an API request. Raises Unauthorized, Refusal, StoreUnavailable."""
    viewer = await viewer_of(request)
    if viewer is None:
        raise Unauthorized("Say who you are first: POST /api/v1/guests, sign in, or send a bearer token.")
    return viewer


async def require_claim(request: HttpRequest) -> Viewer | Claim:
    """Return who sends an API request, for an act that checks the account in its own transaction.

    A bearer token costs no query here. Raises Unauthorized, Refusal, StoreUnavailable.
    """
    if header := request.headers.get("Authorization"):
        return claim_of_token(bearer(header))
    return await require_viewer(request)


viewer_auth = by_token_or_session(require_viewer)

claim_auth = by_token_or_session(require_claim)


def acting_viewer(request: HttpRequest) -> Viewer:
    """Return who acts, after `viewer_auth`."""
    viewer: Viewer = request.auth  # type: ignore[attr-defined]
    return viewer


def acting_claim(request: HttpRequest) -> Viewer | Claim:
    """Return who acts, after `claim_auth`."""
    who: Viewer | Claim = request.auth  # type: ignore[attr-defined]
    return who


def staff(request: HttpRequest) -> Viewer:
    """Return who is signed in. The admin has let nobody else in."""
    assert isinstance(request.user, Viewer)
    return request.user
