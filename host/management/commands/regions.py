"""Start several complete regions on this machine, for a look."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from host import regions
from host.command import HostCommand
from host.errors import Unusable

LINK_MAX_MS = 10_000


class Command(HostCommand):
    help = (
        "Start several complete regions on this machine, each with its own Valkey, nodes, dispatcher and relay, on one "
        "PostgreSQL. The first listens on PORT, the next on the port after it. Ctrl-C stops all of it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--regions", default="eu,us", metavar="NAMES", help="their names (eu,us)")
        parser.add_argument("--link-ms", default="0", metavar="N", help="how far apart they are, one way (0)")

    def handle(self, *args: Any, **options: Any) -> None:
        names = regions.region_names(options["regions"])
        link_ms = options["link_ms"]
        if not (link_ms.isascii() and link_ms.isdigit() and int(link_ms) <= LINK_MAX_MS):
            raise Unusable(f"--link-ms must be a whole number up to {LINK_MAX_MS}")
        regions.run(names, link_ms=int(link_ms))
