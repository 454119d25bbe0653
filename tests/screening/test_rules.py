"""Each rule of a channel: whom and what it refuses, and when it no longer does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from realtime.limits import Limited
from screening.rules import ALLOWED, Draft, Rules, Verdict, check
from screening.words import Measure, Wordlist, entries_of
from web.refusals import Refused

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def verdict(rules: Rules, body: str = "Good morning", **known: Any) -> Verdict:
    about = {"is_guest": False, "joined_at": NOW - timedelta(days=400), **known}
    return check(Draft(body, NOW, **about), rules)


def code(found: Verdict) -> str:
    assert isinstance(found.refusal, Refused)
    return found.refusal.code


def ago(**time: int) -> datetime:
    return NOW - timedelta(**time)


def test_without_rules_everything_is_allowed() -> None:
    assert verdict(Rules(), "LOUD LOUD LOUD https://example.org", is_guest=True) == ALLOWED


def test_slow_mode_says_how_long_to_wait() -> None:
    found = verdict(Rules(slow_seconds=30), last_at=ago(seconds=12))
    assert isinstance(found.refusal, Limited)
    assert found.refusal.retry_seconds == 18
    assert verdict(Rules(slow_seconds=30), last_at=ago(seconds=30)) == ALLOWED
    assert verdict(Rules(slow_seconds=30)) == ALLOWED


def test_accounts_of_some_age() -> None:
    rules = Rules(account_minutes=60)
    assert code(verdict(rules, is_guest=True)) == "accounts_only"
    assert code(verdict(rules, joined_at=ago(minutes=59))) == "account_too_new"
    assert verdict(rules, joined_at=ago(minutes=60)) == ALLOWED
    assert verdict(Rules(account_minutes=0), joined_at=NOW) == ALLOWED
    assert code(verdict(Rules(account_minutes=0), is_guest=True)) == "accounts_only"


def test_followers_of_some_time() -> None:
    rules = Rules(follow_minutes=10)
    assert code(verdict(rules)) == "followers_only"
    assert code(verdict(rules, followed_at=ago(minutes=9))) == "followers_only"
    assert verdict(rules, followed_at=ago(minutes=10)) == ALLOWED


@pytest.mark.parametrize("text", ["👍", "👍🏽 🎉\n❤️", "👩‍🚀🏴󠁧󠁢󠁳󠁣󠁴󠁿"])
def test_emoji_only_takes_emoji(text: str) -> None:
    assert verdict(Rules(emoji_only=True), text) == ALLOWED


@pytest.mark.parametrize("text", ["yes", "👍 yes", "5", ":)"])
def test_emoji_only_takes_nothing_else(text: str) -> None:
    assert code(verdict(Rules(emoji_only=True), text)) == "emoji_only"


@pytest.mark.parametrize("text", ["see https://x.example", "www.example.test", "Example.COM!", "bit.ly/3x", "a.bc/d"])
def test_links_are_seen(text: str) -> None:
    assert code(verdict(Rules(links_off=True), text)) == "no_links"


@pytest.mark.parametrize("text", ["Hello.There you are", "e.g. this", "1.5 and 2.0", "what...", "U.S.A.", "w/o any"])
def test_sentences_are_no_links(text: str) -> None:
    assert verdict(Rules(links_off=True), text) == ALLOWED


def test_capitals() -> None:
    rules = Rules(capitals_off=True)
    assert code(verdict(rules, "WHY DOES NOBODY ANSWER")) == "capitals"
    for text in ("OK NASA", "What a GREAT show today", "大家好，今天的节目真不错啊"):
        assert verdict(rules, text) == ALLOWED


def test_repeats() -> None:
    rules = Rules(repeats_off=True)
    for text in ("noooooooooooooooo", "buy " * 8, "🎉" * 14):
        assert code(verdict(rules, text)) == "repeats"
    last = {"last_at": ago(seconds=20), "last_body": "Look at this"}
    assert code(verdict(rules, "look  AT this", **last)) == "repeats"
    assert verdict(rules, "and at this", **last) == ALLOWED
    assert verdict(rules, "Look at this", last_at=ago(seconds=61), last_body="Look at this") == ALLOWED


def test_words_refuse_or_hold() -> None:
    lists = [Wordlist(entries_of("crook", Measure.REFUSE)), Wordlist(entries_of("money", Measure.HOLD))]
    draft = Draft("Money, you crook", NOW, is_guest=True, joined_at=NOW)
    assert code(check(draft, Rules(), lists)) == "words"
    assert check(draft, Rules(), lists[1:]) == Verdict(hold="money")
