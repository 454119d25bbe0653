"""What a display name may hold: the rule of every name that people choose.

Called by the API, by the admin, and where guests are made. The rule is PRECIS (RFC 8264, its profile for nicknames, RFC
8266) with emoji as they are: a half-space between Persian letters changes how they join. The same character between
Latin letters is invisible, and only makes one name look like another.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from precis_i18n import get_profile

from accounts.lookalikes import name_key
from accounts.models import NAME_MAX
from web.refusals import Invalid
from web.text import BLANKS

RESERVED_NAMES = frozenset(("admin", "administrator", "moderator", "staff", "support", "system", "liveplatform"))
_NICKNAME = get_profile("NicknameCasePreserved")
# They change the shape of the sign before them, and few fonts have that shape. Without them it is the same name.
_VARIANTS = dict.fromkeys((*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0), 0x180B, 0x180C, 0x180D, 0x180F))
# Emoji are made with these: joiner, text and emoji style, end of a flag.
_OF_EMOJI = frozenset("\u200d\ufe0e\ufe0f\U000e007f")
_SIGN = "\u263a"
# The marks of broadcasters and moderators stand beside names: a name cannot bring its own.
_MARKS = frozenset("\u2713\u2714\u2705\u2611\U0001f5f8\U0001f5f9\U0001f6e1")
# Visible, but no part of identifiers: the dot between the names of 阿达·洛芙莱斯, the line that stretches محـمد.
_KEPT = f"\u00b7\u0640{_SIGN}"


def clean_name(text: str) -> str:
    """Return a display name as it is stored: NFKC, trimmed. Raises Invalid for one that could deceive."""
    trimmed = text.strip(" ")
    name = unicodedata.normalize("NFKC", trimmed)
    if not name:
        raise Invalid("Write a name first.")
    if trimmed != trimmed.strip():
        raise Invalid("A name starts and ends with a visible character.")
    if max(len(text), len(name)) > NAME_MAX:
        raise Invalid(f"A name may have {NAME_MAX} characters at most.")
    name = _enforced(name.translate(_VARIANTS))
    if not any(unicodedata.category(char)[0] in "LNS" for char in name) or any(char in BLANKS for char in name):
        raise Invalid("A name needs a letter, a digit or a symbol, and no blank ones.")
    if any(len(_scripts(word)) > 1 for word in _words(name)):
        raise Invalid("A word of a name may not mix alphabets.")
    if name_key(name) in _reserved_keys():
        raise Invalid("This name is reserved.", code="reserved")
    if not _MARKS.isdisjoint(name):
        raise Invalid("A name may not hold signs that look like a mark of this site.", code="reserved")
    if sum(unicodedata.combining(char) > 0 for char in name) > len(name) // 2:
        raise Invalid("Too many marks on a letter.")
    return name


@cache
def _reserved_keys() -> frozenset[str]:
    return frozenset(map(name_key, RESERVED_NAMES))


def _enforced(name: str) -> str:
    """Return the name as PRECIS has it, each emoji as it was written. Raises Invalid."""
    signs = _signs(name)
    kept = [sign for sign in signs if len(sign) > 1 or sign in _KEPT]
    try:
        found = _NICKNAME.enforce("".join(_SIGN if len(sign) > 1 or sign in _KEPT else sign for sign in signs))
    except UnicodeEncodeError:
        raise Invalid("A name may not hold invisible or unknown characters.") from None
    first, *rest = found.split(_SIGN)
    return first + "".join(sign + part for sign, part in zip(kept, rest, strict=True))


def _signs(name: str) -> list[str]:
    """Return the characters of a name. An emoji of several characters is one. Invisible characters are left out."""
    if _OF_EMOJI.isdisjoint(name):
        return list(name)
    # Imported late: its table takes 8 MB in a process that has met such an emoji.
    import emoji

    return [token.chars for token in emoji.analyze(name, non_emoji=True, join_emoji=False)]


def _words(name: str) -> list[str]:
    return "".join(" " if unicodedata.category(char)[0] in "PZ" else char for char in name).split()


def _scripts(word: str) -> set[str]:
    names = {unicodedata.name(char, "").partition(" ")[0] for char in word if char.isalpha()}
    return names & {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE"}
