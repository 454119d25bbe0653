"""The processes of a site that listen: a frontend node, and a region's relay. Daphne's command line, our server.

A site calls them from a module of its own, which has set Django up: `python -m liveplatform.node --port 8000`.
"""

from __future__ import annotations

from collections.abc import Sequence

from daphne.cli import CommandLineInterface
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from realtime.edge.certificates import own_certificate
from realtime.edge.server import Server
from realtime.relay.batch import BODY_MAX_BYTES

TLS_OPTION = "--tls-fd"


class NodeServer(Server):
    """The server of a node. It starts and drains the node with the process."""


class RelayServer(Server):
    """The server of a relay. It sends for as long as it listens."""

    body_max_bytes = BODY_MAX_BYTES


class NodeCli(CommandLineInterface):  # type: ignore[misc]
    description = "A frontend node"
    server_class: type[Server] = NodeServer

    def __init__(self) -> None:
        super().__init__()
        self.parser.print_usage = lambda file=None: None  # a mistake is one line; --help explains the options


class RelayCli(NodeCli):
    description = "The relay of a region"
    server_class = RelayServer


def serve_node(application: str, arguments: Sequence[str]) -> None:
    """Serve until a signal asks to stop. Raises ImproperlyConfigured if the certificate cannot be used.

    `application`: `<module>:<name>`; `arguments`: `--fd N` or `--port N`, and `--tls-fd N` for a socket of HTTPS.
    """
    from realtime.node.process import process

    arguments = [*arguments]
    if TLS_OPTION in arguments:
        place = arguments.index(TLS_OPTION)
        endpoint = f"fd:fileno={int(arguments[place + 1])}"
        arguments[place : place + 2] = ["-e", endpoint]
        # A node that is started again shows what the others show, even if that has expired meanwhile.
        NodeServer.certificates = {endpoint: own_certificate(may_have_expired=True)}
    NodeServer.on_start = staticmethod(process.start)
    NodeServer.on_drain = staticmethod(process.drain)
    NodeServer.trusted_proxies = settings.TRUSTED_PROXIES
    if settings.LIVE_LIMITS:
        NodeServer.connects_per_address = settings.LIVE_CONNECTS_PER_ADDRESS
        NodeServer.idle_per_address = settings.LIVE_IDLE_PER_ADDRESS
    # Verbosity 0: no access log, and Daphne does not configure the logs a second time.
    NodeCli().run(["-v", "0", *arguments, application])


def serve_relay(arguments: Sequence[str]) -> None:
    """Relay until a signal asks to stop. Raises ImproperlyConfigured if there is no other region."""
    from realtime.relay.process import process

    if not settings.LIVE_PEERS:
        raise ImproperlyConfigured("LIVE_PEERS: a relay needs other regions to relay to")
    RelayServer.on_start = staticmethod(process.start)
    RelayServer.on_drain = staticmethod(process.stop)
    listen = [] if "--fd" in arguments else ["-b", settings.LIVE_RELAY_HOST, "-p", str(settings.LIVE_RELAY_PORT)]
    RelayCli().run(["-v", "0", *listen, *arguments, "realtime.relay.process:application"])
