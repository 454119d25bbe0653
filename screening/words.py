"""Lists of words and patterns: how they are written, checked and matched.

Pure. Made by screening.lists from what a channel or the site keeps; asked by screening.rules for each comment. A list
has one entry a line:

- `word`: this word, in any of its spellings (screening.folding);
- `word*`, `*word*`: words that begin with it, or hold it; several words are a phrase;
- `/pattern/`: a regular expression of RE2, which takes time that grows with the text and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import re2

from screening.folding import Runs, covers, folded, shape, words
from web.refusals import Invalid

LINES_MAX = 10_000
PATTERNS_MAX = 500
LINE_MAX = 200
PROGRAM_MAX = 5_000
MEMORY_MAX = 64 << 20
# Scripts that write no spaces between words.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")


class Measure(IntEnum):
    """What is done with a comment that an entry fits; the highest number counts."""

    HOLD = 1
    REFUSE = 2


@dataclass(frozen=True, slots=True)
class ListEntry:
    """A line of a list."""

    line: str
    measure: Measure


class Wordlist:
    """The entries of a list, ready to be matched. Raises Invalid for one that is none."""

    def __init__(self, entries: Sequence[ListEntry]) -> None:
        if len(entries) > LINES_MAX:
            raise Invalid(f"A list may have {LINES_MAX:,} lines at most.", code="too_long")
        self._words: dict[str, list[tuple[Runs, ListEntry]]] = {}
        phrases: list[tuple[str, ListEntry]] = []
        patterns: list[tuple[str, ListEntry]] = []
        for number, entry in enumerate(entries, 1):
            if len(entry.line) > LINE_MAX:
                raise Invalid(f"Line {number} is longer than {LINE_MAX} characters.", code="too_long")
            if (pattern := _pattern_of(entry.line)) is not None:
                patterns.append((pattern, entry))
            elif (word := _single_word(entry.line)) is not None:
                letters, runs = shape(word)
                self._words.setdefault(letters, []).append((runs, entry))
            else:
                phrases.append((_phrase(entry.line, number), entry))
        if len(patterns) + len(phrases) > PATTERNS_MAX:
            raise Invalid(f"A list may have {PATTERNS_MAX} patterns and phrases at most.", code="too_long")
        self._phrases = _Patterns(phrases)
        self._patterns = _Patterns(patterns)

    def __bool__(self) -> bool:
        return bool(self._words or self._phrases or self._patterns)

    def match(self, text: str) -> ListEntry | None:
        """Return the strictest entry that the text fits, or None."""
        plain = folded(text)
        found = words(plain)
        hits = list(self._fitting_words(found))
        if self._phrases:
            hits += self._phrases.match(f" {' '.join(found)} ")
        if self._patterns:
            hits += self._patterns.match(text)
            if plain != text:
                hits += self._patterns.match(plain)
        return max(hits, key=lambda entry: entry.measure, default=None)

    def _fitting_words(self, found: Iterable[str]) -> Iterable[ListEntry]:
        if not self._words:
            return
        for word in set(found):
            letters, runs = shape(word)
            for least, entry in self._words.get(letters, ()):
                if covers(runs, least):
                    yield entry


class _Patterns:
    """Patterns that are matched all at once."""

    def __init__(self, patterns: Sequence[tuple[str, ListEntry]]) -> None:
        self._entries = [entry for _, entry in patterns]
        options = re2.Options()
        options.case_sensitive = False
        options.never_capture = True
        options.log_errors = False
        options.max_mem = MEMORY_MAX
        self._set = re2.Set.SearchSet(options)
        for pattern, entry in patterns:
            try:
                is_small = re2.compile(pattern, options).programsize <= PROGRAM_MAX
            except re2.error as problem:
                raise Invalid(f"{entry.line}: {_reason(problem)}", code="bad_pattern") from None
            if not is_small:
                raise Invalid(f"{entry.line}: the pattern is too large.", code="bad_pattern")
            self._set.Add(pattern)
        if patterns:
            try:
                self._set.Compile()
            except re2.error:
                raise Invalid("The patterns are too large together.", code="bad_pattern") from None

    def __bool__(self) -> bool:
        return bool(self._entries)

    def match(self, text: str) -> list[ListEntry]:
        return [self._entries[index] for index in self._set.Match(text) or ()]


def _reason(problem: Exception) -> str:
    [reason] = problem.args
    return reason.decode() if isinstance(reason, bytes) else str(reason)


def _pattern_of(line: str) -> str | None:
    return line[1:-1] if len(line) > 2 and line[0] == line[-1] == "/" else None


def _single_word(line: str) -> str | None:
    """Return the line as one whole word; None if it is more, or begins or ends anywhere."""
    found = words(folded(line))
    return found[0] if len(found) == 1 and "*" not in line and not _UNSPACED.search(line) else None


def _phrase(line: str, number: int) -> str:
    """Return the pattern of a phrase or of a part of a word. Raises Invalid if there is nothing to look for."""
    found = words(folded(line))
    if not found:
        raise Invalid(f"Line {number} holds no letter.", code="bad_pattern")
    is_part = _UNSPACED.search(line) is not None
    before = "" if is_part or line.startswith("*") else " "
    after = "" if is_part or line.endswith("*") else " "
    return before + " ".join(_spellings(word) for word in found) + after


def _spellings(word: str) -> str:
    letters, runs = shape(word)
    counts = runs or (1,) * len(letters)
    return "".join(f"{re2.escape(letter)}{{{count},}}" for letter, count in zip(letters, counts, strict=True))


def entries_of(text: str, measure: Measure) -> list[ListEntry]:
    """Return the entries of a text with one a line. Empty lines and those that begin with # are none."""
    lines = (line.strip() for line in text.splitlines())
    return [ListEntry(line, measure) for line in lines if line and not line.startswith("#")]
