"""Which spellings of a word a list knows, which other words it leaves alone, and which entries are none."""

from __future__ import annotations

import pytest

from screening.words import LINES_MAX, PATTERNS_MAX, Measure, Wordlist, entries_of
from web.refusals import Invalid


def listed(text: str, measure: Measure = Measure.REFUSE) -> Wordlist:
    return Wordlist(entries_of(text, measure))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("crook", "What a CROOK!"), ("crook", "crooook"), ("crook", "cr00k"), ("crook", "c r o o k"),
        ("crook", "c.r.o.o.k"), ("crook", "c🔥r🔥o🔥o🔥k"), ("crook", "ｃｒｏｏｋ"), ("crook", "cröok"),
        ("crook", "сrооk"), ("crook", "𝓬𝓻𝓸𝓸𝓴"), ("crook", "c\u200br\u200bo\u200bo\u200bk"),
        ("ass", "a$$"), ("ass", "a55"), ("ass", "aasss"), ("idiot", "1d1ot"), ("1488", "it is 1488"),
        ("сука", "СУКА"), ("死ね", "お前死ねよ"), ("buy followers", "I'll BUY  followers"), ("scam*", "scammers"),
        ("*nazi*", "oldnazis"), (r"/free\s+(robux|v-?bucks)/", "get FREE  VBucks"),
    ],
)  # fmt: skip
def test_entry_fits_every_spelling(line: str, text: str) -> None:
    found = listed(line).match(text)
    assert found is not None
    assert found.line == line


def test_pattern_is_for_the_text_as_written_and_as_folded() -> None:
    assert listed("/cr[o0]+k/").match("сrооk") is not None
    assert listed("/ｃ/").match("ｃ") is not None


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ass", "as if, pass, class, glass"), ("ass", "455"), ("hell", "he'll say hello to Shelly"),
        ("1488", "14880"), ("scam*", "a scan"), ("buy followers", "buyfollowers"), ("crook", ""), ("crook", "👍🏽"),
        ("crook", "c r"),
    ],
)  # fmt: skip
def test_other_words_are_left_alone(line: str, text: str) -> None:
    assert listed(line).match(text) is None


def test_strictest_entry_counts() -> None:
    both = Wordlist([*entries_of("crook", Measure.HOLD), *entries_of("/cro+k/", Measure.REFUSE)])
    found = both.match("crook")
    assert found is not None
    assert found.measure == Measure.REFUSE


def test_empty_lines_and_remarks_are_no_entries() -> None:
    assert not listed("\n  \n# of last week\n")
    assert listed("").match("anything") is None


def test_pattern_that_explodes_elsewhere_is_one_of_many() -> None:
    """Python's own `re` needs years for this one."""
    assert listed("/(a+)+$/\n/(.*a){20}b/").match("a" * 1_000 + "!") is None


def test_ten_thousand_words_are_a_list() -> None:
    many = "\n".join(f"word{number:05}x" for number in range(LINES_MAX))
    assert listed(many).match("here is word09999x") is not None
    with pytest.raises(Invalid):
        listed(f"{many}\none more")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("/(/", "bad_pattern"), (r"/(?=a)/", "bad_pattern"), (r"/(a)\1/", "bad_pattern"), ("***", "bad_pattern"),
        ("/((a{100}){10}){10}/", "bad_pattern"), ("x" * 201, "too_long"), ("🔥", "bad_pattern"),
        ("\n".join(f"/{number}/" for number in range(PATTERNS_MAX + 1)), "too_long"),
    ],
)  # fmt: skip
def test_entry_that_is_none_is_refused(line: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        listed(line)
    assert refused.value.code == code
