"""Errors that a person at the keyboard can mend. Each is one line, which the commands print before they end with code
2.
"""

from __future__ import annotations


class Unusable(Exception):
    """The command cannot do what it was asked. The message is one line that says what to change."""


class ServersError(Unusable):
    """The embedded servers cannot be used."""


def reason(error: Exception) -> str:
    """Return what the system says about an error, without its number and file."""
    return getattr(error, "strerror", None) or str(error)
