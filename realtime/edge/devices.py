"""The cookie `device`: it names a browser, not a person. It is signed, so a node needs no database to read it.

A site's pages set it, with a limit for each address. It is read when a connection opens (realtime.edge.handshake), to
count viewers. It does not identify a person, and nothing else depends on it.
"""

from __future__ import annotations

import secrets

from django.core import signing

COOKIE = "device"
SALT = "live.device"
MAX_CHARACTERS = 200


def issue() -> str:
    """Return the cookie of a browser that has none."""
    return signed(secrets.token_urlsafe(16))


def signed(device: str) -> str:
    return signing.Signer(salt=SALT).sign(device)


def read(cookie: str) -> str:
    """Return the device that the cookie names, or "" if we did not make the cookie. About 10 µs."""
    if not cookie or len(cookie) > MAX_CHARACTERS:
        return ""
    try:
        return signing.Signer(salt=SALT).unsign(cookie)
    except signing.BadSignature:
        return ""
