"""Finds who sends a request: to the API by a token or a session, to a page by a session."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import DEFAULT_DB_ALIAS, connection
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from accounts.models import Viewer
from accounts.permissions import granted_names_sql
from accounts.tokens import Claim, claim_of_token, viewer_of_token
from realtime.edge.csrf import check_csrf
from realtime.log.threads import backend_threads
from realtime.users import user_of_session
from web.door import SAFE_METHODS, Unauthorized, bearer, by_token_or_session
from web.languages import prefer
from web.sessions import SessionStore

_COLUMNS = [field.attname for field in Viewer._meta.concrete_fields]
_VIEWER = (
    f"SELECT {', '.join(f'v.{name}' for name in _COLUMNS)}, {granted_names_sql(viewer='v.id')}"
    " FROM accounts_viewer v WHERE v.id = %s AND v.is_active"
)


def viewer_of_session(key: str) -> Viewer | None:
    """Return who is signed in with the session, with their permissions, or None. Two queries.

    As text, because most pages and calls ask. Where not all is as it should be, Django decides: a password may be a new
    one, or SECRET_KEY.
    """
    session = SessionStore(key)
    if SESSION_KEY not in session:
        return None
    viewer = _read_viewer(session[SESSION_KEY])
    if viewer is None or not _opens(session, viewer):
        user = user_of_session(key)
        return user if isinstance(user, Viewer) else None
    return viewer


def _opens(session: SessionStore, viewer: Viewer) -> bool:
    is_ours = session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
    return is_ours and constant_time_compare(session.get(HASH_SESSION_KEY, ""), viewer.get_session_auth_hash())


def _read_viewer(id: str) -> Viewer | None:
    """Return the active viewer. Django keeps permissions in `_perm_cache`, too; who has all is asked for none."""
    with connection.cursor() as cursor:
        cursor.execute(_VIEWER, [id])
        row = cursor.fetchone()
    if row is None:
        return None
    viewer = Viewer.from_db(DEFAULT_DB_ALIAS, _COLUMNS, row[:-1])
    if not viewer.is_superuser:
        vars(viewer)["_perm_cache"] = set(row[-1])
    return viewer


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
