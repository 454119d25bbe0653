"""The cookies of a stream's handshake, read as Django reads those of a page: one parser for both.

Called by realtime.edge.handshake (who is counted) and by what identifies a viewer (realtime.users, or a site's own).
"""

from __future__ import annotations

from collections.abc import Mapping

from django.http.cookie import parse_cookie


def cookie(headers: Mapping[bytes, bytes], name: str) -> str:
    """Return the cookie's value, "" without one. Other programs' cookies, whatever they hold, change nothing."""
    return parse_cookie(headers.get(b"cookie", b"").decode("latin1")).get(name, "")
