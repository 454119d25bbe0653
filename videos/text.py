"""The rules for what broadcasters type: titles and playlists. What every text keeps to is in web.text.

Pure functions. Called by the API and the admin.
"""

from __future__ import annotations

import re

from web.refusals import Invalid
from web.text import TITLE_MAX, clean_text, is_visible

PLAYLIST = re.compile(r"/media/[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\.m3u8", re.ASCII)


def clean_title(text: str) -> str:
    """Return a title as it is stored: clean, on one line. Raises Invalid when nothing visible is left, or too much."""
    title = " ".join(clean_text(text).split())
    if not is_visible(title):
        raise Invalid("Give the video a title.")
    if len(title) > TITLE_MAX:  # NFC makes some characters longer
        raise Invalid(f"A title may have {TITLE_MAX} characters at most.", code="too_long")
    return title


def check_playlist(playlist: str) -> None:
    """Raises Invalid unless it is empty or a path on this site: nothing is fetched from elsewhere."""
    if playlist and not PLAYLIST.fullmatch(playlist):
        raise Invalid("A playlist is a path on this site, like /media/<id>/live.m3u8.")
