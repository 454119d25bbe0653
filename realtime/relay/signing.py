"""Signatures between regions: HMAC-SHA256 over everything that a request says.

Hop: between the relays of two regions. No I/O, no framework. Two regions share a secret that no third one has, so a
region cannot speak for another. A signature is valid for `WINDOW_SECONDS` around its time. After `verify`, its caller
must make sure that a signature is used only once (`realtime.relay.table`, `once`). So an unsigned request costs no
memory.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WINDOW_SECONDS = 120
NONCE_SECONDS = 300  # longer than the window on both sides: a nonce is remembered while its time is accepted
SECRET_MIN_LENGTH = 32

HEADERS = tuple(f"live-{name}" for name in ("from", "to", "key", "time", "nonce", "signature"))
_TIME = re.compile(r"[0-9]{1,12}", re.ASCII)
_NONCE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_NOBODY = secrets.token_bytes(32)  # with it an unknown key takes as long as a wrong signature


class Unsigned(Exception):
    """The region that it names has not signed the request: no key, a wrong or a retired one. All look alike from
    outside.
    """


class WrongTime(Exception):
    """The signature is right, but of another time. A clock is wrong, or somebody repeats an old request."""


@dataclass(frozen=True, slots=True)
class RelayKey:
    """A secret that we share with one region. `id` is its name in both regions."""

    region: str
    id: str
    secret: str

    def __repr__(self) -> str:
        return f"RelayKey({self.region}:{self.id})"


@dataclass(frozen=True, slots=True)
class Signed:
    """The region that signed a request, and the nonce, which may be used once."""

    region: str
    nonce: str


class Keyring:
    """The keys of one region, `own`. Of the keys that it shares with a peer, the first one signs, and all are accepted.

    Rotation: append the new key in both regions, then move it to the front, then take the old one away.
    """

    def __init__(self, own: str, keys: Sequence[RelayKey]) -> None:
        self.own = own
        self._keys = {(key.region, key.id): key for key in keys}
        self._signing = {key.region: key for key in reversed(keys)}

    def sign(self, peer: str, *, method: str, target: str, body: bytes, now: float) -> dict[str, str]:
        """Return the headers that sign a request to a peer. `target`: path and query as they are sent."""
        key = self._signing[peer]
        values = [self.own, peer, key.id, str(int(now)), secrets.token_hex(16)]
        return dict(zip(HEADERS, [*values, _signature(key.secret.encode(), method, target, values, body)], strict=True))

    def verify(self, headers: Mapping[str, str], *, method: str, target: str, body: bytes, now: float) -> Signed:
        """Return who signed. `headers` by lower-case name. Raises Unsigned, WrongTime."""
        *values, signature = (headers.get(name, "") for name in HEADERS)
        region, to, key_id, time, nonce = values
        key = self._keys.get((region, key_id))
        secret = key.secret.encode() if key is not None else _NOBODY
        is_right = hmac.compare_digest(
            _signature(secret, method, target, values, body).encode(), signature.encode("utf-8", "replace")
        )
        if key is None or not is_right or to != self.own or not _TIME.fullmatch(time) or not _NONCE.fullmatch(nonce):
            raise Unsigned
        if abs(now - int(time)) > WINDOW_SECONDS:
            raise WrongTime
        return Signed(region, nonce)


def _signature(secret: bytes, method: str, target: str, values: Sequence[str], body: bytes) -> str:
    words = ("live-relay-1", method, target, *values, hashlib.sha256(body).hexdigest())
    return hmac.new(secret, "\n".join(words).encode("utf-8", "replace"), hashlib.sha256).hexdigest()
