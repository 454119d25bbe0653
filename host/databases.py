"""The URL of a database, read as PostgreSQL's own library (libpq) reads it. Used by the settings, backup and restore.

So all options of the URL (TLS, certificates, several hosts) hold for each connection that Django's settings describe:
those of the ORM, of the group commit and of the replica.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict

SCHEMES = ("postgresql", "postgres")
_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
# A frozen database is an error within 2 s, not a frozen site.
_LIMITS = "-c statement_timeout=5000 -c lock_timeout=2000"


class UnknownOption(ValueError):
    """The URL has an option that PostgreSQL does not know. The text is its name."""


def parse(url: str) -> dict[str, str]:
    """Return libpq's parameters. Raises UnknownOption, and ValueError for a text that is no address."""
    parts = urlsplit(url)
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}
    if unknown := [name for name, _ in parse_qsl(parts.query, keep_blank_values=True) if name not in known]:
        raise UnknownOption(unknown[0])
    try:
        found = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    except ProgrammingError as error:
        raise ValueError("no address") from error
    ports = found.get("port", "5432").split(",")
    if parts.scheme not in SCHEMES or not {"host", "dbname"} <= found.keys() or not all(map(_is_port, ports)):
        raise ValueError("no address")
    return found


def _is_port(text: str) -> bool:
    return not text or (text.isdecimal() and 0 < int(text) < 65_536)


def django_settings(url: str, *, pgbouncer: bool) -> dict[str, Any]:
    """Return an entry of DATABASES. Options of the URL win over our own."""
    given = parse(url)
    names = {django: given.pop(name, "") for name, django in _NAMES.items()}
    # PgBouncer takes no options when a connection starts.
    options = " ".join(filter(None, ("" if pgbouncer else _LIMITS, given.pop("options", ""))))
    return {
        "ENGINE": "django.db.backends.postgresql",
        **names,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,  # a pooled connection may have died with its server
        # Behind PgBouncer each transaction may get another connection, so no cursor outlives its transaction.
        "DISABLE_SERVER_SIDE_CURSORS": pgbouncer,
        "OPTIONS": {
            "connect_timeout": 2,
            "application_name": "liveplatform",
            "tcp_user_timeout": 2000,
            **({"options": options} if options else {}),
            **given,
            # max_size: one for each thread that may want one, so that no thread waits: backend 4, node 2, admin 4 and
            # sign-in 2 (web.turns), and two for what sessions need around these. reconnect_timeout: without it the
            # pool tries ever more rarely, and after a minute of outage the next try came up to a minute later.
            "pool": {"min_size": 0, "max_size": 14, "timeout": 2, "reconnect_timeout": 1},
        },
    }
