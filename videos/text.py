"""The rules for what broadcasters type, titles and playlists, and for the names that are made of a title.

Pure functions. Called by the API, the admin, the ingest and downloads. What every text keeps to is in web.text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from datetime import datetime

from web.refusals import Invalid
from web.text import TITLE_MAX, clean_text, is_visible

PLAYLIST = re.compile(r"/media/[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\.m3u8", re.ASCII)
FILE_NAME_MAX = 80
# What a file system of Windows, macOS or Linux refuses in a name, and what a shell or a terminal might take for more.
_BAD_IN_FILES = re.compile(r'[<>:"/\\|?*%`$;&\s]+')
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


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


def automatic_title(name: str, now: datetime, taken: Collection[str]) -> str:
    """Return a title for what a broadcaster sends without having announced it: their name and the date.

    A second one on a day gets a number.
    """
    title = f"{name} live, {now.day} {now:%b %Y}"
    number = 1
    while (numbered := title if number == 1 else f"{title} ({number})") in taken:
        number += 1
    return numbered


def file_name(title: str, at: datetime | None, suffix: str) -> str:
    """Return a name for a file about a video: its title and date, in characters that every file system takes."""
    shown = "".join(char for char in title if unicodedata.category(char) not in _HIDDEN)
    words = _BAD_IN_FILES.sub(" ", shown).strip(" .-")[:FILE_NAME_MAX].strip(" .-")
    return " ".join(filter(None, [words or "video", f"{at:%Y-%m-%d}" if at else ""])) + suffix
