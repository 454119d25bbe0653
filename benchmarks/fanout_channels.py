"""A group per video, as Channels documents it, to be run by stock Daphne. FANOUT_LAYER holds the layer's settings.

https://channels.readthedocs.io/en/stable/topics/channel_layers.html ("Groups"),
https://channels.readthedocs.io/en/stable/topics/consumers.html ("AsyncHttpConsumer": a consumer that overrides
`http_request` goes on listening to the layer). No session, no user: nothing that the fan-out does not need.
"""

from __future__ import annotations

import json
import os
from typing import Any

from django.conf import settings

GROUP = "live"

settings.configure(CHANNEL_LAYERS={"default": json.loads(os.environ["FANOUT_LAYER"])}, LOGGING_CONFIG=None)

from channels.exceptions import StopConsumer  # noqa: E402
from channels.generic.http import AsyncHttpConsumer  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402


class EventStream(AsyncHttpConsumer):  # type: ignore[misc]
    async def http_request(self, message: dict[str, Any]) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.send_headers(headers=[(b"Content-Type", b"text/event-stream"), (b"Cache-Control", b"no-cache")])
        await self.send_body(b": open\n\n", more_body=True)

    async def http_disconnect(self, message: dict[str, Any]) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)
        raise StopConsumer

    async def live_event(self, event: dict[str, Any]) -> None:
        await self.send_body(f"event: reactions\ndata: {event['data']}\n\n".encode(), more_body=True)


class WebSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def connect(self) -> None:
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def live_event(self, event: dict[str, Any]) -> None:
        await self.send(text_data=event["data"])


class Publish(AsyncHttpConsumer):  # type: ignore[misc]
    """For the layer in memory, which nobody else can reach."""

    async def handle(self, body: bytes) -> None:
        await self.channel_layer.group_send(GROUP, {"type": "live.event", "data": body.decode()})
        await self.send_response(200, b"")


application = ProtocolTypeRouter(
    {
        "http": URLRouter([path("sub", EventStream.as_asgi()), path("pub", Publish.as_asgi())]),
        "websocket": URLRouter([path("sub", WebSocket.as_asgi())]),
    }
)
