"""Django's own users as viewers, recognized by their session. A site uses this unless its apps recognize viewers in
another way.

Registered at the start (realtime.apps), called at the handshake and while a stream lasts. A viewer's id is the user's
primary key. Users with `is_staff` may read what is open to staff.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest

from realtime.edge.cookies import cookie
from realtime.identity import ANONYMOUS, Identity
from realtime.kinds import Review
from realtime.log.threads import backend_threads


async def identify(headers: dict[bytes, bytes]) -> Identity:
    """Return the identity that opens a stream. Raises StoreUnavailable."""
    session = cookie(headers, settings.SESSION_COOKIE_NAME)
    return await backend_threads.run(_identity_of, session) if session else ANONYMOUS


def review(identities: Sequence[Identity]) -> Review:
    """Check identities again: users who have signed out, have a new password, or are no longer active or staff."""
    users = get_user_model()._default_manager.in_bulk({identity.viewer_id for identity in identities})
    now = {str(user.pk): _identity(user) for user in users.values() if user.is_active}
    gone = (identity for identity in identities if not _is_still(identity, now.get(identity.viewer_id)))
    return Review(frozenset(gone))


def _is_still(identity: Identity, now: Identity | None) -> bool:
    if now is None or identity.stamp != now.stamp or (identity.is_staff and not now.is_staff):
        return False
    return not identity.session or bool(_session(identity.session).load())


def user_of_session(key: str) -> AbstractBaseUser | None:
    """Return who is signed in with the session, None when nobody is. Two queries."""
    request = HttpRequest()
    request.session = _session(key)
    user = get_user(request)
    return user if isinstance(user, AbstractBaseUser) else None


def _identity_of(key: str) -> Identity:
    user = user_of_session(key)
    return ANONYMOUS if user is None else _identity(user, session=key)


def _identity(user: AbstractBaseUser, *, session: str = "") -> Identity:
    is_staff = bool(getattr(user, "is_staff", False))
    return Identity(str(user.pk), is_staff, stamp=user.get_session_auth_hash(), session=session)


def _session(key: str) -> SessionBase:
    store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
    return store(key)
