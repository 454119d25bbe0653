"""Cookies of handshakes: who sends one back is really at that address. Until then nothing is remembered of anybody.

Made by the server (ingest.srt.server). Source: draft-sharabayko-srt-01, 4.3.1.1.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable

MINUTE_SECONDS = 60.0

PeerAddress = tuple[str, int]


class Cookies:
    """A cookie is good for one to two minutes. `clock`: monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._secret = os.urandom(32)

    def make(self, address: PeerAddress) -> int:
        return self._cookie(address, self._minute())

    def is_good(self, cookie: int, address: PeerAddress) -> bool:
        now = self._minute()
        return cookie in (self._cookie(address, now), self._cookie(address, now - 1))

    def _minute(self) -> int:
        return int(self._clock() // MINUTE_SECONDS)

    def _cookie(self, address: PeerAddress, minute: int) -> int:
        text = f"{address[0]} {address[1]} {minute}".encode()
        return int.from_bytes(hmac.digest(self._secret, text, hashlib.sha256)[:4], "big")
