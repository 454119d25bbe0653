"""Runs SQL that Django has no words for. Called by what reads or writes many rows with one statement."""

from __future__ import annotations

from typing import Any

from django.db import connection


def run(statement: str, values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def rows(statement: str, values: Any) -> list[tuple[Any, ...]]:
    """Return all rows that the statement gives. `values`: a sequence, or a mapping for names."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
