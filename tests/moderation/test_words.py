"""Each act that is written into the log has words for people."""

from __future__ import annotations

import re
from pathlib import Path

from moderation.words import ACTS

RECORDED = re.compile(r'(?:audit\.record\([^"()]*|write_down\()"(\w+)"')


def test_every_act_of_the_log_has_words(checkout: Path, packages: list[str]) -> None:
    files = [file for package in packages for file in (checkout / package).rglob("*.py")]
    acts = {act for file in files for act in RECORDED.findall(file.read_text())}
    assert {"delete_all", "gate_closed", "open_poll"} <= acts
    assert acts - ACTS.keys() == set()
