"""What a watch page needs for those who moderate, beside its scripts: a dialog, "Undo", texts. Called by the URLs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.pages import page
from moderation.models import NOTE_MAX, REASON_MAX
from moderation.words import TOOLS
from web.words import in_language


@page
async def tools(request: HttpRequest) -> HttpResponse:
    """Send what static/js/moderation/tools.js adds to the page: the same for everybody."""
    response = render(
        request, "moderation/tools.html", {"words": in_language(TOOLS), "reason_max": REASON_MAX, "note_max": NOTE_MAX}
    )
    response.headers["Cache-Control"] = "public, max-age=60"
    return response
