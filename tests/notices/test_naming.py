"""Which names a text may hold."""

from __future__ import annotations

import pytest

from notices.naming import PLACES_MAX, names_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("hello", []),
        ("hello @Ana", [["ana"]]),
        ("@Ana Maria, look", [["ana maria, look", "ana maria,", "ana maria", "ana"]]),
        ("(@Ana)", [["ana)", "ana"]]),
        ("@Élodie!", [["élodie!", "élodie"]]),
        ("write to ana@example.org", []),
        ("@ nobody", []),
        ("@", []),
        ("@Ana @Ben", [["ana @ben", "ana"], ["ben"]]),
        (f"@{'x' * 60}", [[]]),
    ],
)
def test_names_are_what_stands_after_an_at_up_to_the_end_of_a_word(text: str, names: list[list[str]]) -> None:
    assert names_in(text) == names


def test_a_comment_that_names_many_is_heard_by_the_first() -> None:
    assert len(names_in("@a " * 50)) == PLACES_MAX
