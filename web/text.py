"""The rules for what people type: texts, and ids of their own.

Pure functions. Called by everything that takes input: API, WebSocket commands, acts, admin.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from web.refusals import Invalid

TITLE_MAX = 120
BODY_MAX = 1_000
BODY_MAX_BYTES = 4_000
CLIENT_ID = re.compile(r"^[A-Za-z0-9._:-]{1,64}$", re.ASCII)
_BAD = re.compile("[\0\ud800-\udfff]")
DEPTH_MAX = 20
MARKS_MAX = 8
# Direction overrides can disguise the text after them. The browser finds the right direction itself (<bdi>).
_BIDI = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F))
# Letters and symbols by category, but blank on every screen: fillers of Hangul, the empty pattern of Braille.
BLANKS = "\u115f\u1160\u2800\u3164\uffa0"


def clean_body(text: str, *, what: str = "comment") -> str:
    """Return a comment's or message's text as it is stored: NFC, no control characters, one empty line in a row.

    Raises Invalid if nothing visible is left, or too much.
    """
    is_long = len(text) > BODY_MAX
    text = clean_text(text)
    if not is_visible(text):
        raise Invalid("Write something first.", code="empty")
    if is_long or len(text) > BODY_MAX or len(text.encode()) > BODY_MAX_BYTES:
        raise Invalid(f"A {what} may have {BODY_MAX:,} characters at most.", code="too_long")
    return text


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


def has_bad_characters(value: Any, depth: int = 0) -> bool:
    """Whether it holds a NUL or a lone surrogate, which PostgreSQL or UTF-8 cannot store, or nests too deep."""
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


def isolated(name: str) -> str:
    """Return a name for a sentence, in which it may be the only text that runs the other way."""
    return f"\u2068{name}\u2069"
