"""Errors that a person at the keyboard can mend. Each is one line, which the commands print before they end with code
2.
"""

from __future__ import annotations

import sys


class Unusable(Exception):
    """The command cannot do what it was asked. The message is one line that says what to change."""


class ServersError(Unusable):
    """The embedded servers cannot be used."""


def reason(error: Exception) -> str:
    """Return what the system says about an error, without its number and file."""
    return getattr(error, "strerror", None) or str(error)


UNDEFINED_TABLE = "42P01"


def explain(error: Exception) -> str | None:
    """Return the line for an error of the settings or the database that a person can mend, None for a fault of ours."""
    # Imported here: a start without an error must not wait for it.
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import CommandError
    from django.db.utils import OperationalError, ProgrammingError

    if isinstance(error, Unusable | ImproperlyConfigured | CommandError):
        return str(error)
    if isinstance(error, ProgrammingError) and getattr(error.__cause__, "sqlstate", None) == UNDEFINED_TABLE:
        return f"the database lacks tables ({database_reason(error)}): manage.py migrate makes them"
    if isinstance(error, OperationalError):
        return f"DATABASE_URL: {database_reason(error)}"
    return None


def exit_code_of(error: Exception) -> int:
    """Print the line for an error that a person can mend, and return 2. Another error is raised on."""
    if (line := explain(error)) is None:
        raise error
    print(f"liveplatform: {line}", file=sys.stderr)
    return 2


def database_reason(error: Exception) -> str:
    """Return the line of a database error that tells what is wrong; a host with two addresses gets one for each."""
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    return next((line for line in reversed(lines) if "failed:" in line), lines[0])
