"""Finds the identity that a stream is for. The platform asks at the handshake, and again while the stream lasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from accounts.models import Viewer
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
    viewers = with_openings(Viewer.objects.all()).in_bulk({UUID(identity.viewer_id) for identity in identities})
    stamps = {str(id): viewer.stamp() for id, viewer in viewers.items() if viewer.is_active}
    seeing_all = {str(id) for id, viewer in viewers.items() if viewer.sees_all}
    sessions = {identity.session for identity in identities if identity.session}
    open_sessions = set(
        Session.objects.filter(session_key__in=sessions, expire_date__gt=timezone.now()).values_list(
            "session_key", flat=True
        )
        if sessions
        else ()
    )
    signed_out = frozenset(
        identity
        for identity in identities
        if stamps.get(identity.viewer_id) != identity.stamp
        or (identity.is_staff and identity.viewer_id not in seeing_all)
        or (identity.session and identity.session not in open_sessions)
    )
    groups = {str(id): frozenset(viewer.open_groups) for id, viewer in viewers.items()}
    changed = {
        identity: replace(identity, groups=groups[identity.viewer_id])
        for identity in identities
        if identity not in signed_out and identity.groups != groups[identity.viewer_id]
    }
    return Review(signed_out, frozenset(str(id) for id, viewer in viewers.items() if viewer.is_hidden), changed)


def save_last_active(at_ms: Mapping[str, int]) -> None:
    """Store when viewers were last active. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_viewer SET last_active_at = greatest(last_active_at, to_timestamp(at_ms / 1000.0))"
            " FROM unnest(%s::uuid[], %s::bigint[]) AS seen (viewer, at_ms) WHERE id = viewer",
            [list(at_ms), list(at_ms.values())],
        )
