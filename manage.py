"""Run any command of the site, whether or not the site runs.

Without DATABASE_URL or REDIS_URL the embedded servers of the data folder stand in: a running site's are used, else
they are started for the length of the command. What the person at the keyboard can mend is one line and exit code 2.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from liveplatform import embedded

# They touch no table.
WITHOUT_SERVERS = {
    "help", "version", "--version", "collectstatic", "compilemessages", "diffsettings", "findstatic",
    "makemessages", "startapp", "startproject",
}  # fmt: skip


def run(arguments: Sequence[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "liveplatform.settings")
    with _servers(arguments):
        from django.conf import settings
        from django.core.management import execute_from_command_line

        # Read them here: some commands would go on without, or print a traceback.
        _ = settings.INSTALLED_APPS
        execute_from_command_line([*arguments])


def _servers(arguments: Sequence[str]) -> contextlib.AbstractContextManager[None]:
    missing = {name for name in ("DATABASE_URL", "REDIS_URL") if name not in os.environ}
    command = arguments[1] if len(arguments) > 1 else "help"
    if command in WITHOUT_SERVERS or {"-h", "--help"} & set(arguments):
        return contextlib.nullcontext()
    folder = embedded.data_dir(Path(__file__).resolve().parent, os.environ.get("LIVE_DATA_DIR", ""))
    if command == "serve":
        # It runs the servers itself, as part of the site.
        return embedded.holding(folder, command="manage.py serve")
    if not missing:
        return contextlib.nullcontext()
    return embedded.running(
        folder, command=f"manage.py {command}", postgres="DATABASE_URL" in missing, valkey="REDIS_URL" in missing
    )


def main() -> int:
    """Run the command of the command line and return the exit code."""
    try:
        run(sys.argv)
    except KeyboardInterrupt:
        return 130
    except embedded.ServersError as error:
        return _refuse(str(error))
    except Exception as error:
        # Imported here: only now is it certain that Django is there, and a good start must not pay for it.
        from django.core.exceptions import ImproperlyConfigured
        from django.db.utils import OperationalError

        if isinstance(error, ImproperlyConfigured):
            return _refuse(str(error))
        if isinstance(error, OperationalError):
            return _refuse(f"DATABASE_URL: {_first_line(error)}")
        raise
    return 0


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _refuse(reason: str) -> int:
    print(f"liveplatform: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
