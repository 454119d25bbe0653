"""`manage.py backup FILE`: all that the site is, in one file."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from host import backup
from host.archive import file_named
from host.errors import Unusable


class Command(BaseCommand):
    help = (
        "Write the database, the pictures and the secret key into one file, whether the site runs or not. "
        "`manage.py restore` makes a site of it. Keep the file like a password: it has the secret key in it."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=file_named, metavar="FILE", help="the file to write, like /backups/site.tar")
        parser.add_argument("--force", action="store_true", help="write over a file that is there")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = backup.write(options["file"], replace=options["force"])
        except Unusable as error:
            self.stderr.write(f"liveplatform: {error}")
            sys.exit(2)
        self.stdout.write(
            f"{made.path}: {made.size_bytes / 1e6:,.1f} MB with the database, {made.pictures:,} files of pictures and"
            " the secret key. Keep it like a password."
        )
