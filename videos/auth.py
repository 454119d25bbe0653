"""Who is asking: bearer tokens, sessions, guests. Used by the API, by streams (`identify`) and by pages."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user, login
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import Viewer
from realtime.edge import devices
from realtime.edge.cookies import cookie
from realtime.identity import ANONYMOUS, Identity
from realtime.kinds import Review
from realtime.limits import Limited
from realtime.log.threads import backend_threads
from realtime.registry import CommandError
from videos.interactions import Claim
from videos.limits import DEVICES
from videos.names import clean_name
from videos.rights import SEE, holds, sees_all
from web import limits
from web.door import SAFE_METHODS, Unauthorized, bearer, by_token_or_session, check_csrf
from web.sessions import SessionStore

TOKEN_SALT = "live.token"
TOKEN_DAYS = 30


def issue_token(viewer: Viewer) -> str:
    """Return a bearer token for the viewer, good for `TOKEN_DAYS`, or until a new password or the guest's end."""
    return signing.dumps([viewer.id.hex, viewer.stamp()], salt=TOKEN_SALT)


def claim_of_token(token: str) -> Claim:
    """Return whose token it is, by its signature alone. No query. Raises Unauthorized."""
    try:
        id, stamp = signing.loads(token[:512], salt=TOKEN_SALT, max_age=TOKEN_DAYS * 86_400)
        return Claim(UUID(id), stamp)
    except (signing.BadSignature, ValueError, TypeError, AttributeError) as error:
        raise Unauthorized("The token is not valid.") from error


def viewer_of_token(token: str) -> Viewer:
    """Return the token's viewer. One query. Raises Unauthorized."""
    claim = claim_of_token(token)
    viewer = Viewer.objects.filter(id=claim.id, is_active=True).first()
    if viewer is None or not constant_time_compare(claim.stamp, viewer.stamp()):
        raise Unauthorized("The token is not valid any more.")
    return viewer


def viewer_of_session(key: str) -> Viewer | None:
    """Return who is signed in with the session, None when nobody is. Two queries."""
    request = HttpRequest()
    request.session = SessionStore(key)
    user = get_user(request)
    return user if isinstance(user, Viewer) else None


async def viewer_of(request: HttpRequest) -> Viewer | None:
    """Return who sends an API request, None for nobody in particular.

    Raises Unauthorized (a token that is none), CsrfFailed, StoreUnavailable.
    """
    if header := request.headers.get("Authorization"):
        return await backend_threads.run(viewer_of_token, bearer(header))
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key:
        return None
    viewer = await backend_threads.run(viewer_of_session, key)
    if viewer is not None and request.method not in SAFE_METHODS:
        check_csrf(request)
    return viewer


async def require_viewer(request: HttpRequest) -> Viewer:
    """Return who sends an API request. Raises Unauthorized, CsrfFailed, StoreUnavailable."""
    viewer = await viewer_of(request)
    if viewer is None:
        raise Unauthorized("Say who you are first: POST /api/v1/guests, sign in, or send a bearer token.")
    return viewer


async def require_claim(request: HttpRequest) -> Viewer | Claim:
    """Return who sends an API request, for an act whose transaction looks after the account itself.

    A bearer token costs no query here. Raises Unauthorized, CsrfFailed, StoreUnavailable.
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


def create_guest(name: str) -> Viewer:
    """Make a viewer of a name alone. Raises Invalid."""
    viewer = Viewer(username=f"guest-{secrets.token_hex(12)}", name=clean_name(name), is_guest=True)
    viewer.set_unusable_password()
    viewer.save(force_insert=True)
    return viewer


def end_guest(viewer: Viewer) -> None:
    """Make the guest's tokens, sessions and streams worthless, wherever they are. One query.

    A guest has no password to change: what all of them are stamped with is drawn anew.
    """
    viewer.set_unusable_password()
    viewer.save(update_fields=["password"])


def sign_in(request: HttpRequest, viewer: Viewer) -> str:
    """Give the viewer a new session; return its key. `set_session` puts it on the response."""
    request.session = SessionStore()
    login(request, viewer, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return str(request.session.session_key)


def set_device(request: HttpRequest, response: HttpResponse) -> None:
    """Put a cookie on the response that makes all connections of this browser one viewer; a browser keeps its own.

    An address that has got too many gets none for a while: its viewers count as one, and nothing else is different.
    """
    if devices.read(request.COOKIES.get(devices.COOKIE, "")):
        return
    with contextlib.suppress(Limited):
        limits.take(DEVICES, limits.network(request))
        response.set_cookie(
            devices.COOKIE,
            devices.issue(),
            max_age=settings.SESSION_COOKIE_AGE,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )


async def identify(headers: dict[bytes, bytes]) -> Identity:
    """Return on whose behalf a stream is opened, by token or session. Raises CommandError, StoreUnavailable."""
    try:
        if header := headers.get(b"authorization"):
            return await backend_threads.run(_watcher_of_token, bearer(header.decode("latin1")))
        if session := cookie(headers, settings.SESSION_COOKIE_NAME):
            return await backend_threads.run(_watcher_of_session, session)
    except Unauthorized as error:
        raise CommandError("unauthenticated", str(error)) from error
    return ANONYMOUS


def _watcher_of_token(token: str) -> Identity:
    return watcher_of(viewer_of_token(token))


def _watcher_of_session(key: str) -> Identity:
    return watcher_of(viewer_of_session(key), session=key)


def claimed_id(headers: dict[bytes, bytes]) -> str:
    """Return the id that a bearer token speaks for, by its signature alone; "" without one. No query."""
    try:
        return str(claim_of_token(bearer(headers.get(b"authorization", b"").decode("latin1"))).id)
    except Unauthorized:
        return ""


async def watcher_on(viewer: Viewer | None, *, session: str = "") -> Identity:
    """Return what `watcher_of` does, on the event loop. Raises StoreUnavailable."""
    return ANONYMOUS if viewer is None else await backend_threads.run(watcher_of, viewer, session=session)


def watcher_of(viewer: Viewer | None, *, session: str = "") -> Identity:
    """Return what a stream on behalf of the viewer, known by that session or by a token, has to know. One query."""
    if viewer is None:
        return ANONYMOUS
    return Identity(str(viewer.id), sees_all(viewer), stamp=viewer.stamp(), session=session, is_hidden=viewer.is_hidden)


def review(watchers: Sequence[Identity]) -> Review:
    """Look again at watchers: who is banned, signed out, has a new password or fewer rights; who hides.

    Two queries, however many they are.
    """
    viewers = Viewer.objects.annotate(sees_all=holds(*SEE)).in_bulk({UUID(watcher.viewer_id) for watcher in watchers})
    stamps = {str(id): viewer.stamp() for id, viewer in viewers.items() if viewer.is_active}
    seeing_all = {str(id) for id, viewer in viewers.items() if viewer.sees_all}
    sessions = {watcher.session for watcher in watchers if watcher.session}
    open_sessions = set(
        Session.objects.filter(session_key__in=sessions, expire_date__gt=timezone.now()).values_list(
            "session_key", flat=True
        )
        if sessions
        else ()
    )
    signed_out = frozenset(
        watcher
        for watcher in watchers
        if stamps.get(watcher.viewer_id) != watcher.stamp
        or (watcher.is_staff and watcher.viewer_id not in seeing_all)
        or (watcher.session and watcher.session not in open_sessions)
    )
    return Review(signed_out, frozenset(str(id) for id, viewer in viewers.items() if viewer.is_hidden))


def save_last_active(at_ms: Mapping[str, int]) -> None:
    """Keep when viewers were last active. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_viewer SET last_active_at = greatest(last_active_at, to_timestamp(at_ms / 1000.0))"
            " FROM unnest(%s::uuid[], %s::bigint[]) AS seen (viewer, at_ms) WHERE id = viewer",
            [list(at_ms), list(at_ms.values())],
        )
