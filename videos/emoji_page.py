"""The picker of emoji, as a page adds it. Called by the URLs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from accounts.pages import page
from web import languages

GROUPS = (
    ("own", "⭐", _("Of this channel")),
    ("often", "🕘", _("Often used")),
    ("0", "😀", _("Smileys")),
    ("1", "👋", _("People")),
    ("3", "🐱", _("Animals and nature")),
    ("4", "🍎", _("Food and drink")),
    ("5", "🏠", _("Travel and places")),
    ("6", "⚽", _("Activities")),
    ("7", "💡", _("Objects")),
    ("8", "❤️", _("Symbols")),
    ("9", "🏁", _("Flags")),
)
"""What the picker shows one beside the other: the numbers are the groups of emojibase."""


@page
async def picker(request: HttpRequest) -> HttpResponse:
    """Send what static/js/parts/emoji.js adds to the page: the same for everybody."""
    language = languages.named_in(request)
    response = render(request, "videos/emoji.html", {"groups": GROUPS})
    response.headers["Cache-Control"] = "public, max-age=60"
    response.headers["Content-Language"] = language
    return response
