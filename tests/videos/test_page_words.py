"""What the pages write beside a number or a time, as the server draws it."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from django.template.loader import render_to_string

from videos.views import comment_rows


def card(**fields: Any) -> str:
    """Return a card of the home page as one reads it."""
    video = {
        "id": "1",
        "title": "A",
        "status": "live",
        "broadcaster": {"name": "Ada"},
        "likes": {"total": 0},
        "starts_at_ms": None,
        **fields,
    }
    drawn = re.sub(r"<[^>]*\bhidden>.*?</span>", "", render_to_string("videos/_card.html", {"card": video}))
    return " ".join(re.sub(r"<[^>]*>", "", drawn).split())


@pytest.mark.parametrize(("total", "words"), [(0, "0 likes"), (1, "1 like"), (2, "2 likes"), (1_234, "1.2K likes")])
def test_one_like_is_not_many(total: int, words: str) -> None:
    assert words in card(likes={"total": total})


@pytest.mark.parametrize(("minutes", "is_late"), [(-5, False), (0, False), (2, True), (60, True)])
def test_a_planned_start_that_has_passed_is_said(minutes: int, is_late: bool) -> None:
    """It looked like one that was still to come; the watch page said "Starting in a moment" for hours."""
    drawn = card(status="upcoming", starts_at_ms=round(time.time() * 1000) - minutes * 60_000)
    assert ("Not started yet" in drawn) is is_late


def written(id: str, author: str, reply_to: str | None = None) -> dict[str, Any]:
    return {"id": id, "author": {"id": author}, "reply_to": reply_to}


@pytest.mark.parametrize(("may", "shown"), [([], [("2", None)]), (["delete"], [("1", None), ("2", "1")])])
def test_page_leaves_out_what_blocked_people_wrote(may: list[str], shown: list[tuple[str, str | None]]) -> None:
    """Blocking somebody hid none of their comments. Who moderates the video reads them all the same."""
    state = {
        "snapshot": {"pinned": [], "comments": [written("1", "troll"), written("2", "ada", reply_to="1")]},
        "viewer": {"id": "me"},
        "blocked": ["troll"],
        "may": may,
    }
    rows = comment_rows(state)
    assert [(row["comment"]["id"], row["parent"] and row["parent"]["id"]) for row in rows] == shown
