"""`manage.py restore FILE`: the site as it was when `manage.py backup` wrote the file."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from host.archive import file_named
from host.errors import Unusable
from host.restore import restore


class Command(BaseCommand):
    help = (
        "Make the site that of a backup, also one of an older release. The site must not run. Until all is done, and "
        "when it fails, everything stays as it was."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=file_named, metavar="FILE", help="what `manage.py backup` has written")
        parser.add_argument("--replace", action="store_true", help="in place of the site that is there, which is lost")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            restore(options["file"], replace=options["replace"], say=self.stdout.write)
        except Unusable as error:
            self.stderr.write(f"liveplatform: {error}")
            sys.exit(2)
