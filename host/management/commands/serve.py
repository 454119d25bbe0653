"""Start the whole site and keep it running: what `./run` does."""

from __future__ import annotations

from typing import Any

from host import embedded, site
from host.command import HostCommand


class Command(HostCommand):
    help = (
        "Start the whole site: embedded PostgreSQL and Valkey (unless DATABASE_URL and REDIS_URL name others), "
        "migrations, frontend nodes, dispatcher, jobs and the demo broadcast. Ctrl-C stops all of it."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not (claim := embedded.held()):
            raise embedded.ServersError("start the site with ./run, or with manage.py serve")
        site.serve(claim)
