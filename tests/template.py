"""The database that all others of a run are copies of: it is migrated once, whatever the number of processes."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

NAME = "TEST_TEMPLATE"
"""The environment variable with its name, which the processes of a run share."""


def migrated() -> str:
    """Return its name. The process that comes first makes it, and others wait for that."""
    name = os.environ.setdefault(NAME, f"template_{os.getpid()}")
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).rowcount:
            _make(connection, name)
    return name


def _make(connection: psycopg.Connection, name: str) -> None:
    """Make it under another name, so that a half migrated one is nobody's template."""
    from tests import forks

    making = sql.Identifier(f"{name}_making")
    connection.execute(sql.SQL("CREATE DATABASE {}").format(making))
    url = urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}_making"))
    env = {**os.environ, "DATABASE_URL": url}
    forks.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], env=env).check_returncode()
    connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(making, sql.Identifier(name)))


def drop(database_url: str) -> None:
    """Drop it: the server may be one that outlives the run."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for name in (os.environ[NAME], f"{os.environ[NAME]}_making"):
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
