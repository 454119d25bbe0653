"""What a watch page needs to show a board, beside its scripts: templates, texts, the moderators' dialog."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.pages import page
from polls.models import ANNOUNCEMENT_MAX, ASKED_MAX, GOAL_TITLE_MAX, OPTION_MAX, QUESTION_MAX
from polls.words import BOARD
from web import languages
from web.words import in_language


@page
async def parts(request: HttpRequest) -> HttpResponse:
    """Send what static/js/board/board.js adds to the page: the same for everybody."""
    language = languages.named_in(request)
    context = {
        "words": in_language(BOARD),
        "question_max": QUESTION_MAX,
        "option_max": OPTION_MAX,
        "announcement_max": ANNOUNCEMENT_MAX,
        "goal_title_max": GOAL_TITLE_MAX,
        "asked_max": ASKED_MAX,
        "asked_max_bytes": ASKED_MAX * 4,
    }
    response = render(request, "polls/board.html", context)
    response.headers["Cache-Control"] = "public, max-age=60"
    response.headers["Content-Language"] = language
    return response
