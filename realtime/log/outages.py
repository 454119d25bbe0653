"""Finds the errors which say that the database cannot serve now, for any reason. The caller may try again.

Called wherever such an error becomes an answer: database threads, group commit, pages and admin. Any other error is our
mistake, and is not hidden.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from django.db import InterfaceError, OperationalError

_AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
"""No connection, none in time, shut down, too many sessions, disk full, time-outs, deadlocks."""
_AWAY_STATES = frozenset(
    (
        "25006",  # read-only: a standby, or the old primary after a failover
        "25P03",  # idle in a transaction for too long
        "25P04",  # a transaction that took too long
    )
)
DISK_FULL = "53100"
READ_ONLY = "25006"


def is_outage(error: BaseException) -> bool:
    """Return whether the error, or one that it was raised for, says that the database cannot serve now."""
    return any(isinstance(each, _AWAY) or state_of(each) in _AWAY_STATES for each in _chain(error))


def reason(error: BaseException) -> str:
    """Return "read-only", "full", or "away"."""
    states = {state_of(each) for each in _chain(error)}
    return "read-only" if READ_ONLY in states else "full" if DISK_FULL in states else "away"


def state_of(error: BaseException) -> str | None:
    """Return the SQLSTATE that PostgreSQL gave the error."""
    return error.sqlstate if isinstance(error, psycopg.Error) else None


def first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
