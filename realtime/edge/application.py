"""What an application of the server hears of its WebSocket, as ASGI has it: a queue of events, and how many may wait.

Called by the two kinds of WebSockets (realtime.edge.http, realtime.edge.autobahn) and by the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

INBOUND_MAX_FRAMES = 64
SAID_ALL = "live.said_all"  # in the queue of an application, which does not see it: the client says no more


def received(message: str | bytes) -> dict[str, Any]:
    return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}


async def receive_event(queue: asyncio.Queue[Any], took_one: Callable[[], None]) -> Any:
    """Return the next event. Who asks for one has answered what came before."""
    while True:
        message = await queue.get()
        took_one()
        if message["type"] != SAID_ALL:
            return message
        # Behind what the application has given to a task of its own to send.
        asyncio.get_running_loop().call_soon(message["goodbye"])
