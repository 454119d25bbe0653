"""Frames to the members of a topic: durable ones at once, state at the end of a frame interval.

Hop: the last but one. Called by the node (realtime.node.node); writes to the descriptors of connections
(realtime.node.connections). The interval stretches with the processor time that a fan-out takes, so a hot topic costs
a bounded share of a core, and with the time it takes on a busy machine. More than `SLICE_CONNECTIONS` members are
written to in slices, so that other work gets its turn.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from realtime import metrics
from realtime.background import Spawn
from realtime.events import Frame, now_ms
from realtime.node.acknowledgements import Acknowledgements
from realtime.node.connections import Connection, is_full
from realtime.node.descriptors import senders
from realtime.node.feed import Feed
from realtime.node.members import MemberList
from realtime.node.sending import Outgoing

SLICE_CONNECTIONS = 500  # about 5 ms of writing
TURN_SECONDS = 0.008  # of writing, then the loop has its turn
FANOUT_SHARE = 1 / 5  # of a core, at most, is spent on one topic's state frames
CONTENTION_REST = 2  # rest this many times as long as other processes kept the processor from us
REST_MAX_SECONDS = 1.5  # state is never older than 2 s


class Fanout:
    """The fan-out calls `behind` with each connection that has not yet taken the earlier frames."""

    def __init__(
        self,
        *,
        region: str,
        acknowledgements: Acknowledgements,
        frame_seconds: float,
        clock: Callable[[], float],
        write: Callable[[int, bytes], int],
        spawn: Spawn,
        behind: Callable[[Connection], None],
    ) -> None:
        self._region = region
        self._acknowledgements = acknowledgements
        self._frame_seconds = frame_seconds
        self._clock = clock
        self._write_descriptor = write
        self._spawn = spawn
        self._behind = behind
        self._loop = asyncio.get_running_loop()
        self._due: deque[Feed] = deque()

    def send_soon(self, feed: Feed, *, rest_seconds: float | None = None) -> None:
        """Send the waiting frames at the end of the frame interval, or at once if nothing was sent for that long.

        `rest_seconds`: the shortest interval, if it is not the topic's own.
        """
        sending, now = feed.sending, self._clock()
        rest_seconds = sending.rest_seconds if rest_seconds is None else rest_seconds
        due_at = max(now, sending.sent_at + max(self._frame_seconds, rest_seconds))
        if sending.is_due and sending.due_at <= due_at:
            return
        sending.is_due, sending.due_at = True, due_at
        sending.stop_timer()
        if due_at > now:
            sending.timer = self._loop.call_later(due_at - now, self.send_waiting, feed)
            return
        # Most topics are quiet. All of one batch share one turn of the loop, instead of a timer each.
        if not self._due:
            self._loop.call_soon(self._send_all_due)
        self._due.append(feed)

    def _send_all_due(self) -> None:
        members = 0
        while self._due and members < SLICE_CONNECTIONS:
            feed = self._due.popleft()
            members += len(feed.members)
            self.send_waiting(feed)
        if self._due:
            self._loop.call_soon(self._send_all_due)

    def send_waiting(self, feed: Feed) -> None:
        """Send the waiting state as soon as no frame of the topic is being sent."""
        if feed.sending.outbox:
            feed.sending.timer = self._loop.call_later(self._frame_seconds, self.send_waiting, feed)
            return
        self._send(feed, [], self._take_waiting(feed))

    def send(self, feed: Feed, made: Frame) -> None:
        """Write a durable frame to all members, together with the waiting state. Another write would cost ten times as
        much as the bytes.
        """
        self._send(feed, [made], self._take_waiting(feed))

    def send_alone(self, feed: Feed, made: Frame) -> None:
        """Write a frame that says everything. State waits for its turn."""
        self._send(feed, [made], [])

    def _take_waiting(self, feed: Feed) -> list[Frame]:
        sending = feed.sending
        if not sending.is_due:
            return []
        sending.is_due = False
        sending.stop_timer()
        sending.sent_at = self._clock()
        return feed.waiting_frames(self._region)

    def _send(self, feed: Feed, durable: list[Frame], state: list[Frame]) -> None:
        """Write the frames: now, if there are few members and nothing is being sent."""
        members, sending = feed.members, feed.sending
        if not (durable or state) or not len(members):
            return
        sse_size, websocket_size = members.sse.size, members.websocket.size
        out = Outgoing(durable, state, sse_size, websocket_size, tuple(members.sampled))
        if sending.pump is None and sse_size + websocket_size <= SLICE_CONNECTIONS:
            self.write(feed, out, 0, SLICE_CONNECTIONS)
            return
        sending.outbox.append(out)
        if sending.pump is None:
            sending.pump = self._spawn(self._pump(feed), name=f"fan-out {feed.topic}")

    async def _pump(self, feed: Feed) -> None:
        """Write the outbox in slices; frames for the same members go in one write."""
        sending = feed.sending
        try:
            while sending.outbox:
                out = sending.outbox[0]
                while len(sending.outbox) > 1 and out.absorb(sending.outbox[1]):
                    del sending.outbox[1]
                began = turn = self._clock()
                busy = 0.0
                for start in range(0, max(out.sse_size, out.websocket_size), SLICE_CONNECTIONS):
                    slice_began = time.thread_time()
                    self.write(feed, out, start, start + SLICE_CONNECTIONS)
                    busy += time.thread_time() - slice_began
                    if self._clock() - turn > TURN_SECONDS:
                        await asyncio.sleep(0)
                        turn = self._clock()
                del sending.outbox[0]
                elapsed = self._clock() - began
                rest = busy / FANOUT_SHARE + (elapsed - busy) * CONTENTION_REST
                sending.rest_seconds = min(rest, REST_MAX_SECONDS)
                metrics.fanout_seconds.observe(elapsed)
            feed.members.compact()
        finally:
            sending.pump = None

    def write(self, feed: Feed, out: Outgoing, start: int, stop: int) -> None:
        """Write to the members at [start, stop) of each protocol."""
        frames = out.durable + out.state
        if start == 0:
            self._note_written(frames, out.readers)
        written = sent_bytes = 0
        for watching, size, is_sse in (
            (feed.members.sse, out.sse_size, True),
            (feed.members.websocket, out.websocket_size, False),
        ):
            if start < size:
                data = b"".join([made.sse if is_sse else made.websocket for made in frames])
                count = write_slice(
                    watching,
                    start,
                    min(stop, size),
                    data=data,
                    frames=frames,
                    durable=out.durable,
                    behind=self._behind,
                    write=self._write_descriptor,
                )
                written += count
                sent_bytes += count * len(data)
        for made in frames:
            metrics.frames_sent_of(made.name).inc(written)
            if made.counted:
                metrics.counted_deliveries.inc(made.counted * written)
        metrics.bytes_sent.inc(sent_bytes)

    def _note_written(self, frames: Iterable[Frame], readers: Iterable[Connection]) -> None:
        """Give frames their hops when they are written for the first time, count them, and begin the samples."""
        written_ms = now_ms()
        # A reader that has not yet taken the earlier frames gets no state. Nothing is lost by that.
        ready = [reader.id for reader in readers if not reader.wire.pending_bytes()] if readers else []
        for made in frames:
            if (journey := made.journey) is None:
                continue
            hops = journey.hops(written_ms, here=self._region)
            for received_ms in journey.received:
                metrics.hop_seconds.observe("written", journey.event, journey.passage.region, written_ms - received_ms)
            if ready and journey.received and (number := self._acknowledgements.begin(journey, written_ms, ready)):
                hops = b'%b,"n":%d}' % (hops[:-1], number)
            made.write_hops(hops)


def write_slice(
    watching: MemberList[Connection],
    start: int,
    stop: int,
    *,
    data: bytes,
    frames: Sequence[Frame],
    durable: Sequence[Frame],
    behind: Callable[[Connection], None],
    write: Callable[[int, bytes], int] = os.write,
) -> int:
    """Write the bytes to the connections at [start, stop) of a list; return how many got them.

    `data` is what `frames` look like on a socket. It calls `behind` with each connection that has not yet taken the
    earlier frames. Such a connection gets only the `durable` frames, and must get the newest state later.
    The loop touches only the descriptors, because the objects of 5,000 connections do not fit the processor's cache.
    """
    size = len(data)
    missed = 0
    sender_of = senders.get
    for place, fd in enumerate(watching.fds[start:stop], start):
        if fd < 0:
            missed += not _write_around(watching.members[place], frames, durable=durable, behind=behind)
            continue
        try:
            send = sender_of(fd)
            sent = write(fd, data) if send is None else send(data)
            if sent == size:
                continue
        except OSError as error:
            if not is_full(error):
                missed += 1  # lost: the poll reads the same error from the socket and ends the connection
                continue
            sent = 0
        connection = watching.members[place]
        assert connection is not None, "a hole has no descriptor"
        connection.wire.keep(data[sent:])
    return stop - start - missed


def _write_around(
    connection: Connection | None,
    frames: Sequence[Frame],
    *,
    durable: Sequence[Frame],
    behind: Callable[[Connection], None],
) -> bool:
    """Write to a connection with a busy socket, or without one. False: not written."""
    if connection is None:
        return False
    if connection.wire.pending_bytes():
        behind(connection)
        if len(durable) < len(frames):
            connection.stale = True
            frames = durable
        if not frames:
            return False
    connection.write(frames)
    return True
