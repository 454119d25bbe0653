"""Which names a text may hold after an "@". Pure. Called by notices.telling.

static/js/watch/mentions.js finds the name of the one who looks in the same way.
"""

from __future__ import annotations

import re

from accounts.models import NAME_MAX

PLACES_MAX = 5
"""Of one comment: who names more people is heard by the first."""

_AT = re.compile(r"(?<!\w)@(?=\S)")
_ENDS = re.compile(r"(?<=\S)(?!\w)")


def names_in(text: str) -> list[list[str]]:
    """Return for each of the first places with an "@" what may be the name, the longest first, in small letters."""
    found = []
    for place in list(_AT.finditer(text))[:PLACES_MAX]:
        # One character more shows whether a word ends there.
        rest = text[place.end() : place.end() + NAME_MAX + 1]
        ends = {end.start() for end in _ENDS.finditer(rest) if 0 < end.start() <= NAME_MAX}
        found.append([rest[:end].lower() for end in sorted(ends, reverse=True)])
    return found
