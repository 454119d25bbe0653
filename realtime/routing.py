"""Where the streams live: `/events` (SSE) and `/ws` (WebSocket). liveplatform.asgi sends these paths here."""

from __future__ import annotations

from realtime.edge.consumers import EventStream, WebSocketStream

EVENTS_PATH = "/events"
WEBSOCKET_PATH = "/ws"

events_application = EventStream.as_asgi()
websocket_application = WebSocketStream.as_asgi()
