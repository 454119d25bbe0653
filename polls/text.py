"""The rules for texts of one line: questions, options, titles. Called by the acts of this app."""

from __future__ import annotations

from web.refusals import Invalid
from web.text import clean_text, is_visible


def checked_line(text: str, most: int, what: str) -> str:
    """Return the text as it is stored. Raises Invalid if nothing visible is left, or too much."""
    is_long = len(text) > most
    text = " ".join(clean_text(text).split())
    if not is_visible(text):
        raise Invalid(f"Write the {what} first.", code="empty")
    if is_long or len(text) > most:
        raise Invalid(f"The {what} may have {most} characters at most.", code="too_long")
    return text
