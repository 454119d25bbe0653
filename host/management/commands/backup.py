"""`manage.py backup FILE`: all that the site is, in one file."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from host import backup
from host.archive import file_named
from host.command import HostCommand


class Command(HostCommand):
    help = (
        "Write the database, the pictures and the secret key into one file, whether the site runs or not. "
        "`manage.py restore` makes a site of it. Keep the file like a password: it has the secret key in it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=file_named, metavar="FILE", help="the file to write, like /backups/site.tar")
        parser.add_argument("--force", action="store_true", help="write over a file that is there")

    def handle(self, *args: Any, **options: Any) -> None:
        made = backup.write(options["file"], replace=options["force"])
        self.stdout.write(
            f"{made.path}: {made.size_bytes / 1e6:,.1f} MB with the database, {made.pictures:,} files of pictures and"
            " the secret key. Keep it like a password."
        )
