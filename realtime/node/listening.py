"""Listens to the channel layer for a node, and notices when nothing arrives any more.

Hop: between the channel layer and realtime.node.node.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import msgpack

from realtime import metrics
from realtime.background import end
from realtime.events import NodeId
from realtime.stamps import is_spoken
from realtime.table.redis import messages_to, send_to_nodes

logger = logging.getLogger(__name__)

CANARY = msgpack.packb({"type": "node.canary"})
CANARY_SECONDS = 5.0
DEAF_SECONDS = 12.0
RESUBSCRIBE_SECONDS = 1.0


class LayerListener:
    """Listens to a node's channel. `deliver` gets events with their stamps, `other` gets all other messages."""

    def __init__(
        self, id: NodeId, *, deliver: Callable[[Any, Any], None], other: Callable[[dict[str, Any]], None]
    ) -> None:
        self._id = id
        self._deliver = deliver
        self._other = other
        self._heard_at = 0.0

    async def run(self) -> None:
        """Listen to the layer for as long as the node lives.

        The client reconnects in silence and does not say when a subscription is lost. A canary shows it: a message that
        we send to ourselves through Redis. Events missed meanwhile come from the node's reconcile.
        """
        while True:
            listened_at = self._heard_at = time.monotonic()
            receiving = asyncio.create_task(self._receive(), name="receive")
            try:
                while time.monotonic() - self._heard_at < DEAF_SECONDS:
                    done, _ = await asyncio.wait([receiving], timeout=CANARY_SECONDS)
                    if done:
                        break
                    try:
                        async with asyncio.timeout(CANARY_SECONDS):
                            await send_to_nodes({self._id: CANARY})
                    except Exception as error:  # Redis is away: redis-py, socket and asyncio each raise their own error
                        logger.debug("node %s: layer away: %s", self._id, error)
            finally:
                # The connection is given up: if its Redis has vanished, it looks open for a quarter of an hour, and the
                # sentinels name another primary much earlier.
                await end(receiving)
            # Logged once, because while Redis is away this runs every few seconds.
            if self._heard_at > listened_at:
                logger.warning("node %s: the channel layer is silent, subscribing again", self._id)
            await asyncio.sleep(RESUBSCRIBE_SECONDS)

    async def _receive(self) -> None:
        async with contextlib.aclosing(messages_to(self._id)) as messages:
            async for message in messages:
                self._heard_at = time.monotonic()
                # We cannot read a message of a newer version. It must not end the node's listening.
                match message:
                    case {"type": "node.deliver"} if not is_spoken(message.get("stamps")):
                        metrics.wire_refused.inc()  # the node's next look at the database finds durable events
                    case {"type": "node.deliver"}:
                        items = message.get("events")
                        self._deliver(items if isinstance(items, list) else (), message.get("stamps"))
                    case {"type": str()}:
                        self._other(message)
