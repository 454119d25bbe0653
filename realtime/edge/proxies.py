"""The address of a client behind proxies. Called by the server (realtime.edge.server) for each request."""

from __future__ import annotations

import ipaddress
import logging
from typing import Any

logger = logging.getLogger(__name__)


def look_behind_proxies(scope: dict[str, Any], trusted_proxies: int) -> None:
    """Take the client's address from our own proxies, counted from the right. The rest cannot be trusted."""
    if not trusted_proxies:
        return
    hops: list[str] = []
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            hops += value.decode("latin1").split(",")
        elif name == b"x-forwarded-proto" and value in (b"http", b"https"):
            secure = value == b"https"
            scope["scheme"] = {"http": ("http", "https"), "websocket": ("ws", "wss")}[scope["type"]][secure]
    if len(hops) >= trusted_proxies:
        try:
            scope["client"] = [str(ipaddress.ip_address(hops[-trusted_proxies].strip())), 0]
        except ValueError:
            logger.debug("X-Forwarded-For holds no address")
