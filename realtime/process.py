"""This process as a frontend node: the node, its channel of the layer, its limits. Found by consumers and the server.

Hop: between the channel layer and realtime.frontend.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
import uuid
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings

from realtime.database import DatabaseStore
from realtime.events import NodeId
from realtime.frontend import Node
from realtime.limits import ConnectionLimit
from realtime.registry import registry
from realtime.shared import shared_table

logger = logging.getLogger(__name__)

CANARY_SECONDS = 5.0
DEAF_SECONDS = 12.0
RESUBSCRIBE_SECONDS = 1.0


class NodeProcess:
    """Starts with the first connection (Daphne has no ASGI lifespan) or before it, by the server's `on_start`."""

    def __init__(self) -> None:
        self.connection_limit = ConnectionLimit()
        self._node: Node | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._heard_at = 0.0

    def node(self) -> Node:
        """Return the node of this process, started."""
        if self._node is None:
            host = socket.gethostname().partition(".")[0][:32]
            # The node's id is its channel of the layer: what the shared table says is where dispatchers send.
            id = NodeId(f"live.node.{settings.LIVE_REGION}.{host}.{uuid.uuid4().hex[:12]}")
            self._node = Node(
                id,
                table=shared_table(),
                store=DatabaseStore(registry),
                kinds=registry.kinds,
                frame_seconds=settings.LIVE_FRAME_MS / 1000,
                renew_seconds=settings.LIVE_RENEW_SECONDS,
                lease_seconds=settings.LIVE_LEASE_SECONDS,
            )
            self._node.start()
            self._tasks = [asyncio.create_task(self._listen(self._node), name="listen")]
            logger.info("node %s joined", id)
        return self._node

    async def start(self) -> None:
        self.node()

    async def drain(self) -> None:
        """Send the connections elsewhere and end the node."""
        if self._node is None:
            return
        node = self._node
        await node.drain(window_seconds=settings.LIVE_DRAIN_SECONDS if node.connections else 0.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await node.aclose()

    async def _listen(self, node: Node) -> None:
        """Hear the layer for as long as the node lives.

        The layer reconnects in silence and does not say when a subscription is lost: a canary, sent to ourselves
        through Redis, tells. Events missed meanwhile come from the node's reconcile.
        """
        layer = get_channel_layer()
        while True:
            listened_at = self._heard_at = time.monotonic()
            receiving = asyncio.create_task(self._receive(layer, node), name="receive")
            try:
                while time.monotonic() - self._heard_at < DEAF_SECONDS:
                    done, _ = await asyncio.wait([receiving], timeout=CANARY_SECONDS)
                    if done:
                        break
                    try:
                        async with asyncio.timeout(CANARY_SECONDS):
                            await layer.send(node.id, {"type": "node.canary"})
                    except Exception as error:  # Redis away: redis-py, socket and asyncio each say it their way
                        logger.debug("node %s: layer away: %s", node.id, error)
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
            # Said once: while Redis is away this comes round every few seconds.
            if self._heard_at > listened_at:
                logger.warning("node %s: the channel layer is silent, subscribing again", node.id)
            await asyncio.sleep(RESUBSCRIBE_SECONDS)

    async def _receive(self, layer: Any, node: Node) -> None:
        while True:
            message = await layer.receive(node.id)
            self._heard_at = time.monotonic()
            # A newer version's message is not ours to understand: it must not end the node's hearing.
            if isinstance(message, dict) and message.get("type") == "node.deliver":
                items = message.get("events")
                node.deliver(items if isinstance(items, list) else ())


process = NodeProcess()
