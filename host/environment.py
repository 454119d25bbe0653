"""The site's part of the environment. Empty variables count as absent; names that are nearly right are reported.

Standard library only: `manage.py` and the tests need it before settings are read.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Iterator

PREFIX = "LIVE_"
NAMES = frozenset(
    (
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASE_REPLICA_URL",
        "DATABASE_URL",
        "DEBUG",
        "DOMAIN",
        "HOST",
        "LOG_LEVEL",
        "PORT",
        "REDIS_URL",
        "SECRET_KEY",
        "SECURE_COOKIES",
        "TRUSTED_PROXIES",
    )
)
"""The settings whose names do not begin with `PREFIX`."""
# How similar two names must be. PORTS, LOGLEVEL and DATABASE_URI reach the second; HOSTNAME, HOME and POST do not.
_LIKE, _SURELY = 0.6, 0.85


def is_ours(name: str) -> bool:
    return name in NAMES or name.startswith(PREFIX)


def forget_empty() -> None:
    """Remove the site's empty variables from the environment: in many files `ALLOWED_HOSTS=` means "not set"."""
    for name in [name for name, value in os.environ.items() if not value and is_ours(name)]:
        del os.environ[name]


def say_doubts(read: Iterable[str]) -> None:
    """Print one line for each variable that looks like a setting and is none. `read` are the settings' names.

    The variable is removed, so the site's other processes do not print the line again.
    """
    for name, doubt in list(_doubts({*read, *NAMES})):
        print(f"liveplatform: {name} is no setting{doubt}", file=sys.stderr)
        del os.environ[name]


def _doubts(settings: set[str]) -> Iterator[tuple[str, str]]:
    known = {name.removeprefix(PREFIX): name for name in settings}
    for name in sorted(os.environ.keys() - settings):
        written = name.upper() if name.upper().startswith(PREFIX) else name  # `port` may be another program's
        cutoff = _LIKE if name.startswith(PREFIX) else _SURELY
        near = difflib.get_close_matches(written.removeprefix(PREFIX), known, n=1, cutoff=cutoff)
        if near:
            yield name, f": is {known[near[0]]} meant?"
        elif name.startswith(PREFIX):
            yield name, ""
