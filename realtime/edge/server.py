"""The server of a frontend node: Daphne, hardened, handing its sockets to the node.

Hop: the outermost. Stock Daphne walks all connections every second, stops doing so after one exception, and ends
without a drain (research in docs/how-it-works.md). Here the end of an application is an event, a stop is a drain,
bodies, headers and waiting frames are bounded, and each stream's socket can be taken through
`scope["extensions"]["live.wire"]`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from daphne import http_protocol, server
from twisted.internet import defer, tcp
from twisted.internet.endpoints import serverFromString
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure
from twisted.web import http

from realtime import metrics
from realtime.edge.application import receive_event
from realtime.edge.autobahn import WebSocketFactory
from realtime.edge.bound import STALL_MAX_SECONDS, Bound
from realtime.edge.certificates import Certificate
from realtime.edge.collector import collect
from realtime.edge.deadlines import Deadlines, still_reads
from realtime.edge.handoff import ZERO_COPY, check_libraries
from realtime.edge.http import HttpChannel
from realtime.edge.http2 import Http2Connection, speak_http2
from realtime.edge.peers import PeerLimits
from realtime.edge.proxies import look_behind_proxies
from realtime.edge.reactor import reactor
from realtime.edge.repeats import Repeats
from realtime.edge.secure import TlsTransport
from realtime.edge.sockets import CLOSE_SECONDS, MESSAGE_SECONDS, Sockets
from realtime.edge.transport import Transport
from realtime.edge.upgrade import UpgradeRequest
from realtime.limits import CONNECTIONS_MAX, Limited
from realtime.node.connections import HEARTBEAT_SECONDS

logger = logging.getLogger(__name__)

BODY_MAX_BYTES = 64 * 1024
SWEEP_SECONDS = 0.2
LAG_SECONDS = 0.2
REST_SECONDS = 0.05
CLOSE_TIMEOUT_SECONDS = 10.0
_server_from: Any = serverFromString


class HTTPFactory(http_protocol.HTTPFactory):  # type: ignore[misc]
    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.protocol = lambda: http._GenericHTTPChannelProtocol(HttpChannel())
        self.timeOut = None  # `Deadlines` instead
        self.speak_http2 = speak_http2

    def buildProtocol(self, addr: Any) -> Any:
        if len(self.server.sockets) >= self.server.crowded_at:
            self.server.rest()
        try:
            network = self.server.peer_limits.enter(addr)
        except Limited:
            metrics.refused.labels("too_many_connects").inc()
            return None
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = UpgradeRequest
        channel = protocol._channel
        channel.network = network
        self.server.request_deadlines.start(channel)
        return protocol


class Server(server.Server):  # type: ignore[misc]
    """Daphne's server, event-driven, with a drain in place of its sudden end.

    `on_start` runs on the loop before the first connection, `on_drain` when the process gets the signal to stop: all
    connections are still there, no new one comes. A request with its body has to be there within `request_seconds`.
    The next one on the same connection has to begin within `idle_seconds`. Requests that have no answer at the end of
    the drain get `finish_seconds` more.
    """

    body_max_bytes = BODY_MAX_BYTES
    request_seconds = 10.0
    idle_seconds = 60.0
    finish_seconds = 5.0
    renew_seconds = 10.0
    stall_seconds = STALL_MAX_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    on_start: Callable[[], Awaitable[None]] | None = None
    on_drain: Callable[[], Awaitable[None]] | None = None
    trusted_proxies = 0
    connects_per_address: int | None = None  # a second, and twenty times as many at once; None: no limit
    idle_per_address: int | None = None
    certificates: Mapping[str, Certificate] = {}  # of the endpoints that speak HTTPS
    young_seconds = 2.0  # a connection that has just come is not idle yet
    crowded_at = CONNECTIONS_MAX * 9 // 10

    def run(self) -> None:
        check_libraries()
        self.connections: dict[Any, dict[str, Any]] = {}
        self._applications: set[asyncio.Future[Any]] = set()
        self.ports: list[Any] = []
        self.request_deadlines = Deadlines(self.request_seconds)
        self.idle_deadlines = Deadlines(self.idle_seconds, spares=still_reads)
        self.message_deadlines = Deadlines(MESSAGE_SECONDS, spares=lambda protocol: bool(protocol._is_paused))
        self.bound = Bound(stall_seconds=self.stall_seconds)
        self.repeats = Repeats()
        self.sending_again: set[Any] = set()
        self.http2: set[Http2Connection] = set()
        self._all_sent: asyncio.Event | None = None
        self.peer_limits = PeerLimits(
            connects_per_second=self.connects_per_address,
            idle_max=self.idle_per_address,
            young_seconds=self.young_seconds,
            has_proxies=self.trusted_proxies > 0,
        )
        self.http_factory = HTTPFactory(self)
        self.ws_factory = WebSocketFactory(self, server=self.server_name)
        self.ws_factory.setProtocolOptions(
            autoPingInterval=self.heartbeat_seconds,
            autoPingTimeout=self.heartbeat_seconds,
            allowNullOrigin=True,  # the consumer checks origins, and answers with a reason
            openHandshakeTimeout=self.websocket_handshake_timeout,
            closeHandshakeTimeout=CLOSE_SECONDS,
        )
        observers: list[Any] = [_log_failure]
        globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False, discardBuffer=True)
        loop = reactor._asyncioEventloop
        asyncio.set_event_loop(loop)
        self._start_task = loop.create_task(self._start())
        reactor.addSystemEventTrigger("before", "shutdown", self._stop)
        reactor.run(installSignalHandlers=self.signal_handlers)

    async def _start(self) -> None:
        self.sockets = Sockets(self.bound)
        chores = [collect(lambda: len(self.sockets) > 0), self._sweep(), self._watch_lag()]
        chores += map(self._renew, self.certificates.values())
        self._chores = [asyncio.ensure_future(chore) for chore in chores]
        try:
            if self.on_start is not None:
                await self.on_start()
        except Exception:
            logger.exception("the node could not start")
            self.stop()
            return
        for description in map(str, self.endpoints):
            transport: Callable[..., Transport] = partial(Transport, self.bound)
            if (certificate := self.certificates.get(description)) is not None:
                transport = partial(TlsTransport, self.bound, certificate)
            listening = _server_from(reactor, _with_backlog(description)).listen(self.http_factory)
            listening.addCallback(partial(_with_transport, transport))
            listening.addCallback(self.listen_success)
            listening.addErrback(self.listen_error)

    def rest(self) -> None:
        """Accept no connection for a moment: nodes that share the listening socket and have more room go first."""
        for port in self.ports:
            port.stopReading()
        reactor.callLater(REST_SECONDS, self._accept_again)

    def _accept_again(self) -> None:
        for port in self.ports:
            if port.connected:  # not if the drain has begun meanwhile
                port.startReading()

    async def _watch_lag(self) -> None:
        """Measure how late the loop comes back to a task that waits. Writing frames should not delay it."""
        while True:
            due = time.monotonic() + LAG_SECONDS
            await asyncio.sleep(LAG_SECONDS)
            metrics.loop_lag_seconds.observe(max(0.0, time.monotonic() - due))

    async def _renew(self, certificate: Certificate) -> None:
        """Give a new certificate to who comes from now on. Whoever is there stays."""
        while True:
            await asyncio.sleep(self.renew_seconds)
            certificate.refresh()

    async def _sweep(self) -> None:
        while True:
            self.request_deadlines.sweep()
            self.idle_deadlines.sweep()
            self.message_deadlines.sweep()
            self.bound.sweep()
            self.sockets.sweep()
            self.peer_limits.close_excess((self.request_deadlines, self.idle_deadlines))
            await asyncio.sleep(SWEEP_SECONDS)

    def listen_success(self, port: Any) -> None:
        self.ports.append(port)
        super().listen_success(port)

    def listen_error(self, failure: Failure) -> None:
        self.abort_start = True
        super().listen_error(failure)

    def _stop(self) -> Any:
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._drain()))

    async def _drain(self) -> None:
        for port in self.ports:
            port.stopListening()
        for connection in list(self.http2):
            connection.go_away()
        if self.on_drain is not None:
            try:
                await self.on_drain()
            except Exception:
                logger.exception("the drain failed")
        applications = set(self._applications)
        if applications:
            await asyncio.wait(applications, timeout=self.finish_seconds)
        for task in applications:
            task.cancel()
        if self.sending_again:
            self._all_sent = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_sent.wait(), self.finish_seconds)
        await asyncio.sleep(0.05)  # close frames and last chunks leave the sockets

    # One connection's application

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> asyncio.Queue[Any] | None:
        """Start the application for a request or WebSocket; its end is an event (`_application_done`)."""
        details = self.connections.get(protocol)
        if details is None:
            return None
        scope["asgi"] = {"version": "3.0"}
        scope["extensions"] = protocol.extensions()
        look_behind_proxies(scope, self.trusted_proxies)
        queue: asyncio.Queue[Any] = asyncio.Queue()
        receive: Callable[[], Awaitable[Any]] = queue.get
        if scope["type"] == "websocket":
            receive = partial(receive_event, queue, protocol.took_one)
        application = self.application(scope=scope, receive=receive, send=partial(self.handle_reply, protocol))
        task = asyncio.ensure_future(application)
        details["application_instance"] = task
        self._applications.add(task)
        task.add_done_callback(partial(self._application_done, protocol))
        return queue

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if getattr(protocol, "socket", None) is not None:
            protocol.handle_reply(message)  # Daphne has forgotten it
        elif message["type"] == ZERO_COPY:
            await protocol.send_file(message)
        elif message["type"] == "http.response.body":
            await self._send_body(protocol, message)
        else:
            await super().handle_reply(protocol, message)

    async def _send_body(self, protocol: Any, message: dict[str, Any]) -> None:
        """Write a body as its reader takes it. The rest waits in the application, and is not copied."""
        body, more = memoryview(message.get("body", b"")), message.get("more_body", False)
        while True:
            size = await protocol.room(len(body))
            if body and not size:
                return
            piece, body = bytes(body[:size]), body[size:]
            await super().handle_reply(protocol, {**message, "body": piece, "more_body": more or bool(body)})
            if not body:
                return

    def _application_done(self, protocol: Any, task: asyncio.Future[Any]) -> None:
        self._applications.discard(task)
        details = self.connections.get(protocol, {})
        details.pop("application_instance", None)
        if (killer := details.pop("killer", None)) is not None and killer.active():
            killer.cancel()
        is_gone = "disconnected" in details
        if is_gone:
            self.connections.pop(protocol, None)
        if task.cancelled() or (error := task.exception()) is None:
            return
        logger.error("application failed: %s", error, exc_info=error)
        if not is_gone:
            try:
                protocol.handle_exception(error)
            except Exception:
                logger.exception("the answer to a failed request failed")

    def sent_again(self, channel: Any) -> None:
        """A file that `sending_again` has begun has left: a drain waits for it."""
        self.sending_again.discard(channel)
        if not self.sending_again and self._all_sent is not None:
            self._all_sent.set()

    def forget(self, protocol: Any) -> None:
        """Forget a connection when its socket was taken. The connection then ends elsewhere."""
        self.connections.pop(protocol, None)

    def protocol_disconnected(self, protocol: Any) -> None:
        details = self.connections.get(protocol)
        if details is None or "disconnected" in details:
            return
        details["disconnected"] = time.monotonic()
        task = details.get("application_instance")
        if task is None:
            del self.connections[protocol]
        else:
            details["killer"] = reactor.callLater(CLOSE_TIMEOUT_SECONDS, task.cancel)


def _with_transport(transport: Callable[..., Transport], port: Any) -> Any:
    """Have a listening port make its connections so. A port of Twisted's own TLS stays as it is."""
    if getattr(port, "transport", None) is tcp.Server:
        port.transport = transport
    return port


def _with_backlog(description: str) -> str:
    # Twisted's default of 50 drops the SYNs of a crowd; each comes back a second later.
    has_none = description.startswith("tcp:") and "backlog" not in description
    return f"{description}:backlog=4096" if has_none else description


def _log_failure(event: dict[str, Any]) -> None:
    """Log the failures from Twisted's own log, and nothing else from it."""
    if (failure := event.get("log_failure")) is not None:
        error = (failure.type, failure.value, failure.getTracebackObject())
        logger.error("%s", failure.getErrorMessage(), exc_info=error)
