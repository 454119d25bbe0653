"""What PostgreSQL reads for a query. Tests count it, so that it does not grow with the site."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection


@dataclass(frozen=True, slots=True)
class Scan:
    """A step of a plan that reads a table. `rows`: what it has looked at; 0 for a statement that was not tried."""

    node: str
    table: str
    rows: int

    @property
    def reads_all(self) -> bool:
        return self.node == "Seq Scan"


_SEEM_LARGE = "UPDATE pg_class SET reltuples = 1e6 * greatest(relpages, 1), relpages = greatest(relpages, 1)"
_FORGET = "UPDATE pg_class SET reltuples = -1, relpages = 0"
_OURS = "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


@contextmanager
def large_tables() -> Iterator[None]:
    """Have PostgreSQL plan as if all tables had millions of rows."""
    with connection.cursor() as cursor:
        cursor.execute(f"{_SEEM_LARGE} {_OURS}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"{_FORGET} {_OURS}")


@contextmanager
def scans() -> Iterator[list[Scan]]:
    """Note each scan of the queries inside, as for large tables: all of one is read where nothing else helps."""
    found: list[Scan] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Mapping[str, Any]) -> Any:
        if sql.lstrip().upper().startswith(("SELECT", "WITH", "DELETE", "UPDATE")):
            is_reading = not any(word in sql for word in ("DELETE", "UPDATE", "INSERT"))
            options = "ANALYZE, FORMAT JSON" if is_reading else "FORMAT JSON"
            with context["connection"].connection.cursor() as cursor:
                cursor.execute("SET enable_seqscan = off")  # an empty table never seems large
                cursor.execute(f"EXPLAIN ({options}) {sql}", params)
                plan = cursor.fetchone()[0]
                cursor.execute("RESET enable_seqscan")
            found.extend(_scans((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]))
        return execute(sql, params, many, context)

    with large_tables(), connection.execute_wrapper(explain):
        yield found


def _scans(plan: Mapping[str, Any]) -> Iterator[Scan]:
    if "Scan" in plan["Node Type"] and "Relation Name" in plan:
        rows = plan.get("Actual Rows", 0) + plan.get("Rows Removed by Filter", 0)
        yield Scan(plan["Node Type"], plan["Relation Name"], round(rows * plan.get("Actual Loops", 1)))
    for part in plan.get("Plans", ()):
        yield from _scans(part)
