"""The events of a WebSocket that its application gets from the server, as ASGI has them, and how many may wait.

Called by the two kinds of WebSockets (realtime.edge.http, realtime.edge.autobahn) and by the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

INBOUND_MAX_FRAMES = 64
INPUT_ENDED = "live.input_ended"  # put in the queue, and never given to the application: the client sends no more


def received(message: str | bytes) -> dict[str, Any]:
    return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}


async def receive_event(queue: asyncio.Queue[Any], took_one: Callable[[], None]) -> Any:
    """Return the next event. When the application asks for it, it has answered the event before."""
    while True:
        message = await queue.get()
        took_one()
        if message["type"] != INPUT_ENDED:
            return message
        # After what a task of the application has to send.
        asyncio.get_running_loop().call_soon(message["goodbye"])
