"""A frontend node's process: `python -m liveplatform.node --fd N` or `--port N`. Daphne's command line, our server."""

from __future__ import annotations

import sys

from daphne.cli import CommandLineInterface
from django.core.exceptions import ImproperlyConfigured

from realtime.edge.server import Server


class NodeServer(Server):
    """The server of this site's node: starts and drains it with the process."""


class NodeCli(CommandLineInterface):  # type: ignore[misc]
    description = "A frontend node of liveplatform"
    server_class = NodeServer

    def __init__(self) -> None:
        super().__init__()
        self.parser.print_usage = lambda file=None: None  # a mistake is one line; --help says the rest


def main() -> int:
    """Serve until a signal asks to stop. Returns the exit code: 2 for settings that make no sense."""
    try:
        from django.conf import settings

        import liveplatform.asgi  # noqa: F401  (sets Django up)
        from realtime.node.process import process
        from web.pictures import keep_folder

        keep_folder()
    except ImproperlyConfigured as error:
        print(f"liveplatform: {error}", file=sys.stderr)
        return 2
    NodeServer.on_start = staticmethod(process.start)
    NodeServer.on_drain = staticmethod(process.drain)
    NodeServer.trusted_proxies = settings.TRUSTED_PROXIES
    if settings.LIVE_LIMITS:
        NodeServer.connects_per_address = settings.LIVE_CONNECTS_PER_ADDRESS
        NodeServer.idle_per_address = settings.LIVE_IDLE_PER_ADDRESS
    # Verbosity 0: no access log, and Daphne does not configure the logs a second time.
    NodeCli().run(["-v", "0", *sys.argv[1:], "liveplatform.asgi:application"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
