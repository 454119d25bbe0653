"""The limits of one address before it has asked for anything: connections a second, and connections that wait.

Called by the server (realtime.edge.server) when a connection comes and when it sweeps. The limits of streams and
viewers come later, with the handshake (realtime.edge.admission).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from realtime import metrics
from realtime.edge.deadlines import Deadlines
from realtime.limits import Network, RateLimit, network_of

CONNECTS_BURST = 20  # seconds' worth of connects that may come at once


class PeerLimits:
    """Counts the connections of each address. None is no limit.

    Behind our own proxies it counts nothing: all connections come from them.
    """

    def __init__(
        self, *, connects_per_second: int | None, idle_max: int | None, young_seconds: float, has_proxies: bool
    ) -> None:
        self._connects: RateLimit | None = None
        if connects_per_second is not None and not has_proxies:
            self._connects = RateLimit(burst=CONNECTS_BURST * connects_per_second, per_second=connects_per_second)
        self._idle_max = idle_max
        self._young_seconds = young_seconds

    def enter(self, peer: Any) -> Network | None:
        """Count a connect of Twisted's peer. Return the key that counts it, or None. Raises Limited."""
        if self._connects is None:
            return None
        network = network_of(getattr(peer, "host", ""))
        if network:
            self._connects.take(network)
        return network or None

    def give_back(self, network: Network) -> None:
        """Take the connect back: the connection is exempt."""
        if self._connects is not None:
            self._connects.give_back(network)

    def close_excess(self, all_deadlines: Iterable[Deadlines]) -> None:
        """Close the connections of an address that wait for a request, above the limit. The oldest go first."""
        if self._idle_max is None:
            return
        waiting: dict[str, list[Any]] = {}
        for deadlines in all_deadlines:
            for channel in deadlines.waiting(self._young_seconds):
                if network := getattr(channel, "network", None):
                    waiting.setdefault(network, []).append(channel)
        for channels in waiting.values():
            for channel in channels[: max(0, len(channels) - self._idle_max)]:
                metrics.refused.labels("too_many_idle").inc()
                channel.transport.abortConnection()
