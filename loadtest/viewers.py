"""The viewers' connections: thousands of sockets on one epoll, which is one descriptor for the asyncio loop.

Called by `watcher`. An asyncio transport for each viewer would cost 8 to 10 us a frame before it looks at a byte. Here
a frame costs one `read`, one dictionary lookup and one comparison: about 5 us, of which the kernel takes 3 to 4 (a bare
loop in C: 4). So 10,000 viewers of 10 frames a second keep half a core busy.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import ssl
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from loadtest.check import UNTIMED, Checker, LikesFrame, StreamMessage, ViewedTopic, parse_event, parse_text
from loadtest.connection import RETRY_MS, Counts, Manner, Phase, ViewerConnection, Watch, connect_error, dial
from loadtest.secure import reason
from loadtest.unruly import Unruly
from loadtest.wire import (
    Broken,
    EventStreamReader,
    Stream,
    WebSocketReader,
    event_stream_request,
    number_of,
    parse_head,
    websocket_request,
)
from realtime.edge.poll import READ, WRITE, Poll
from realtime.websocket import client_frame

OPENING_SECONDS = 10.0
STALLED_SECONDS = 15.0
TOO_MANY = 4429
OWN_WILL = "own will"
RETRY_MAX_MS = 5_000
ACKNOWLEDGE_SECONDS = 5.0  # where the site does not say how often
READ_BYTES = 65_536
BATCH = 512  # sockets read before the loop sends the next request: about 2 ms


class Crowd:
    """The viewers of one process. Their numbers are those among all viewers. The caller keeps `ticket` valid."""

    def __init__(self, watch: Watch, numbers: Sequence[int], checker: Checker, *, ticket: str) -> None:
        self.watch = watch
        self.checker = checker
        self.ticket = ticket
        self.counts = Counts()
        self.viewers = [
            ViewerConnection(
                number,
                watch.addresses[number % len(watch.addresses)],
                is_websocket=watch.transport.is_websocket(number),
                manner=watch.manner(number),
            )
            for number in numbers
        ]
        self._highest = max((viewer.number for viewer in self.viewers), default=0) + 1
        self.acknowledge_seconds = ACKNOWLEDGE_SECONDS
        self.connected = 0
        self.first_connect_at = self.last_connect_at = 0.0
        self._waiting = deque(self.viewers)
        self._opening: dict[ViewerConnection, None] = {}
        self._sockets: dict[int, ViewerConnection] = {}
        self._poll = Poll()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._poll.fileno(), self._read_batch)
        self.unruly = Unruly(watch, self._poll, read=self._read, leave=self._flap)
        self._change = asyncio.Event()
        self._closed = False

    # Opening

    async def connect(self) -> None:
        """Open all connections. Return when each has its hello, or when nothing has changed for `STALLED_SECONDS`.

        With a ramp, a connection's turn may come later than that. So this time begins when the last one may open.
        """
        self.first_connect_at = self.last_connect_at = time.monotonic()
        moved_at = self.first_connect_at
        known = 0
        while self.counts.connected_once + self.counts.gone < len(self.viewers):
            self._open_waiting()
            if self.counts.connected_once > known or self._allowed() < self._highest:
                known, moved_at = self.counts.connected_once, time.monotonic()
            if time.monotonic() - moved_at > STALLED_SECONDS:
                return
            self._change.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self._change.wait()
            self.expire()

    def _allowed(self) -> int:
        """Return how many viewers may have begun by now, as the ramp says."""
        passed_seconds = time.monotonic() - self.first_connect_at
        if passed_seconds >= self.watch.ramp_seconds:
            return self._highest
        return int(self._highest * passed_seconds / self.watch.ramp_seconds) + 1

    def _open_waiting(self) -> None:
        allowed = self._allowed()
        while self._waiting and len(self._opening) < self.watch.openings_max and not self._closed:
            if self._waiting[0].number >= allowed:
                break
            self._open(self._waiting.popleft())

    def _open(self, viewer: ViewerConnection) -> None:
        viewer.phase = Phase.CONNECTING
        viewer.deadline = time.monotonic() + OPENING_SECONDS
        self._opening[viewer] = None
        try:
            viewer.descriptor, code = dial(viewer)
        except OSError as error:
            self._end(viewer, f"no socket: {error.strerror}")
            return
        self._sockets[viewer.descriptor] = viewer
        viewer.visit += 1
        if code in (0, errno.EINPROGRESS):
            self._poll.add(viewer.descriptor, READ | WRITE if code else READ)
            if code == 0:
                self._greet(viewer)
        else:
            self._end(viewer, os.strerror(code))

    def _greet(self, viewer: ViewerConnection) -> None:
        """Begin to talk, or go on with the handshake of TLS: the connection is there."""
        if viewer.address.is_secure:
            viewer.phase = Phase.SECURING
            try:
                viewer.shake_hands()
            except ssl.SSLWantReadError:
                return
            except OSError as error:
                self._end(viewer, reason(error))
                return
        self._ask(viewer)

    def _ask(self, viewer: ViewerConnection) -> None:
        """Write the request."""
        ticket = self.ticket
        if viewer.is_websocket:
            request = websocket_request(f"/ws?ticket={ticket}", origin=viewer.address.url)
        else:
            last = self._position(viewer) or ""
            request = event_stream_request(f"/events?topic={self.watch.topic}&ticket={ticket}", last_event_id=last)
        viewer.phase = Phase.ASKED
        self._write(viewer, request.encode(viewer.address.host_header))

    def _position(self, viewer: ViewedTopic) -> str | None:
        return f"{self.watch.topic}@{viewer.epoch}.{viewer.seq}" if viewer.seq >= 0 else None

    def expire(self) -> None:
        """Give up connections that take too long to open, and open those that wait. Called about every second."""
        now = time.monotonic()
        for viewer in [viewer for viewer in self._opening if viewer.deadline < now]:
            self._end(viewer, f"no answer for {OPENING_SECONDS:.0f} s")
        self._open_waiting()

    # Reading

    def _read_batch(self) -> None:
        sockets = self._sockets
        known = self.checker.known
        counts = self.counts
        clock = time.monotonic_ns
        read = os.read
        steady = Manner.STEADY
        for descriptor, events in self._poll.ready(BATCH):
            viewer = sockets.get(descriptor)
            if viewer is None:
                continue  # ended earlier in this batch
            if events != READ and viewer.phase is Phase.CONNECTING:
                self._connected(viewer)
                continue
            if viewer.phase is Phase.SECURING:
                self._greet(viewer)
                continue
            try:
                data = read(descriptor, READ_BYTES) if viewer.secure is None else viewer.secure.recv(READ_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except OSError as error:
                self._end(viewer, reason(error))
                continue
            tick = clock() // 100_000 if viewer.manner is steady else UNTIMED
            if viewer.plain and (frames := known.get(data)) is not None:
                for frame in frames:
                    frame.deliver(viewer, tick)
                counts.frames += len(frames)
            elif data:
                self._take(viewer, data, tick)
            else:
                self._end(viewer, "connection closed")
        if self._waiting and len(self._opening) < self.watch.openings_max:
            self._open_waiting()

    def _read(self, viewer: ViewerConnection, most_bytes: int) -> None:
        """Read once from a viewer that is not steady, as `_read_batch` does for all."""
        try:
            data = viewer.read(most_bytes)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError as error:
            self._end(viewer, reason(error))
            return
        if data:
            self._take(viewer, data, UNTIMED)
        else:
            self._end(viewer, "connection closed")

    def _connected(self, viewer: ViewerConnection) -> None:
        code = connect_error(viewer.descriptor)
        if code:
            self._end(viewer, os.strerror(code))
            return
        self._poll.watch(viewer.descriptor, READ)
        self._greet(viewer)

    def _take(self, viewer: ViewerConnection, data: bytes, tick: int) -> None:
        try:
            if viewer.stream is None:
                data = self._take_head(viewer, data)
            if viewer.stream is not None and data:
                self._take_body(viewer, viewer.stream, data, tick)
        except Broken as error:
            self._end(viewer, str(error))

    def _take_head(self, viewer: ViewerConnection, data: bytes) -> bytes:
        """Read the answer to the request; return what of `data` comes after it."""
        viewer.kept += data
        parsed = parse_head(viewer.kept)
        if parsed is None:
            return b""
        viewer.kept = b""
        head, rest = parsed
        if head.status == (101 if viewer.is_websocket else 200):
            viewer.phase = Phase.ANSWERED
            viewer.stream = WebSocketReader() if viewer.is_websocket else EventStreamReader(chunked=head.chunked)
            if viewer.is_websocket:
                self._command(
                    viewer, {"op": "subscribe", "topic": self.watch.topic, "ref": 1, "after": self._position(viewer)}
                )
            return rest
        retry_seconds = head.headers.get("retry-after", "")
        if head.status in (429, 500, 502, 503, 504):
            if retry_seconds.isdigit():
                viewer.retry_ms = int(retry_seconds) * 1_000
            self._end(viewer, f"HTTP {head.status}")
        else:
            self._end(viewer, f"HTTP {head.status}", for_good=True)
        return b""

    def _take_body(self, viewer: ViewerConnection, stream: Stream, data: bytes, tick: int) -> None:
        alone = viewer.plain
        frames = []
        for block in stream.feed(data):
            if viewer.name and viewer.manner is Manner.STEADY and (number := number_of(block)):
                viewer.seen.append((number, time.time()))
            read = self.checker.read(block, parse_text if viewer.is_websocket else parse_event)
            if isinstance(read, StreamMessage):
                alone = False
                self._take_message(viewer, read, tick)
                if viewer.stream is not stream:
                    return  # ended
            elif read is not None:
                read.deliver(viewer, tick)
                frames.append(read)
        self.counts.frames += len(frames)
        if replies := stream.take_replies():
            alone = False
            self._write(viewer, replies)
        if stream.ended:
            self._end_after_site(viewer, stream)
            return
        # A viewer that acknowledges frames must look at each of them.
        viewer.plain = viewer.phase is Phase.WATCHING and stream.between_blocks and not viewer.name
        if alone and viewer.plain:
            self.checker.known[data] = tuple(frames)

    def _take_message(self, viewer: ViewerConnection, message: StreamMessage, tick: int) -> None:
        data = message.data
        match message.name:
            case "hello":
                viewer.retry_ms = int(data.get("retry_ms", RETRY_MS))
                if "sample" in data:
                    viewer.name = str(data["connection"])
                    self.acknowledge_seconds = int(data["sample"]["every_ms"]) / 1_000
                self._welcome(viewer, data.get("topics", {}).get(self.watch.topic), tick)
            case "ack":
                self._welcome(viewer, data if "seq" in data else None, tick)
            case "reset":
                self._welcome(viewer, data, tick)
            case "drain":
                viewer.retry_ms = int(data.get("retry_ms", RETRY_MS))
                self._end(viewer, "drain")
            case "bye":
                self._end(viewer, f"bye: {data.get('reason')}", for_good=True)
            case "error":
                self._end(viewer, f"error: {data.get('error')}")

    def _welcome(self, viewer: ViewerConnection, topic: Mapping[str, Any] | None, tick: int) -> None:
        if topic is None:
            return
        is_new = viewer.seq < 0
        viewer.epoch = sys.intern(topic["epoch"])
        self.checker.welcome(viewer, topic["seq"], topic.get("snapshot"), tick)
        if viewer.phase is not Phase.ANSWERED:
            return
        viewer.phase = Phase.WATCHING
        viewer.attempts = 0
        del self._opening[viewer]
        self.connected += 1
        if is_new:
            self.counts.connected_once += 1
            self.last_connect_at = time.monotonic()
        else:
            self.counts.reconnects += 1
        self.unruly.take(viewer)
        self._change.set()

    # Acknowledging

    @property
    def is_sampled(self) -> bool:
        """Whether a viewer has something to acknowledge."""
        return any(viewer.seen for viewer in self.viewers)

    def take_seen(self, offset_seconds: float) -> list[tuple[ViewerConnection, list[tuple[int, int]]]]:
        """Return what each sampled viewer has to acknowledge since the last call, by the site's clock, in ms."""
        found = []
        for viewer in self.viewers:
            if viewer.seen:
                found.append((viewer, [(number, int(1_000 * (at + offset_seconds))) for number, at in viewer.seen]))
                viewer.seen = []
        return found

    # Writing and ending

    def command(self, viewer: ViewerConnection, command: Mapping[str, Any]) -> None:
        """Send a command over the viewer's WebSocket, if it has one now."""
        if viewer.phase is Phase.WATCHING:
            self._command(viewer, command)

    def _command(self, viewer: ViewerConnection, command: Mapping[str, Any]) -> None:
        self._write(viewer, client_frame(orjson.dumps(command)))

    def _write(self, viewer: ViewerConnection, data: bytes) -> None:
        """Write a few hundred bytes: a viewer's socket always has room for them."""
        try:
            written = viewer.write(data)
        except OSError as error:
            self._end(viewer, reason(error))
            return
        if written < len(data):
            self._end(viewer, "the site does not read")

    def _end(self, viewer: ViewerConnection, reason: str | None, *, for_good: bool = False) -> None:
        """Close the viewer's socket. The viewer comes back after a while, unless `for_good`."""
        if viewer.descriptor < 0:
            return
        self._forget_socket(viewer)
        if reason not in ("drain", OWN_WILL):
            if viewer.manner is Manner.SLOW and viewer.phase is Phase.WATCHING:
                self.counts.evictions += 1
            else:
                self.counts.troubles[reason or "no reason"] += 1
        if viewer.phase is Phase.WATCHING:
            self.connected -= 1
        self._opening.pop(viewer, None)
        viewer.phase = Phase.GONE if for_good else Phase.CLOSED
        viewer.stream = None
        viewer.kept = b""
        viewer.plain = False
        viewer.name = ""
        viewer.seen = []
        if for_good:
            self.counts.gone += 1
            self._change.set()
        else:
            # Full jitter: thousands that were cut at once come back one after the other.
            most_ms = min(viewer.retry_ms << min(viewer.attempts, 8), max(RETRY_MAX_MS, viewer.retry_ms))
            viewer.attempts += 1
            self._later(random.uniform(0, most_ms) / 1_000, viewer)

    def _flap(self, viewer: ViewerConnection) -> None:
        self.counts.flaps += 1
        self._end(viewer, OWN_WILL)

    def _end_after_site(self, viewer: ViewerConnection, stream: Stream) -> None:
        """The site has ended the connection in the protocol's own way: end it here too."""
        if isinstance(stream, WebSocketReader):
            code = stream.close_code
            self._end(viewer, f"closed with {code}", for_good=4400 <= code < 4500 and code != TOO_MANY)
        else:
            self._end(viewer, "stream ended")

    def _forget_socket(self, viewer: ViewerConnection) -> None:
        if not self.unruly.drop(viewer):
            self._poll.remove(viewer.descriptor)
        del self._sockets[viewer.descriptor]
        viewer.hang_up()

    def _later(self, seconds: float, viewer: ViewerConnection) -> None:
        def come_back() -> None:
            if not self._closed:
                self._waiting.append(viewer)
                self._open_waiting()

        self._loop.call_later(seconds, come_back)

    # The end

    def lost(self, top_seq: int) -> int:
        """Return how many durable events up to `top_seq` were not seen, summed over the viewers that have watched."""
        return sum(viewer.lost(top_seq) for viewer in self.viewers if viewer.seq >= 0)

    def stale(self, total: int, kinds: Mapping[str, int]) -> int:
        """Return how many of the viewers that have watched do not have these like totals as their last."""
        right: dict[LikesFrame | None, bool] = {}
        return sum(
            not right.setdefault(viewer.likes, viewer.likes is not None and viewer.likes.equals(total, kinds))
            for viewer in self.viewers
            if viewer.seq >= 0
        )

    def close(self) -> None:
        """Close every connection. A second time changes nothing."""
        if self._closed:
            return
        self._closed = True
        self.unruly.close()
        self._loop.remove_reader(self._poll.fileno())
        for viewer in list(self._sockets.values()):
            self._forget_socket(viewer)
        self._poll.close()
