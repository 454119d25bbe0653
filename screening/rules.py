"""The rules for a comment: may it be written now, by this person, with this text?

Pure. Called by videos.screened for each comment that the broadcaster and moderators have not written themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import re2

from realtime.limits import Limited
from screening.folding import folded
from screening.words import Measure, Wordlist
from web.refusals import Forbidden, Refused

CAPITALS_FROM = 12  # letters
CAPITALS_SHARE = 0.7
REPEAT_SECONDS = 60
RUN_MAX = 12
WORD_REPEATS_MAX = 6

_OPTIONS = re2.Options()
_OPTIONS.case_sensitive = False
# A domain alone is a link if it ends as most do: "Hello.There" is none.
_LINK = re2.compile(
    r"https?://|\bwww\.|\b[\w-]+\.(?:com|net|org|info|biz|io|gg|tv|ly|co|app|dev|link|live|shop|site|online|store|top"
    r"|xyz|club|ru|de|fr|uk|eu|cc)(?:$|[^\w-])|\b[\w-]+\.[a-z]{2,}/\S",
    _OPTIONS,
)
_RUN = re.compile(rf"(\S)\1{{{RUN_MAX},}}")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a channel, as screening.models.ChannelRules has them."""

    slow_seconds: int = 0
    account_minutes: int | None = None
    follow_minutes: int | None = None
    emoji_only: bool = False
    links_off: bool = False
    capitals_off: bool = False
    repeats_off: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A comment that is to be written, and what is known of its author.

    `last_at` and `last_body`: their last comment at this video. `followed_at`: since when they follow the channel.
    `emoji_codes`: of the channel's own emoji.
    """

    body: str
    at: datetime
    is_guest: bool
    joined_at: datetime
    followed_at: datetime | None = None
    last_at: datetime | None = None
    last_body: str = ""
    emoji_codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done with a comment. If neither field is set, it is written."""

    refusal: Refused | Limited | None = None
    hold: str = ""
    """Why it waits for a moderator."""


ALLOWED = Verdict()


def check(draft: Draft, rules: Rules, wordlists: Sequence[Wordlist] = ()) -> Verdict:
    """Return the verdict on a comment: first who may write now, then what may be written. The first refusal counts."""
    if refusal := _refused_author(draft, rules) or _refused_text(draft, rules):
        return Verdict(refusal)
    hits = [hit for wordlist in wordlists if (hit := wordlist.match(draft.body)) is not None]
    strictest = max(hits, key=lambda entry: entry.measure, default=None)
    if strictest is None:
        return ALLOWED
    if strictest.measure == Measure.REFUSE:
        return Verdict(Forbidden("Comments with such words are not taken here.", code="words"))
    return Verdict(hold=strictest.line)


def _refused_author(draft: Draft, rules: Rules) -> Refused | Limited | None:
    if rules.account_minutes is not None:
        age = draft.at - draft.joined_at
        if draft.is_guest:
            return Forbidden("Only accounts may comment here: sign in first.", code="accounts_only")
        if age < (least := timedelta(minutes=rules.account_minutes)):
            return Forbidden(f"Your account may comment here in {_in_words(least - age)}.", code="account_too_new")
    if rules.follow_minutes is not None:
        if draft.followed_at is None:
            return Forbidden("Only followers of this channel may comment.", code="followers_only")
        since = draft.at - draft.followed_at
        if since < (least := timedelta(minutes=rules.follow_minutes)):
            return Forbidden(f"You may comment in {_in_words(least - since)}.", code="followers_only")
    if rules.slow_seconds and draft.last_at is not None:
        waited = (draft.at - draft.last_at).total_seconds()
        if waited < rules.slow_seconds:
            return Limited(rules.slow_seconds - waited)
    return None


def closed_for(wait: timedelta) -> Refused:
    """Return the refusal of a newcomer while the gate is closed."""
    detail = f"Newcomers may comment here again in {_in_words(wait)}. Who came before may write."
    return Forbidden(detail, code="gate_closed")


def _in_words(wait: timedelta) -> str:
    minutes = max(1, round(wait.total_seconds() / 60))
    hours, days = minutes // 60, minutes // 1440
    number, unit = (days, "day") if days > 1 else (hours, "hour") if hours > 1 else (minutes, "minute")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _refused_text(draft: Draft, rules: Rules) -> Refused | None:
    if rules.emoji_only and not _is_emoji(draft.body, draft.emoji_codes):
        return Forbidden("Only emoji may be sent now.", code="emoji_only")
    if rules.links_off and _LINK.search(draft.body):
        return Forbidden("Links may not be sent here.", code="no_links")
    if rules.capitals_off and _is_shouted(draft.body):
        return Forbidden("Please write without so many capitals.", code="capitals")
    if rules.repeats_off:
        if _repeats_itself(draft.body):
            return Forbidden("Please say it once.", code="repeats")
        if _repeats_last(draft):
            return Forbidden("You have just written that.", code="repeats")
    return None


def _is_emoji(text: str, codes: Collection[str]) -> bool:
    # Imported late: its table takes 8 MB.
    import emoji

    if codes:
        text = re.sub(f":(?:{'|'.join(codes)}):", "", text)
    return bool(emoji.purely_emoji("".join(text.split())))


def _is_shouted(text: str) -> bool:
    letters = sum(map(str.isalpha, text))
    return letters >= CAPITALS_FROM and sum(map(str.isupper, text)) >= CAPITALS_SHARE * letters


def _repeats_itself(text: str) -> bool:
    if _RUN.search(text):
        return True
    found = folded(text).split()
    return len(found) > WORD_REPEATS_MAX and max(Counter(found).values()) > max(WORD_REPEATS_MAX, len(found) / 2)


def _repeats_last(draft: Draft) -> bool:
    if draft.last_at is None or (draft.at - draft.last_at).total_seconds() > REPEAT_SECONDS:
        return False
    return folded(draft.body).split() == folded(draft.last_body).split()
