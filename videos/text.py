"""Refusals, and the rules for what people type: comments, titles, ids of their own; names are in videos.names.

Pure functions. Called by everything that takes input: API, WebSocket commands, interactions, admin.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from uuid import UUID

from videos.models import COMMENT_MAX, COMMENT_MAX_BYTES, TITLE_MAX

CLIENT_ID = re.compile(r"^[A-Za-z0-9._:-]{1,64}$", re.ASCII)
PLAYLIST = re.compile(r"/media/[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\.m3u8", re.ASCII)
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_BAD = re.compile("[\0\ud800-\udfff]")
DEPTH_MAX = 20
MARKS_MAX = 8
# Direction overrides can disguise what follows them; a viewer's own direction is the browser's work (<bdi>).
_BIDI = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F))
# Letters and symbols by their category, blank on every screen: fillers of Hangul, the empty pattern of Braille.
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"


class Refused(Exception):
    """An act that is not possible: the caller's mistake. `code` is stable, the text says what to do."""

    code = "refused"

    def __init__(self, detail: str, *, code: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.code


class NotFound(Refused):
    """No such thing, or it is not for this viewer: the two look the same."""

    code = "not_found"


class SignedOut(Refused):
    """The credentials were good once: the account is gone, or its password was changed."""

    code = "unauthenticated"


class Forbidden(Refused):
    code = "forbidden"


class Conflict(Refused):
    code = "conflict"


class Invalid(Refused):
    code = "invalid"


def clean_body(text: str, *, what: str = "comment") -> str:
    """Return a comment's or message's text as it is stored: NFC, no control characters, one empty line in a row.

    Raises Invalid when nothing visible is left, or too much.
    """
    is_long = len(text) > COMMENT_MAX
    text = clean_text(text)
    if not is_visible(text):
        raise Invalid("Write something first.", code="empty")
    if is_long or len(text) > COMMENT_MAX or len(text.encode()) > COMMENT_MAX_BYTES:
        raise Invalid(f"A {what} may have {COMMENT_MAX:,} characters at most.", code="too_long")
    return text


def clean_title(text: str) -> str:
    """Return a title as it is stored: clean, on one line. Raises Invalid when nothing visible is left, or too much."""
    title = " ".join(clean_text(text).split())
    if not is_visible(title):
        raise Invalid("Give the video a title.")
    if len(title) > TITLE_MAX:  # NFC makes some characters longer
        raise Invalid(f"A title may have {TITLE_MAX} characters at most.", code="too_long")
    return title


def is_visible(text: str) -> bool:
    return any(unicodedata.category(char)[0] in "LNPS" and char not in BLANKS for char in text)


def clean_text(text: str) -> str:
    """Return user text in NFC without direction overrides and controls, with bounded combining marks and newlines."""
    kept: list[str] = []
    marks = newlines = 0
    for char in unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).translate(_BIDI):
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if char == "\n":
            newlines += 1
            if newlines > 2:
                continue
        elif not char.isspace():
            newlines = 0
        if marks > MARKS_MAX or (category == "Cc" and char not in "\n\t"):
            continue
        kept.append(char)
    return "".join(kept).strip()


def parse_id(text: str) -> UUID:
    """Return an id. Raises ValueError unless it is written like the ones we give: Python also takes braces and URNs."""
    if not ID.fullmatch(text):
        raise ValueError("an id looks like 01a20c4b-3598-7508-8132-5e721642feef")
    return UUID(text)


def check_playlist(playlist: str) -> None:
    """Raises Invalid unless it is empty or a path on this site: nothing is fetched from elsewhere."""
    if playlist and not PLAYLIST.fullmatch(playlist):
        raise Invalid("A playlist is a path on this site, like /media/<id>/live.m3u8.")


def has_bad_characters(value: Any, depth: int = 0) -> bool:
    """Whether a NUL or a lone surrogate stands in it, which PostgreSQL or UTF-8 cannot hold, or it nests too deep."""
    if depth > DEPTH_MAX:
        return True
    match value:
        case str():
            return _BAD.search(value) is not None
        case dict():
            return any(has_bad_characters(key) or has_bad_characters(item, depth + 1) for key, item in value.items())
        case list():
            return any(has_bad_characters(item, depth + 1) for item in value)
    return False
