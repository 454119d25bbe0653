"""Numbers, times and names as the pages print them. static/js/parts/format.js follows the same rules.

The server prints the first state and the script goes on from there: a number that is written differently by the two
would jump when the script starts. tests/e2e/test_modules.py compares them.
"""

from __future__ import annotations

import time
import unicodedata
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache, lru_cache

from django import template
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from accounts import portraits

register = template.Library()

HUES = 12
LATE_MS = 60_000
NAMES_KEPT = 4_096
_SPACE = "\u00a0"
_COMPACT: dict[str, tuple[str, tuple[str, ...], str | None]] = {
    "en": (".", ("", "K", "M", "B", "T"), None),
    "de": (",", ("", "", f"{_SPACE}Mio.", f"{_SPACE}Mrd.", f"{_SPACE}Bio."), "."),
    "es": (",", ("", f"{_SPACE}mil", f"{_SPACE}M"), None),
    "fr": (",", ("", f"{_SPACE}k", f"{_SPACE}M", f"{_SPACE}Md", f"{_SPACE}Bn"), None),
    "ar": (".", ("", f"{_SPACE}ألف", f"{_SPACE}مليون", f"{_SPACE}مليار", f"{_SPACE}ترليون"), None),
}
"""Language -> the sign before decimals, the word of each thousand times more, what groups thousands without a word."""
_JOINER = "\u200d"
# static/js/parts/dom.js makes the same.
_FACE = '<img src="{}" width="32" height="32" alt="" loading="lazy" decoding="async">'


@register.filter
def compact(number: object) -> str:
    """Return a count in few characters, as Intl writes it: 999, 1.2K, 35K, 1.3M. Not a number: an empty text."""
    if not isinstance(number, int):
        return ""
    point, units, thousands = _COMPACT.get(get_language() or "", _COMPACT["en"])
    if thousands is not None and round(number, -3) < 1_000_000:  # a language without a short word for a thousand
        return f"{number:,}".replace(",", thousands if number >= 10_000 else "")
    value, unit = Decimal(number), 0
    while True:
        places = Decimal("0.1") if unit and value < 10 else Decimal(1)
        shown = value.quantize(places, ROUND_HALF_UP)
        if shown < 1000 or unit == len(units) - 1:
            break
        value, unit = value / 1000, unit + 1
    text = f"{shown:f}".removesuffix(".0") if shown < 10 else f"{shown:.0f}"
    return text.replace(".", point) + units[unit]


@register.filter
def likes_word(number: int) -> str:
    """Return the word beside a number of likes."""
    return ngettext("like", "likes", number)


@register.filter
def watching_word(number: int) -> str:
    """Return the word beside a number of people who watch now."""
    return ngettext("watching", "watching", number)


@register.filter
def offset(at_ms: object, started_at_ms: object) -> str:
    """Return the time into the broadcast, like 4:05 or 1:04:05. Before the start: an empty text."""
    if not isinstance(at_ms, int) or not isinstance(started_at_ms, int) or at_ms < started_at_ms:
        return ""
    seconds = (at_ms - started_at_ms) // 1000
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _moment(at_ms: object) -> datetime | None:
    return datetime.fromtimestamp(at_ms / 1000, UTC) if isinstance(at_ms, int) else None


@register.filter
def is_late(starts_at_ms: object) -> bool:
    """Say whether a planned start has passed, by more than a moment."""
    return isinstance(starts_at_ms, int) and time.time() * 1000 - starts_at_ms > LATE_MS


@register.filter
def iso(at_ms: object) -> str:
    """Return epoch milliseconds for a <time>, as a script writes them: 2026-11-29T02:44:00.123Z."""
    date = _moment(at_ms)
    return f"{date:%Y-%m-%dT%H:%M:%S}.{date.microsecond // 1000:03}Z" if date else ""


@register.filter
def clock(at_ms: object) -> str:
    """Return day and time in UTC; the script turns it into the viewer's own time."""
    date = _moment(at_ms)
    return _("{date} UTC").format(date=date_format(date, "j M Y, H:i")) if date else ""


def _continues(before: str, character: str) -> bool:
    """Say whether the character belongs to the sign before it: an accent, a skin tone, a part of an emoji or flag."""
    return (
        character == _JOINER
        or before[-1] == _JOINER
        or unicodedata.category(character) in ("Mn", "Me", "Mc")
        or 0x1F3FB <= ord(character) <= 0x1F3FF
        or 0xE0020 <= ord(character) <= 0xE007F
        or (len(before) == 1 and all(0x1F1E6 <= ord(sign) <= 0x1F1FF for sign in (before, character)))
    )


@register.filter
@lru_cache(NAMES_KEPT)
def initial(name: str) -> str:
    """Return the first sign of a name, in capitals: what stands in the circle beside a comment."""
    name = name.strip()
    first = name[:1]
    for character in name[1:12]:
        if not _continues(first, character):
            break
        first += character
    return first.upper() if len(first.upper()) == len(first) else first


@register.filter
@lru_cache(NAMES_KEPT)
def hue(name: str) -> int:
    """Return the colour of a name's circle, 0 to HUES - 1; the same name has the same colour everywhere."""
    number = 0
    for character in name:
        number = (number * 31 + ord(character)) % 4093
    return number % HUES


@register.simple_tag
def face(id: object, name: str, picture: object = None) -> str:
    """Return what stands in a person's circle: their picture, or the initial of their name."""
    if not isinstance(picture, int) or not picture:
        return initial(name)
    return format_html(_FACE, portraits.address(str(id), picture))


@register.filter
def get(texts: dict[str, object], key: str) -> object:
    """Return the entry of a key that is only known when the page is drawn."""
    return texts.get(key, "")


@register.simple_tag
@cache
def icon(name: str) -> SafeString:
    """Return a drawing of templates/videos/_icons.html. Always beside a text or in a button that has a label."""
    return format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>', name)
