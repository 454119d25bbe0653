"""Names that are made of a broadcast: its title where nobody gave it one, and the files that are downloaded."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from videos.text import FILE_NAME_MAX, automatic_title, file_name

NOW = datetime(2026, 11, 9, 23, 30, tzinfo=UTC)


def test_what_was_not_announced_can_be_told_apart() -> None:
    """All broadcasts of somebody had the same title."""
    first = automatic_title("Nadia", NOW, set())
    assert first == "Nadia live, 9 Nov 2026"
    assert automatic_title("Nadia", NOW, {first}) == "Nadia live, 9 Nov 2026 (2)"
    assert automatic_title("Nadia", NOW, {first, f"{first} (2)"}) == "Nadia live, 9 Nov 2026 (3)"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Sunrise over the lake", "Sunrise over the lake 2026-11-09.mp4"),
        ("../../etc/passwd", "etc passwd 2026-11-09.mp4"),
        ('What? "Yes": a|b\\c*', "What Yes a b c 2026-11-09.mp4"),
        ("a\u202etxt.exe\nb\0", "atxt.exeb 2026-11-09.mp4"),
        ("Größe 日本 👩\u200d🚀", "Größe 日本 👩🚀 2026-11-09.mp4"),
        ("...", "video 2026-11-09.mp4"),
        ("$(rm -rf ~); `id`", "(rm -rf ~) id 2026-11-09.mp4"),
    ],
)
def test_a_file_has_a_name_that_every_file_system_takes(title: str, name: str) -> None:
    assert file_name(title, NOW, ".mp4") == name


def test_a_long_title_makes_no_long_name() -> None:
    assert file_name("x" * 120, None, ".csv") == "x" * FILE_NAME_MAX + ".csv"
