"""Which display names there are, and which are refused because they deceive. Titles and texts keep as much."""

from __future__ import annotations

import pytest

from accounts.lookalikes import name_key
from accounts.names import clean_name
from web.refusals import Invalid

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
NAMES = [
    "علی\u200cرضا",  # Persian: a half-space
    "ශ්\u200dරී", "ക്\u200dഷ", "नमिता", "தமிழ்", "বাংলা",  # a joiner after a virama
    f"{SCOTLAND} Jock", "👩\u200d🚀 Sally", "🏳\ufe0f\u200d🌈", "👍🏽 up", "🇳🇱 Jan",
    "1\ufe0f\u20e3 one", "I \u2764\ufe0f you", "☺ me",
    "阿达·洛芙莱斯", "محـمد", "中・川", "דוד", "Νίκος", "Ольга", "Հայկ", "ᏣᎳᎩ", "สมชาย", "김철수", "Ẹ̀kọ́", "Đặng",
    "Ω-team", "O'Neil-Smith", "R2D2", "…and all".replace("…", "..."), "Ada Ольга",
]  # fmt: skip
DECEIVE = [
    "a\u200db", "a\u200cb", "Ada\u200d", "Ada\u200c", "A\u200bda", "Ada\u2060", "\ufeffAda", "Ada\u00ad", "Ada\u034f",
    "\u202eadA", "A\u2066da", "Ada\u200f", "Ada\u061c", "محمد\u200c",  # a half-space that parts nothing
    "👩\u200d👩\u200d", "👩\u200d👍", "Ada\U000e0067\U000e007f", f"{SCOTLAND[0]}\U000e0061\U000e007f",  # no emoji
    "\ufe0f", "\u180b", "\u115f", "\u3164", "\u2800", "\ue000", "\u0378", "a\u0000", "Ada\u2028Bo", "Ada\nBo",
    "Adm1n", "M0DERAT0R", "AdmIn", "admin.", "s-t-a-f-f", "Adrnin", "ᴀᴅᴍɪɴ", "Nadia ✓", "✅ Nadia", "🛡 Mo",
    "аdmin", "adm\u0456n", "Ωmega", "support", "S U P P O R T", "a" + "\u0301" * 9,
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_name_that_people_have_is_kept_as_they_write_it(name: str) -> None:
    """Half-spaces and the flag of Scotland were refused as invisible characters."""
    assert clean_name(name) == name


@pytest.mark.parametrize("name", DECEIVE, ids=ascii)
def test_name_that_looks_like_another_or_like_none_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        clean_name(name)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Ada  Lovelace", "Ada Lovelace"),
        ("Ada\u3000Lovelace", "Ada Lovelace"),
        ("ＡＤＡ", "ADA"),
        ("葛\U000e0100城", "葛城"),
        ("x\ufe0f\u2764\ufe0e", "x\u2764"),
    ],
)
def test_what_cannot_be_told_apart_is_one_name(written: str, name: str) -> None:
    assert clean_name(written) == name


@pytest.mark.parametrize("other", ["nadia", "NADIA", "Nad1a", "Nadla", "Νаdіа", "N a d i a", "Nadia."])
def test_names_that_look_alike_have_one_key(other: str) -> None:
    assert name_key(other) == name_key("Nadia")


@pytest.mark.parametrize("other", ["Nadja", "Nadine", "Nádia", "🎉"])
def test_other_names_have_another_key(other: str) -> None:
    assert name_key(other) != name_key("Nadia")
