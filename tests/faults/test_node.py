"""A node killed, told to stop, or besieged: its viewers lose nothing, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from realtime.edge.bound import WAITING_MAX_BYTES
from realtime.edge.handoff import STREAM_BUFFER_BYTES
from tests.faults.conftest import Talk
from tests.rooms import Room
from tests.sites import Site
from tests.watching import SseWatcher, Watcher, WebSocketWatcher, check, crowd, each, eventually, watching

KIB = 1024


async def test_killed_under_its_viewers_who_come_back_to_another_and_have_missed_nothing(
    site: Site, room: Room
) -> None:
    """Its place in the shared table goes with its lease, and with it the viewers that it had counted."""
    async with (
        watching(*crowd(site.urls[:1], room.topic, 50)) as moved,
        watching(*crowd(site.urls[1:], room.topic, 2)) as others,
    ):
        gone = moved[0].named("hello")[0].data["node"]
        async with Talk(room, node=1) as talk:
            await each(others, lambda viewer: viewer.sees_viewers(52))
            site.nodes[0].kill()
            await each(moved, lambda viewer: viewer.is_closed())
            await talk.goes_on()
            await each(moved, lambda viewer: viewer.open(site.urls[1]))
            await eventually(lambda: gone not in room.leases(), "the dead node's lease to end")
            await each([*moved, *others], lambda viewer: viewer.sees_viewers(52))
        await each([*moved, *others], lambda viewer: viewer.sees_comment(talk.said[-1]))

        check([*moved, *others], reconnected=True)
        assert {viewer.hellos for viewer in others} == {1}
        assert moved[0].comments == room.comments_kept() == talk.said
        assert talk.refused == []


async def test_told_to_stop_says_goodbye_to_everybody_and_leaves_the_table(site: Site, room: Room) -> None:
    """L2, L3, whole: also with half a request and a handshake under way (test_server.py has them on stock Daphne)."""
    async with watching(*crowd(site.urls[:1], room.topic, 60)) as moved:
        node = moved[0].named("hello")[0].data["node"]
        async with Talk(room, node=1) as talk:
            await talk.goes_on()
            with contextlib.closing(_connection(site.urls[0])) as half:
                half.sendall(b"POST /api/v1/guests HTTP/1.1\r\nHost: x\r\nContent-Le")
                site.nodes[0].ask_to_stop()
                await each(moved, lambda viewer: viewer.is_closed())
            assert [viewer.names[-1] for viewer in moved] == ["drain"] * 60
            assert {v.close_code for v in moved if isinstance(v, WebSocketWatcher)} == {1012}
            assert all(v.ended_in_order for v in moved if isinstance(v, SseWatcher))
            await each(moved, lambda viewer: viewer.open(site.urls[1]))
            await eventually(lambda: site.nodes[0].exit_code() is not None, "the node to end")
            assert site.nodes[0].exit_code() == 0
            assert node not in room.leases()
        await each(moved, lambda viewer: viewer.sees_comment(talk.said[-1]))
        check(moved, reconnected=True)
        assert moved[0].comments == room.comments_kept() == talk.said
        assert talk.refused == []
    assert "Traceback" not in site.log("node-1")


async def test_herd_that_comes_back_at_once_costs_one_read_of_the_database(site: Site, room: Room) -> None:
    herd: list[Watcher] = crowd(site.urls[:1], room.topic, 300)
    async with watching(*herd):
        await room.comment("before", node=1)
        await each(herd, lambda viewer: viewer.sees_comment("before"))
        site.nodes[0].kill()
        await each(herd, lambda viewer: viewer.is_closed())
        await room.comment("meanwhile", node=1)
        site.start_node(0)
        site.wait_until_ready()
        await each(herd, lambda viewer: viewer.open())
        await each(herd, lambda viewer: viewer.sees_comment("meanwhile"))
        check(herd, reconnected=True)

        assert await room.metric("live_topic_loads_total") == 1


async def closed_slow(room: Room) -> float:
    """Return how many viewers the node has closed because they did not read: too much waited, or for too long."""
    reasons = ("full", "stalled")
    return sum([await room.metric("live_mailbox_drops_total", reason=reason) for reason in reasons])


async def test_viewer_who_does_not_read_is_cut_and_nobody_waits_for_it(site: Site, room: Room) -> None:
    """L5. Stock: 52 MB unread by one viewer are 55 MB more memory; there is no limit.

    Here it is the mailbox, and what the two kernels hold of it.
    """
    buffered = WAITING_MAX_BYTES + 2 * STREAM_BUFFER_BYTES
    async with watching(*crowd(site.urls[:1], room.topic, 2)) as viewers:
        with contextlib.closing(_connection(site.urls[0], receive_bytes=4 * KIB)) as stalled:
            stalled.sendall(f"GET /events?topic={room.topic} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            await each(viewers, lambda viewer: viewer.sees_viewers(3))
            sent = 0
            while not (cut := await closed_slow(room)):
                assert sent < buffered + 64 * KIB, "more than its mailbox waits for one viewer"
                texts = [f"{sent + number} " + "x" * 990 for number in range(20)]
                await asyncio.gather(*(room.comment(text, node=1) for text in texts))
                sent += sum(map(len, texts))
                for text in texts:
                    await each(viewers, lambda viewer, text=text: viewer.sees_comment(text))  # type: ignore[misc]
            assert cut == 1
            await each(viewers, lambda viewer: viewer.sees_viewers(2))
        check(viewers)


@pytest.fixture
def fresh_node(site: Site) -> Iterator[Callable[[], int]]:
    """Have a third node for a while; returns the memory it takes, in bytes."""
    site.start_node()
    site.wait_until_ready()
    status = Path(f"/proc/{site.nodes[-1].pid}/status")
    yield lambda: int(status.read_text().partition("VmRSS:")[2].split()[0]) * KIB
    site.nodes.pop().kill()
    site.urls.pop()


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs /proc")
async def test_idle_viewer_costs_less_than_30_kib(site: Site, room: Room, fresh_node: Callable[[], int]) -> None:
    """L16. Stock: 47 KB for an SSE consumer that does nothing, without sessions or layer channel."""
    count = 1_000
    request = f"GET /events?topic={room.topic} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:

        async def connect(viewers: int, expected: int) -> None:
            for _ in range(viewers):
                connection = stack.enter_context(contextlib.closing(_connection(site.urls[2])))
                connection.sendall(request)

            async def all_there() -> bool:
                return await room.metric("live_connections", node=2) == expected

            await eventually(all_there, f"{expected} viewers")

        await connect(100, 100)  # what the first ones load stays
        before = fresh_node()
        await connect(count, 100 + count)
        grown = fresh_node() - before
    assert grown / count < 30 * KIB


def _connection(url: str, *, receive_bytes: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_bytes is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    parts = urlsplit(url)
    connection.connect((parts.hostname, parts.port))
    return connection
