"""Texts of scripts in the language of the page: as they are, and in each plural form that the language has.

Called by the template tags that write them into pages (videos.templatetags.once).
"""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import get_language, ngettext, override

FORMS: dict[str, dict[str, int]] = {
    "en": {"one": 1, "other": 2},
    "de": {"one": 1, "other": 2},
    "es": {"one": 1, "many": 1_000_000, "other": 2},
    "fr": {"one": 1, "many": 1_000_000, "other": 2},
    "ar": {"zero": 0, "one": 1, "two": 2, "few": 3, "many": 11, "other": 100},
}
"""Language -> the names that Intl.PluralRules gives to its forms, each with a number that takes it."""


def in_language(words: Mapping[str, str | Promise]) -> dict[str, str]:
    """Return the texts. Of `<key>.one` and `<key>.other` come all forms of the language."""
    forms = FORMS.get(get_language() or "", FORMS["en"])
    found: dict[str, str] = {}
    for key, text in words.items():
        base, _, form = key.rpartition(".")
        if form == "one" and f"{base}.other" in words:
            one, other = in_english(text), in_english(words[f"{base}.other"])
            found |= {f"{base}.{name}": ngettext(one, other, number) for name, number in forms.items()}
        elif form != "other" or f"{base}.one" not in words:
            found[key] = str(text)
    return found


def in_english(text: str | Promise) -> str:
    """Return a text as it is written in the source."""
    with override("en"):
        return str(text)
