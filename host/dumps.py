"""The database as one file, by PostgreSQL's own programs: `pg_dump` and `pg_restore`.

Called by backup and restore. The system's programs are preferred, because they know TLS; those of the embedded server
are always there. `pg_dump` must be as new as the server or newer, and `pg_restore` as new as `pg_dump` or newer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import psycopg
from psycopg import conninfo, sql

from host import databases, embedded
from host.errors import Unusable

SYSTEM = "/usr/lib/postgresql"
CONNECT_SECONDS = 5
TIMEOUT_MAJOR = 17  # from this one on, pg_restore sets a timeout that older servers do not know, and fails


def connect(url: str, *, database: str = "") -> psycopg.Connection:
    """Return a connection that commits each statement, to another database of the server if one is named."""
    try:
        return psycopg.connect(
            **{**databases.parse(url), **({"dbname": database} if database else {})},  # type: ignore[arg-type]
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
        )
    except psycopg.Error as error:
        raise Unusable(f"the database does not let us in: {_cause_line(error)}") from error


def server_major(url: str) -> int:
    """Return the major version of the server. Raises Unusable."""
    with connect(url) as connection:
        return connection.info.server_version // 10_000


def programs(*, at_least: int) -> tuple[int, Path]:
    """Return the oldest programs of that major version or newer: their version and folder. Raises Unusable."""
    found = [(major, folder) for folder in _folders() if (major := _major(folder)) >= at_least]
    if at_least < TIMEOUT_MAJOR:
        found = [(major, folder) for major, folder in found if major < TIMEOUT_MAJOR]
    if not found:
        raise Unusable(f"pg_dump and pg_restore of PostgreSQL {at_least} are needed: install its client programs")
    return min(found, key=lambda one: one[0])


def _folders() -> Iterator[Path]:
    yield from sorted(Path(SYSTEM).glob("*/bin"))
    if found := shutil.which("pg_dump"):
        # Do not follow the link: Debian's script reads from its own name which program to run.
        yield Path(found).parent
    if bundled := embedded.client_programs():
        yield bundled


def _major(folder: Path) -> int:
    try:
        said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True).stdout
    except OSError:
        return 0
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found and (folder / "pg_restore").exists() else 0


def dump(url: str, path: Path, *, folder: Path) -> None:
    """Write the whole database as it is at one moment, while others write. Raises Unusable."""
    # Roles and rights belong to the server. The role that restores the dump owns the tables.
    options = ("--format=custom", "--no-owner", "--no-privileges", f"--file={path}", f"--dbname={_target(url)}")
    _run([folder / "pg_dump", *options], url)


def fill(url: str, file: IO[bytes], *, folder: Path, database: str) -> None:
    """Fill an empty database of the server, completely or not at all. Raises Unusable."""
    options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    _run([folder / "pg_restore", *options, f"--dbname={_target(url, database)}"], url, file)
    with connect(url, database=database) as connection:
        # Without this, queries are planned for tables of unknown size, until the server analyses them by itself.
        connection.execute("ANALYZE")


def is_empty(url: str) -> bool:
    """Return whether the database has no tables."""
    with connect(url) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE relkind IN ('r', 'p') AND nspname !~ '^(pg_|information_schema$)' LIMIT 1"
        )
        return found.fetchone() is None


def users(url: str) -> list[str]:
    """Return the programs that use the database now, by the names that they give."""
    with connect(url) as connection:
        found = connection.execute(
            "SELECT DISTINCT coalesce(nullif(application_name, ''), 'a program without a name') FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return sorted(name for (name,) in found)


def clear(url: str) -> None:
    """Empty a database again after it was filled in vain."""
    with connect(url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def exists(url: str, name: str) -> bool:
    with connect(url) as connection:
        return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def _target(url: str, database: str = "") -> str:
    given = {name: value for name, value in databases.parse(url).items() if name != "password"}
    return conninfo.make_conninfo(**{**given, **({"dbname": database} if database else {})})


def _run(argv: Sequence[str | Path], url: str, file: IO[bytes] | None = None) -> None:
    # All users of the machine can read arguments, but not the environment.
    password = databases.parse(url).get("password")
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **({"PGPASSWORD": password} if password else {})}
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env=environment, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe) as process:
        assert process.stdin and process.stderr
        try:
            if file:
                shutil.copyfileobj(file, process.stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass  # the program's own message is read below
        said = process.stderr.read().decode(errors="replace")
    if process.returncode:
        name = Path(argv[0]).name
        raise Unusable(f"{name} failed: {_cause_line(said).removeprefix(f'{name}: error: ')}")


# Swapping two databases


def create(url: str, name: str) -> None:
    """Make an empty database beside that of the URL. Raises Unusable."""
    with connect(url) as connection:
        try:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(sql.Identifier(name))
            )
        except psycopg.Error as error:
            raise Unusable(
                f"a database beside the present one cannot be made ({_cause_line(error)}): restore into an empty one"
            ) from error


def drop(url: str, name: str) -> None:
    with connect(url) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def swap(url: str, *, new: str, old: str) -> None:
    """Rename the site's database to `old`, and the database `new` to its name: both or none.

    Raises Unusable, also when a program uses one of them.
    """
    own = databases.parse(url)["dbname"]
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    with connect(url, database="postgres" if own != "postgres" else "template1") as connection:
        try:
            with connection.transaction():
                connection.execute(rename.format(sql.Identifier(own), sql.Identifier(old)))
                connection.execute(rename.format(sql.Identifier(new), sql.Identifier(own)))
        except psycopg.Error as error:
            raise Unusable(f"the databases cannot change places: {_cause_line(error)}") from error


def _cause_line(said: object) -> str:
    """Return the line in PostgreSQL's message that names the cause."""
    lines = [line.strip() for line in str(said).splitlines() if line.strip()] or ["no reason given"]
    return next((line for line in lines if "failed:" in line or "error:" in line), lines[0])
