"""The rules for what broadcasters type, titles and addresses, and for the names that are made of a title.

Pure functions. Called by the API, the admin, the ingest and downloads. What every text keeps to is in web.text. Which
other sites may be named is the administrator's to say (LIVE_PLAYLIST_ORIGINS, LIVE_PULL_ORIGINS).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from datetime import datetime

from django.conf import settings

from web.refusals import Invalid
from web.text import TITLE_MAX, clean_text, is_visible

FILE_NAME_MAX = 80
# What a file system of Windows, macOS or Linux refuses in a name, and what a shell or a terminal might take for more.
_BAD_IN_FILES = re.compile(r'[<>:"/\\|?*%`$;&\s]+')
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_OURS = r"/media/[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\.m3u8"
# What may be in the path and the query of an address (RFC 3986), and in a name with its password.
_PATH, _USER = r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]", r"[A-Za-z0-9._~!$&'()*+,;=:%-]"


def _of_origins(origins: list[str], user: str, rest: str) -> list[str]:
    """Return patterns of the addresses at these origins."""
    split = (origin.split("://") for origin in origins)
    return [f"{scheme}://{user if scheme == 'rtsp' else ''}{re.escape(place)}/{rest}" for scheme, place in split]


PLAYLIST = re.compile(
    "|".join([_OURS, *_of_origins(settings.LIVE_PLAYLIST_ORIGINS, "", rf"{_PATH}*\.m3u8(\?({_PATH}|\?)*)?")])
)
SOURCE = re.compile("|".join(_of_origins(settings.LIVE_PULL_ORIGINS, f"({_USER}+@)?", rf"({_PATH}|\?)*")))


def clean_title(text: str) -> str:
    """Return a title as it is stored: clean, on one line. Raises Invalid when nothing visible is left, or too much."""
    title = " ".join(clean_text(text).split())
    if not is_visible(title):
        raise Invalid("Give the video a title.")
    if len(title) > TITLE_MAX:  # NFC makes some characters longer
        raise Invalid(f"A title may have {TITLE_MAX} characters at most.", code="too_long")
    return title


def check_playlist(playlist: str) -> None:
    """Raises Invalid unless it is empty, a path on this site, or at an origin that is allowed."""
    if playlist and not PLAYLIST.fullmatch(playlist):
        others = "".join(f" Or it is at {origin}." for origin in settings.LIVE_PLAYLIST_ORIGINS)
        raise Invalid(f"A playlist is a path on this site, like /media/<id>/live.m3u8.{others}")


def may_pull(source: str) -> bool:
    """Whether the site may fetch a picture from this address."""
    return SOURCE.fullmatch(source) is not None


def check_source(source: str) -> None:
    """Raises Invalid unless it is empty or may be fetched from."""
    if source and not may_pull(source):
        origins = ", ".join(settings.LIVE_PULL_ORIGINS) or "nowhere"
        raise Invalid(f"This site fetches pictures from {origins}.")


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
