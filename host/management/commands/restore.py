"""`manage.py restore FILE`: the site as it was when `manage.py backup` wrote the file."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from host.archive import file_named
from host.command import HostCommand
from host.restore import restore


class Command(HostCommand):
    help = (
        "Make the site that of a backup, also one of an older release. The site must not run. Until all is done, and "
        "when it fails, everything stays as it was."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=file_named, metavar="FILE", help="what `manage.py backup` has written")
        parser.add_argument("--replace", action="store_true", help="in place of the site that is there, which is lost")

    def handle(self, *args: Any, **options: Any) -> None:
        restore(options["file"], replace=options["replace"], say=self.stdout.write)
