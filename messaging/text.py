"""The rules for a conversation's title. web.text has the rules for every text.

Pure functions. Called by the acts.
"""

from __future__ import annotations

from web.refusals import Invalid
from web.text import TITLE_MAX, clean_text, is_visible


def clean_title(text: str) -> str:
    """Return a title as it is stored: clean, on one line, or empty. Raises Invalid if it is too long or cannot be
    seen.
    """
    title = " ".join(clean_text(text).split())
    if max(len(text), len(title)) > TITLE_MAX:
        raise Invalid(f"A title may have {TITLE_MAX} characters at most.", code="too_long")
    if title and not is_visible(title):
        raise Invalid("Nothing of the title can be seen.")
    return title
