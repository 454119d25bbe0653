"""What a text says, whatever signs it is written with: for word lists, names and similar texts.

Pure functions. Called by screening.words and screening.rules. What they return is for comparing, never for display.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import groupby

_WORD = re.compile(r"[^\W_]+")
_RUN = re.compile(r"(.)\1")
# Signs that stand for a letter beside other letters: a$$, f@t.
_SIGNS = re.compile(r"(?<=[^\W\d])[@$]+|\$(?=[^\W\d])")
_LETTERS_OF_SIGNS = str.maketrans("@$", "as")
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d]")
_LETTERS_OF_DIGITS = str.maketrans("0134578", "oieastb")
_SPELLED_MIN = 3
KEPT = 64
"""So many texts are remembered: each is asked about for several lists, and for repeats."""


@lru_cache(KEPT)
def folded(text: str) -> str:
    """Return what `looks` returns, without accents."""
    text = text.casefold()
    if text.isascii():
        return text
    import disarm

    return looks(disarm.strip_accents(text))


def looks(text: str) -> str:
    """Return the text in small letters, with one sign for all that look alike (UTS #39)."""
    text = text.casefold()
    if text.isascii():
        return text
    # Imported late: it takes 11 MB in a process that has met such a text.
    import disarm

    return str(disarm.skeleton_key(text))


@lru_cache(KEPT)
def words(text: str) -> tuple[str, ...]:
    """Return the words of a folded text. Digits and signs among letters are letters; `s p a m` is one word."""
    if "@" in text or "$" in text:
        text = _SIGNS.sub(lambda found: found[0].translate(_LETTERS_OF_SIGNS), text)
    found = [_spelled(word) for word in _WORD.findall(text)]
    return tuple(_joined(found) if any(len(word) == 1 for word in found) else found)


def _spelled(word: str) -> str:
    if _DIGIT.search(word) and _LETTER.search(word):
        return word.translate(_LETTERS_OF_DIGITS)
    return word


def _joined(words: list[str]) -> list[str]:
    """Return the words. Three and more single letters in a row are one."""
    found: list[str] = []
    for is_single, run in groupby(words, lambda word: len(word) == 1):
        letters = list(run)
        if is_single and len(letters) >= _SPELLED_MIN:
            found.append(_spelled("".join(letters)))
        else:
            found += letters
    return found


Runs = tuple[int, ...]


def shape(word: str) -> tuple[str, Runs]:
    """Return the word with each letter once in a row, and how often it stood there. No numbers: once each."""
    if _RUN.search(word) is None:
        return word, ()
    runs = [(letter, len(list(run))) for letter, run in groupby(word)]
    return "".join(letter for letter, _ in runs), tuple(length for _, length in runs)


def covers(runs: Runs, least: Runs) -> bool:
    """Return whether a word of the same shape is as long in every place: `baaad` for `bad`; not `as` for `ass`."""
    if not least:
        return True
    return bool(runs) and all(length >= low for length, low in zip(runs, least, strict=True))
