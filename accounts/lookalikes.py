"""What a name looks like, as a key: one for all names that people take for one another (UTS #39).

Pure. Called by accounts.models for each row that is written, and where names are compared. For comparing, never for
display.
"""

from __future__ import annotations

from functools import lru_cache

KEY_MAX = 100
_ALIKE = str.maketrans("i10", "llo")


@lru_cache(10_000)
def name_key(name: str) -> str:
    """Return the key of a name. The sign for i, l and 1 is one, and so is that for o and 0."""
    key = name.casefold()
    if not name.isascii():
        # Imported late: it takes 11 MB in a process that has met such a name.
        import disarm

        key = str(disarm.skeleton_key(name))  # before small letters: a capital Ny is an N, a small one a v
    letters = "".join(filter(str.isalnum, key)).translate(_ALIKE)
    return (letters.replace("rn", "m").replace("vv", "w") or name)[:KEY_MAX]
