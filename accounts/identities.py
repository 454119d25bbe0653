"""Finds the identity that a stream is for. The platform asks at the handshake, and again while the stream lasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models.functions import Now

from accounts.models import Viewer, stamp_of
from accounts.permissions import with_openings
from accounts.requests import viewer_of_session
from accounts.tokens import claim_of_token, viewer_of_token
from realtime.edge.cookies import cookie
from realtime.identity import ANONYMOUS, Identity
from realtime.kinds import Review
from realtime.log.threads import backend_threads
from realtime.registry import CommandError
from web.door import Unauthorized, bearer


async def identify(headers: dict[bytes, bytes]) -> Identity:
    """Return the identity that opens a stream, by token or session. Raises CommandError, StoreUnavailable."""
    try:
        if header := headers.get(b"authorization"):
            return await backend_threads.run(_identity_of_token, bearer(header.decode("latin1")))
        if session := cookie(headers, settings.SESSION_COOKIE_NAME):
            return await backend_threads.run(_identity_of_session, session)
    except Unauthorized as error:
        raise CommandError("unauthenticated", str(error)) from error
    return ANONYMOUS


def _identity_of_token(token: str) -> Identity:
    return identity_of(viewer_of_token(token))


def _identity_of_session(key: str) -> Identity:
    return identity_of(viewer_of_session(key), session=key)


def claimed_id(headers: dict[bytes, bytes]) -> str:
    """Return the id that a bearer token speaks for, by its signature alone; "" without one. No query."""
    try:
        return str(claim_of_token(bearer(headers.get(b"authorization", b"").decode("latin1"))).id)
    except Unauthorized:
        return ""


async def identity_on(viewer: Viewer | None, *, session: str = "") -> Identity:
    """Return what `identity_of` does, on the event loop. Raises StoreUnavailable."""
    return ANONYMOUS if viewer is None else await backend_threads.run(identity_of, viewer, session=session)


def identity_of(viewer: Viewer | None, *, session: str = "") -> Identity:
    """Return what a stream must know of a viewer who is known by that session or by a token. One query."""
    if viewer is None:
        return ANONYMOUS
    sees_all, groups = with_openings(Viewer.objects.all()).values_list("sees_all", "open_groups").get(id=viewer.id)
    return Identity(
        str(viewer.id),
        sees_all,
        stamp=viewer.stamp(),
        session=session,
        is_hidden=viewer.is_hidden,
        groups=frozenset(groups),
    )


def review(identities: Sequence[Identity]) -> Review:
    """Check identities again: viewers who are banned, have signed out, have a new password or other rights, or hide.

    Two queries for any number of identities.
    """
    ids = {UUID(identity.viewer_id) for identity in identities}
    viewers = with_openings(Viewer.objects.filter(id__in=ids, is_active=True))
    # Not as models, which cost several times as much.
    now = {
        str(id): (stamp_of(password), sees_all, is_hidden, frozenset(groups))
        for id, password, sees_all, is_hidden, groups in viewers.values_list(
            "id", "password", "sees_all", "is_hidden", "open_groups"
        )
    }
    sessions = {identity.session for identity in identities if identity.session}
    open_sessions = set(
        # By the clock of the database, as accounts.rechecks looks for those that end.
        Session.objects.filter(session_key__in=sessions, expire_date__gt=Now()).values_list("session_key", flat=True)
        if sessions
        else ()
    )
    signed_out = set()
    changed = {}
    for identity in identities:
        stamp, sees_all, _, groups = now.get(identity.viewer_id, _NOBODY)
        is_over = identity.session and identity.session not in open_sessions
        if stamp != identity.stamp or (identity.is_staff and not sees_all) or is_over:
            signed_out.add(identity)
        elif identity.groups != groups:
            changed[identity] = replace(identity, groups=groups)
    hidden = frozenset(id for id, (_, _, is_hidden, _) in now.items() if is_hidden)
    return Review(frozenset(signed_out), hidden, changed)


_NOBODY = (None, False, False, frozenset[str]())


def save_last_active(at_ms: Mapping[str, int]) -> None:
    """Store when viewers were last active. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_viewer SET last_active_at = greatest(last_active_at, to_timestamp(at_ms / 1000.0))"
            " FROM unnest(%s::uuid[], %s::bigint[]) AS seen (viewer, at_ms) WHERE id = viewer",
            [list(at_ms), list(at_ms.values())],
        )
