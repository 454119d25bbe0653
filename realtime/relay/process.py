"""This process as a region's relay: the sender, and the application that receives. realtime.serving starts it.

Hop: between realtime.relay and the settings. The events that it dispatches here never go on to another region.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings

from realtime import telemetry
from realtime.asgi import Send
from realtime.background import BackgroundTasks
from realtime.dispatch.dispatcher import Dispatcher
from realtime.relay.receiver import Receiver
from realtime.relay.sender import Sender
from realtime.relay.shared import relay_table
from realtime.relay.signing import Keyring
from realtime.table.redis import presence_table, send_to_nodes, shared_table

logger = logging.getLogger(__name__)


class RelayProcess:
    """It starts and ends with the server."""

    def __init__(self) -> None:
        self._receiver: Receiver | None = None
        self._sender: Sender | None = None
        self._tasks = BackgroundTasks("relay")

    async def start(self) -> None:
        keyring = Keyring(settings.LIVE_REGION, settings.LIVE_RELAY_KEYS)
        self._receiver = Receiver(
            keyring,
            relay_table(),
            dispatcher=Dispatcher(shared_table(), send_to_nodes, time.monotonic),
            shared=shared_table(),
            presence=presence_table(),
            metrics_token=settings.LIVE_METRICS_TOKEN,
        )
        self._sender = Sender(relay_table(), keyring, settings.LIVE_PEERS)
        self._sender.start()
        self._tasks.spawn(telemetry.report_forever("relay"), name="telemetry")
        logger.info("relay of %s, to %s", settings.LIVE_REGION, ", ".join(settings.LIVE_PEERS))

    async def stop(self) -> None:
        """End sending. The server's drain answers requests under way."""
        await self._tasks.aclose()
        if self._sender is not None:
            await self._sender.aclose()

    async def __call__(self, scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        assert self._receiver is not None, "the server starts the process before it listens"
        await self._receiver(scope, receive, send)


application = process = RelayProcess()
