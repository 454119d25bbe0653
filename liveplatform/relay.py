"""The relay's process: `python -m liveplatform.relay`. Takes events of other regions, and sends them this one's.

It listens on LIVE_RELAY_HOST and LIVE_RELAY_PORT, with the server of the nodes; several may run, each on its own
address behind one name, or with one listening socket (`--fd N`).
"""

from __future__ import annotations

import sys

from django.core.exceptions import ImproperlyConfigured

from liveplatform import node
from realtime.edge.server import Server
from realtime.relay.batch import BODY_MAX_BYTES


class RelayServer(Server):
    """The server of this site's relay: sends for as long as it listens."""

    body_max_bytes = BODY_MAX_BYTES


class RelayCli(node.NodeCli):
    description = "The relay of a region of liveplatform"
    server_class = RelayServer


def main() -> int:
    """Relay until a signal asks to stop. Returns the exit code: 2 for settings that make no sense."""
    try:
        from django.conf import settings

        import liveplatform.asgi  # noqa: F401  (sets Django up)
        from realtime.relay.process import process

        if not settings.LIVE_PEERS:
            raise ImproperlyConfigured("LIVE_PEERS: a relay needs other regions to relay to")
    except ImproperlyConfigured as error:
        print(f"liveplatform: {error}", file=sys.stderr)
        return 2
    RelayServer.on_start = staticmethod(process.start)
    RelayServer.on_drain = staticmethod(process.stop)
    listen = [] if "--fd" in sys.argv else ["-b", settings.LIVE_RELAY_HOST, "-p", str(settings.LIVE_RELAY_PORT)]
    RelayCli().run(["-v", "0", *listen, *sys.argv[1:], "realtime.relay.process:application"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
