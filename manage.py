"""Run any command of the site, whether or not the site runs.

Without DATABASE_URL or REDIS_URL it uses the embedded servers of the data folder: those of the running site, else they
are started for the length of the command. An error that you can mend is one line and exit code 2.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from host import embedded, environment
from host.errors import database_reason, exit_code_of

if TYPE_CHECKING:
    from django.core.management.base import BaseCommand

CONNECT_SECONDS = 5
# They use no table themselves.
WITHOUT_SERVERS = {
    "help", "version", "--version", "check", "collectstatic", "compilemessages", "diffsettings", "findstatic",
    "makemessages", "regions", "startapp", "startproject",
}  # fmt: skip
MAKE_DATABASES = {"migrate", "restore"}


def main() -> int:
    """Run the command of the command line and return the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveplatform.settings")
    environment.forget_empty()
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    needs_servers = command not in WITHOUT_SERVERS and not {"-h", "--help"} & set(sys.argv)
    try:
        with _embedded(command) if needs_servers else contextlib.nullcontext():
            _run(checks_database=needs_servers and "DATABASE_URL" in os.environ)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return exit_code_of(error)
    return 0


def _embedded(command: str) -> contextlib.AbstractContextManager[None]:
    """Return a context in which the embedded servers run, as far as no URL names others."""
    folder = embedded.data_dir(Path(__file__).resolve().parent, os.environ.get("LIVE_DATA_DIR", ""))
    if command == "serve":
        # It runs the servers itself, as part of the site.
        return embedded.holding(folder, command="manage.py serve")
    missing = {name for name in ("DATABASE_URL", "REDIS_URL") if name not in os.environ}
    if not missing:
        return contextlib.nullcontext()
    if "DATABASE_URL" in missing and not embedded.has_database(folder) and command not in MAKE_DATABASES:
        raise embedded.ServersError(
            f"there is no site in {folder} yet: start it by ./run, or name its folder in LIVE_DATA_DIR"
        )
    return embedded.running(
        folder,
        command=f"manage.py {command}",
        postgres="DATABASE_URL" in missing,
        valkey="REDIS_URL" in missing,
        alone=command == "restore",
    )


def _run(*, checks_database: bool) -> None:
    from django.conf import settings

    # Read them here: some commands would go on without, or print a traceback.
    _ = settings.INSTALLED_APPS
    if checks_database:
        _check_database("DATABASE_URL", settings.DATABASE_URL)
    if sys.argv[1:2] == ["serve"] and "replica" in settings.DATABASES:
        _check_database("DATABASE_REPLICA_URL", os.environ["DATABASE_REPLICA_URL"])
    if sys.argv[1:] == ["serve"] and (claim := embedded.held()):
        # Django's set-up takes longer than the rest of the start: the site does it beside the nodes'.
        from host import site

        site.serve(claim)
        return
    from django.core.management import CommandError, CommandParser, ManagementUtility, get_commands

    class Commands(ManagementUtility):
        def fetch_command(self, subcommand: str) -> BaseCommand:
            if subcommand not in get_commands():
                raise CommandError(f"there is no command {subcommand!r}: manage.py help lists them")
            return super().fetch_command(subcommand)

    CommandParser.print_usage = _nothing  # type: ignore[assignment,method-assign]  # a mistake is one line; --help says the rest
    CommandError.__init__.__kwdefaults__["returncode"] = 2  # type: ignore[index]  # 1 is for a crash
    Commands(sys.argv).execute()


def _nothing(*_: object) -> None: ...


def _check_database(name: str, url: str) -> None:
    """Raise ImproperlyConfigured when the database does not let us in: the pool would only say that time is up."""
    import psycopg
    from django.core.exceptions import ImproperlyConfigured

    try:
        psycopg.connect(url, connect_timeout=CONNECT_SECONDS).close()
    except psycopg.Error as error:
        raise ImproperlyConfigured(f"{name}: {database_reason(error)}") from error


if __name__ == "__main__":
    sys.exit(main())
