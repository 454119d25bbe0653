"""Which names a text may hold after an "@". Pure. Called by notices.telling.

Names are compared as they are kept (accounts.names): capitals, the way in which an accent is written, and how many
spaces stand between two words make no difference. static/js/watch/mentions.js finds the name of the one who looks in
the same way.
"""

from __future__ import annotations

import re
import unicodedata

from accounts.models import NAME_MAX

PLACES_MAX = 5
"""Of one comment: who names more people is heard by the first."""

_AT = re.compile(r"(?<!\w)@(?=\S)")
_SPACES = re.compile(r"[^\S\n]+")
_ACCENTS = re.compile("[\u0300-\u036f]")
_ENDS = re.compile(r"(?<=\S)(?!\w)")


def names_in(text: str) -> list[list[str]]:
    """Return for each of the first places with an "@" what may be the name, the longest first, as `folded` has it."""
    found = []
    text = folded(text)
    for place in list(_AT.finditer(text))[:PLACES_MAX]:
        # One character more shows whether a word ends there.
        rest = text[place.end() : place.end() + NAME_MAX + 1]
        ends = {end.start() for end in _ENDS.finditer(rest) if 0 < end.start() <= NAME_MAX}
        found.append([rest[:end] for end in sorted(ends, reverse=True)])
    return found


def folded(text: str) -> str:
    """Return a text or a name for comparing."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold())


def plain(folded_name: str) -> str:
    """Return a folded name without accents, as people write it who lack the key: "jose" for "josé"."""
    return unicodedata.normalize("NFKC", _ACCENTS.sub("", unicodedata.normalize("NFKD", folded_name)))
