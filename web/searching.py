"""Finds rows by words, with the full text search of PostgreSQL. Called by the search of the site, and by the admin.

Each word may be the beginning of one that is found. Case and accents make no difference, and no language is assumed:
the texts of a site are in many. An index with the expression of `searched` finds them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

QUERY_MAX = 100
WORDS_MAX = 8
_MARKS = re.compile("[\u0300-\u036f]")
_WORD = re.compile(r"[^\W_]+")


def searched(text: str) -> str:
    """Return the words of a text of SQL as an index has them: `search_words` follows the same rule.

    The migrations that make the indexes have the same expression, or they are not used.
    """
    folded = rf"regexp_replace(normalize({text}, NFKD), '[\u0300-\u036f]', '', 'g')"
    return f"to_tsvector('simple', translate({folded}, './@:_-', '      '))"


def search_words(text: str) -> list[str]:
    """Return the words that somebody looks for, without case and accents, as the index has them."""
    folded = _MARKS.sub("", unicodedata.normalize("NFKD", text[:QUERY_MAX])).lower()
    return _WORD.findall(folded)[:WORDS_MAX]


def search_query(text: str) -> str:
    """Return what somebody looks for as to_tsquery takes it, "" for a text without a word."""
    return " & ".join(f"{word}:*" for word in search_words(text))


def has_words(text: str, looked_for: str) -> Any:
    """Return the condition that a text of SQL has all words that somebody looks for, for `filter`."""
    return RawSQL(f"{searched(text)} @@ to_tsquery('simple', %s)", [search_query(looked_for)], BooleanField())
