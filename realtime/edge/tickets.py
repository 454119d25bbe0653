"""Tickets: a signed note with the identity and the topics of a connection, good for some hours.

For `EventSource` and `WebSocket` of another origin or client, which cannot send a header. A browser's own EventSource
comes back with the address it was given, so a ticket is good for as long as a broadcast may last. That is no risk to
rights: a ticket grants none (realtime.kinds.Access), and the node checks one that is not fresh in the database before
it opens anything. It holds no session.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.core import signing

from realtime.identity import ANONYMOUS, Identity

SALT = "live.ticket"
EXPIRES_SECONDS = 4 * 3_600
EXPIRES_MIN_SECONDS, EXPIRES_MAX_SECONDS = 10, 24 * 3_600
LOAD_SECONDS = 60
MAX_CHARACTERS = 8_192


class BadTicket(Exception):
    """The ticket is not ours, was changed, or has expired."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket says. `is_load`: the ticket belongs to a load test and is free of connection limits."""

    identity: Identity
    is_load: bool
    age_seconds: float


def issue(
    topics: Sequence[str],
    identity: Identity = ANONYMOUS,
    *,
    load: bool = False,
    expires_in_seconds: int = EXPIRES_SECONDS,
) -> str:
    """Return a ticket for the topics, for the identity. `load`: it is a load test's, free of connection limits.

    The ticket does not hold the session, because others may read a ticket. So signing out does not end a stream that a
    ticket opened. A ban or a new password does.
    """
    now = time.time()
    claims = {
        "i": now,
        "x": now + (LOAD_SECONDS if load else expires_in_seconds),
        "t": list(topics),
        "v": identity.viewer_id,
        "s": identity.is_staff,
        "p": identity.stamp,
        "h": identity.is_hidden,
        "g": sorted(identity.groups),
        "l": load,
    }
    return signing.dumps(claims, salt=SALT, compress=True)


def read(ticket: str) -> Ticket:
    """Return what the ticket says. Raises BadTicket."""
    if len(ticket) > MAX_CHARACTERS:
        raise BadTicket("too long")
    try:
        claims = signing.loads(ticket, salt=SALT)
        now = time.time()
        if now > claims["x"]:
            raise BadTicket("expired")
        topics = frozenset(claims["t"])
        groups = frozenset(claims.get("g", ()))  # tickets of a former version have none
        identity = Identity(claims["v"], claims["s"], topics, claims["p"], is_hidden=claims["h"], groups=groups)
        return Ticket(identity, claims["l"], now - claims["i"])
    except (signing.BadSignature, KeyError, TypeError, ValueError) as error:
        raise BadTicket(str(error)) from error
