"""Tickets: a short-lived signed note that lets a connection watch topics, checked by any node alone.

For `EventSource` and `WebSocket` of another origin or client, which cannot send a header. No database, no session.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.core import signing

from realtime.connections import ANONYMOUS, Watcher

SALT = "live.ticket"
EXPIRES_SECONDS = 60
MAX_CHARACTERS = 8_192


class BadTicket(Exception):
    """The ticket is not ours, was changed, or has expired."""


def issue(topics: Sequence[str], watcher: Watcher = ANONYMOUS, *, load: bool = False) -> str:
    """Return a ticket for the topics, on behalf of the watcher. `load`: a load test's, free of connection limits.

    The session stays behind: it is not for others to read. Signing out does not end a stream opened by ticket; a ban
    or a new password does.
    """
    claims = {
        "t": list(topics),
        "v": watcher.viewer_id,
        "s": watcher.is_staff,
        "p": watcher.stamp,
        "h": watcher.is_hidden,
        "l": load,
    }
    return signing.dumps(claims, salt=SALT, compress=True)


def read(ticket: str) -> tuple[Watcher, bool]:
    """Return on whose behalf the ticket speaks, and whether it is a load test's. Raises BadTicket."""
    if len(ticket) > MAX_CHARACTERS:
        raise BadTicket("too long")
    try:
        claims = signing.loads(ticket, salt=SALT, max_age=EXPIRES_SECONDS)
        topics = frozenset(claims["t"])
        watcher = Watcher(claims["v"], claims["s"], topics, claims["p"], is_hidden=claims["h"])
        return watcher, claims["l"]
    except (signing.BadSignature, KeyError, TypeError, ValueError) as error:
        raise BadTicket(str(error)) from error
