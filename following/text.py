"""The rules for what broadcasters write about their channels. Pure functions."""

from __future__ import annotations

import re

from accounts.names import RESERVED_NAMES
from web.refusals import Invalid
from web.text import clean_text

ABOUT_MAX = 2_000
HANDLE_MIN, HANDLE_MAX = 3, 30
HANDLE = re.compile(rf"[a-z0-9][a-z0-9-]{{{HANDLE_MIN - 2},{HANDLE_MAX - 2}}}[a-z0-9]")
"""No UUID is that short: an address names a channel by either."""


def clean_handle(text: str) -> str | None:
    """Return a handle as it is stored, nothing for an empty one. Raises Invalid."""
    handle = text.strip().removeprefix("@").lower()
    if not handle:
        return None
    if not HANDLE.fullmatch(handle):
        raise Invalid(
            f"A handle has {HANDLE_MIN} to {HANDLE_MAX} letters from a to z, digits and dashes, no dash at an end.",
            code="bad_handle",
        )
    if handle.replace("-", "") in RESERVED_NAMES:
        raise Invalid("This handle is reserved.", code="reserved")
    return handle


def clean_about(text: str) -> str:
    """Return what a broadcaster says of themselves, as it is stored. Raises Invalid."""
    text = clean_text(text)
    if len(text) > ABOUT_MAX:
        raise Invalid(f"Write {ABOUT_MAX:,} characters at most.", code="too_long")
    return text
