"""Deletes many rows in short transactions, so that nobody waits for them. Called by jobs."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

ROWS_MAX = 1_000  # of one transaction


def delete_in_parts(rows: QuerySet[Any]) -> int:
    """Delete the rows, which have an `id`, and which none refers to. Return how many."""
    deleted, found = 0, ROWS_MAX
    while found == ROWS_MAX:
        found, _ = rows.model._default_manager.filter(id__in=rows.values("id")[:ROWS_MAX]).delete()
        deleted += found
    return deleted
