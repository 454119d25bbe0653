"""Answers that are a file for everybody, sent again without asking the application: segments, scripts, styles.

The application says with the file that it sends (`http.response.zerocopysend`, key `repeat`) until when the answer
holds. Until then the same request gets the same answer (realtime.edge.http): the head that was sent, and the file,
which stays open. A request is the same if it has the address, the Host and the Origin (and the Accept-Encoding, where
the answer varies by that), and asks for no more than that: with a range, a condition or a body, in pieces, or with
another one behind it, it reaches the application as always.
Shortly before the answer ends, one request a second reaches it too, so that a crowd never finds none.
Bounded: `KEPT_MAX` addresses with `FORMS_MAX` open files each; what was asked for longest ago goes first.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

KEPT_MAX = 1_024
FORMS_MAX = 4
"""Of one address: browsers differ in what they take compressed."""
RENEW_SECONDS = 2.0
RENEW_AGAIN_SECONDS = 1.0
HEAD_MAX_BYTES = 8_192
_VERSION = b" HTTP/1.1\r\n"
_CONDITIONS = (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range")
_ASKING_MORE = frozenset((*_CONDITIONS, b"range", b"upgrade", b"content-length", b"transfer-encoding", b"expect"))


@dataclass(frozen=True, slots=True)
class Repeatable:
    """Until when (monotonic seconds) an answer holds, and what counts it each time."""

    until: float
    count: Callable[[], None]


class OpenFile:
    """An open file. It is closed when nobody sends it any more and it is not kept."""

    __slots__ = ("descriptor",)

    def __init__(self, descriptor: int) -> None:
        self.descriptor = os.dup(descriptor)

    def __del__(self) -> None:
        os.close(self.descriptor)


class Said(NamedTuple):
    """What a request says besides its address, if that is all it says."""

    host: bytes
    origin: bytes
    accept_encoding: bytes


@dataclass(slots=True)
class Repeat:
    """An answer. `said`: what another request says that gets it; the encoding counts if the answer varies by it."""

    said: Said
    varies: bool
    headers: Sequence[tuple[bytes, bytes]]
    file: OpenFile
    size: int
    repeatable: Repeatable
    asked_again_at: float = float("-inf")
    head: bytes = field(init=False)  # of HTTP/1.1

    def __post_init__(self) -> None:
        self.head = b"".join((b"HTTP/1.1 200 OK\r\n", *(b"%b: %b\r\n" % header for header in self.headers), b"\r\n"))

    def fits(self, asked: Said) -> bool:
        return self.said == asked if self.varies else self.said[:2] == asked[:2]


class Repeats:
    """The answers of a server, by the address that was asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[bytes, dict[bytes, Repeat]] = OrderedDict()
        """By address and Accept-Encoding; that is empty for what does not vary."""

    def keep(self, address: bytes, repeat: Repeat) -> None:
        forms = self._kept.setdefault(address, {})
        forms[repeat.said.accept_encoding if repeat.varies else b""] = repeat
        if len(forms) > FORMS_MAX:
            del forms[next(iter(forms))]
        self._kept.move_to_end(address)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)

    def drop(self, address: bytes) -> None:
        """Keep the answer no longer: the application has given another one."""
        self._kept.pop(address, None)

    def find(self, data: bytes) -> Repeat | None:
        """Return the answer to a request, if these bytes are one, whole, and it has an answer that holds."""
        end = data.find(_VERSION, 4, HEAD_MAX_BYTES)
        address = data[4:end]
        if address not in self._kept or not data.startswith(b"GET ") or not data.endswith(b"\r\n\r\n"):
            return None
        lines = data[end + len(_VERSION) : -4].split(b"\r\n")
        return (
            self.answer_to(address, [line.partition(b":")[::2] for line in lines])
            if len(data) <= HEAD_MAX_BYTES
            else None
        )

    def answer_to(self, address: bytes, headers: Sequence[tuple[bytes, bytes]]) -> Repeat | None:
        """Return the answer to a GET without a body, if it has one that holds."""
        forms = self._kept.get(address)
        if forms is None or (asked := said(headers)) is None:
            return None
        repeat = forms.get(asked.accept_encoding) or forms.get(b"")
        if repeat is None or not repeat.fits(asked):
            return None
        now = self._clock()
        if repeat.repeatable.until <= now:
            self.drop(address)
            return None
        if repeat.repeatable.until - now < RENEW_SECONDS and now - repeat.asked_again_at > RENEW_AGAIN_SECONDS:
            repeat.asked_again_at = now
            return None
        self._kept.move_to_end(address)
        return repeat


def said(headers: Sequence[tuple[bytes, bytes]]) -> Said | None:
    """Return what a request says; None: it asks for more than a file, or is not as simple as it could be."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        name = name.lower()
        if name in _ASKING_MORE or not name.strip() == name != b"":
            return None
        if name == b"connection" and value.strip().lower() != b"keep-alive":
            return None
        if name in (b"host", b"origin", b"accept-encoding"):
            if name in found:
                return None
            found[name] = value.strip()
    if b"host" not in found:
        return None
    return Said(found[b"host"], found.get(b"origin", b""), found.get(b"accept-encoding", b""))


def said_by(request: Any) -> Said | None:
    """The same of a request that Twisted has read."""
    may_go_on = request.clientproto == b"HTTP/2" or (request.clientproto == b"HTTP/1.1" and request.channel.persistent)
    if request.method != b"GET" or not may_go_on:
        return None
    return said([(name, value) for name, values in request.requestHeaders.getAllRawHeaders() for value in values])
