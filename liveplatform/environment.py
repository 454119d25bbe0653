"""The site's part of the environment: empty variables count as absent.

Standard library only: `manage.py` and the tests need it before settings are read.
"""

from __future__ import annotations

import os

PREFIX = "LIVE_"
NAMES = frozenset(
    (
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASE_REPLICA_URL",
        "DATABASE_URL",
        "DEBUG",
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


def is_ours(name: str) -> bool:
    return name in NAMES or name.startswith(PREFIX)


def forget_empty() -> None:
    """Take the site's empty variables out of the environment: `ALLOWED_HOSTS=` is how many files say "not set"."""
    for name in [name for name, value in os.environ.items() if not value and is_ours(name)]:
        del os.environ[name]
