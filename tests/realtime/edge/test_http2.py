"""HTTP/2 of the server: what it answers, and that it holds no more for its peers than HTTP/1.1 does.

What is said of requests in test_server.py holds too, because the same code answers them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from realtime.edge.bound import WAITING_MAX_BYTES
from realtime.edge.http2 import AT_WORK_MAX, HOLDING_MAX, RESTS_MAX_BYTES, STREAMS_MAX
from realtime.edge.server import BODY_MAX_BYTES
from tests.realtime.edge.http2_client import Answer, Headers, Peer
from tests.realtime.edge.test_server import Line, Running, secured
from tests.watching import eventually

MEGABYTE = 1024 * 1024
NUMBERS: dict[str, Any] = {"CONNECTS": "1000", "IDLE": "8", "IDLE_SECONDS": "600", "STALL_SECONDS": "60"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """It keeps eight connections of an address that do nothing."""
    running = Running(**secured(tmp_path_factory.mktemp("http2")), **NUMBERS)
    yield running
    running.kill()


@pytest.fixture(scope="module")
def hasty_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    way = secured(tmp_path_factory.mktemp("hasty"))
    running = Running(**way, REQUEST_SECONDS="0.5", IDLE_SECONDS="0.5", STALL_SECONDS="0.5")
    yield running
    running.kill()


# What is answered


async def test_requests_of_one_connection_are_answered_side_by_side(server: Running) -> None:
    async with Peer.to(server) as peer:
        first, second = peer.ask("/"), peer.ask("/status?404")
        answer = await peer.answer(first)
        assert (answer.status, answer.json["http_version"], answer.json["scheme"]) == (200, "2", "https")
        assert ["host", "x"] in answer.json["headers"]
        assert (await peer.answer(second)).status == 404
        assert (await peer.get("/fail")).status == 500
        assert (await peer.get("/page?100", method="HEAD")).headers["content-length"] == "100"
        assert (await peer.get("/status?304")).body == b""
    await eventually(server.is_empty, "the connection to be forgotten")


async def test_cookies_in_many_fields_are_one_and_a_host_beside_the_authority_is_the_same(server: Running) -> None:
    async with Peer.to(server) as peer:
        answer = await peer.get("/", [("cookie", "a=1"), ("host", "x"), ("cookie", "b=2")])
        headers = answer.json["headers"]
        assert [value for name, value in headers if name == "cookie"] == ["a=1; b=2"]
        assert [value for name, value in headers if name == "host"] == ["x"]


async def test_a_body_is_read_with_its_trailers_and_its_window_given_back(server: Running) -> None:
    async with Peer.to(server) as peer:
        for _ in range(6):  # more than the connection's window in sum
            id = peer.ask(method="POST", is_whole=False)
            await peer.until(lambda id=id: peer.h2.local_flow_control_window(id) >= BODY_MAX_BYTES)  # type: ignore[misc]
            peer.body(id, b"x" * BODY_MAX_BYTES, is_last=False)
            peer.h2.send_headers(id, [("x-sum", "1")], end_stream=True)
            peer.flush()
            assert (await peer.answer(id)).json["body_bytes"] == BODY_MAX_BYTES


async def test_pages_and_files_of_any_size_come_whole_and_in_turn(server: Running) -> None:
    async with Peer.to(server) as peer:
        ids = [peer.ask(f"/page?{2 * MEGABYTE}") for _ in range(2)]
        file = peer.ask("/file?10+2000")
        own = Path(__file__).with_name("server_under_test.py").read_bytes()
        assert (await peer.answer(file)).body == own[10:2010]
        assert not all(peer.answers[id].is_over for id in ids), "a small file waits for no large page"
        for id in ids:
            assert len((await peer.answer(id)).body) == 2 * MEGABYTE


async def test_a_file_for_everybody_is_sent_again_whatever_protocol_asked_first(server: Running) -> None:
    async with Peer.to(server) as peer, Line.to(server) as line:
        first = await peer.get("/segment?60")
        assert first.status == 200
        assert [(await peer.get("/segment?60")).body for _ in range(3)] == [first.body] * 3
        line.send("GET /segment?60 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await line.answer())[1] == first.body
        assert (await peer.get("/segment?60", [("range", "bytes=0-1")])).body != first.body
        line.send("GET /segment?50 HTTP/1.1\r\nHost: x\r\n\r\n")
        other = (await line.answer())[1]
        assert (await peer.get("/segment?50")).body == other
        assert (await peer.get("/segment?60", [("x-gone", "1"), ("range", "bytes=0-")])).status == 404
        assert (await peer.get("/segment?60")).body != first.body


async def test_failure_after_the_answer_began_ends_that_stream_alone(server: Running) -> None:
    async with Peer.to(server) as peer:
        answer = await peer.get("/fail-late")
        assert (answer.has_ended, answer.reset) == (False, ErrorCodes.CANCEL)
        assert (await peer.get()).status == 200


async def test_one_who_asks_in_http_1_1_after_all_is_told(server: Running) -> None:
    trust = ssl.create_default_context(cafile=server.env["CERTIFICATE"])
    trust.set_alpn_protocols(["h2", "http/1.1"])
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=trust)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await Line(reader, writer).rest() != b""
    writer.close()


async def test_a_request_that_is_taken_back_at_once_is_none_and_the_others_go_on(server: Running) -> None:
    async with Peer.to(server) as peer:
        assert (await peer.get("/segment?60")).status == 200
        other = peer.ask(waits=True)
        for path in ("/segment?60", "/a b", "/"):
            peer.h2.reset_stream(peer.ask(path, waits=True))
        peer.flush()
        assert (await peer.answer(other)).status == 200
        assert (await peer.get()).status == 200
    await eventually(server.is_empty, "all to be forgotten")


# Event streams


async def test_events_come_on_many_streams_of_a_connection_beside_pages(server: Running) -> None:
    async with Peer.to(server) as peer:
        streams = [peer.ask("/events") for _ in range(3)]
        await peer.until(lambda: all(peer.answers[id].body for id in streams))
        assert (await peer.get("/say?100")).status == 200
        await peer.until(lambda: all(b"event: comment" in peer.answers[id].body for id in streams))
        peer.h2.reset_stream(streams[0])
        peer.flush()

        async def has_left() -> bool:
            return bool((await server.state())["streams"] == 2)

        await eventually(has_left, "the stream to be forgotten")
        assert (await peer.get()).status == 200
    await eventually(server.is_empty, "the streams to be forgotten")


async def test_events_that_a_stream_does_not_take_wait_and_come_whole(server: Running) -> None:
    async with Peer.to(server, initial_window_size=100) as peer:
        peer.takes = False
        stream = peer.ask("/events")
        for _ in range(5):
            await server.request("GET /say?10000")
        assert 40_000 < (await server.state())["http2_waiting"] < WAITING_MAX_BYTES
        peer.h2.increment_flow_control_window(200_000)
        peer.h2.increment_flow_control_window(200_000, stream)
        peer.flush()
        await peer.until(lambda: peer.answers[stream].body.count(b"x" * 10_000) == 5)


async def test_a_stream_that_takes_no_events_is_cut_at_the_bound_and_the_others_stay(server: Running) -> None:
    async with Peer.to(server) as peer:
        peer.takes = False
        streams = [peer.ask("/events") for _ in range(3)]
        await peer.until(lambda: all(peer.answers[id].body for id in streams))
        peer.h2.increment_flow_control_window(4 * MEGABYTE)
        for id in streams[1:]:
            peer.h2.increment_flow_control_window(4 * MEGABYTE, id)
        peer.flush()
        while peer.answers[streams[0]].reset is None:
            await server.request("GET /say?50000")
            assert (await server.state())["http2_waiting"] <= WAITING_MAX_BYTES
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await peer.until(lambda: peer.answers[streams[0]].is_over)
        assert (await server.state())["streams"] == 2
    await eventually(server.is_empty, "all to be forgotten")


# Readers that do not read


async def test_readers_of_many_pages_who_take_nothing_cost_no_more_than_the_bound(server: Running) -> None:
    """Neither a window that never opens nor a kernel that is full: and few applications hold a page meanwhile."""
    async with Peer.to(server, initial_window_size=0) as shut, Peer.to(server) as deaf:
        for _ in range(STREAMS_MAX):
            shut.ask(f"/page?{MEGABYTE}")
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        deaf.h2.increment_flow_control_window(2**30)
        for _ in range(STREAMS_MAX):
            deaf.h2.increment_flow_control_window(2**30, deaf.ask(f"/page?{MEGABYTE}"))
        deaf.flush()

        async def they_wait() -> bool:
            state = await server.state()
            return bool(state["running"] >= 2 * HOLDING_MAX and state["http2_waiting"])

        await eventually(they_wait, "the pages to be made")
        state = await server.state()
        assert state["http2_waiting"] <= WAITING_MAX_BYTES
        assert state["running"] <= 2 * AT_WORK_MAX
        assert (await server.request("GET /"))[0] == 200, "others are served"
    await eventually(server.is_empty, "the readers to be forgotten")


async def test_a_stream_whose_window_stays_shut_is_cut_and_the_others_stay(hasty_server: Running) -> None:
    async with Peer.to(hasty_server, initial_window_size=0) as peer:
        page, file = peer.ask("/page?1000"), peer.ask("/huge-file")
        assert (await peer.answer(page)).reset == ErrorCodes.CANCEL
        assert (await peer.answer(file)).reset == ErrorCodes.CANCEL
        other = peer.ask("/")
        peer.h2.increment_flow_control_window(1000, other)
        peer.flush()
        assert (await peer.answer(other)).status == 200


async def test_a_connection_whose_window_stays_shut_or_that_reads_nothing_is_cut(hasty_server: Running) -> None:
    async with Peer.to(hasty_server) as shut, Peer.to(hasty_server) as deaf:
        deaf.ask("/huge-file")
        deaf.h2.increment_flow_control_window(2**30)
        deaf.h2.increment_flow_control_window(2**30, 1)
        deaf.flush()
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        shut.takes = False
        shut.h2.increment_flow_control_window(MEGABYTE, shut.ask("/huge-file"))
        shut.flush()
        await shut.closed()
        await eventually(hasty_server.is_empty, "both to be cut")


async def test_reader_who_takes_a_little_from_time_to_time_reads_it_all(hasty_server: Running) -> None:
    async with Peer.to(hasty_server, initial_window_size=1000) as peer:
        peer.takes = False
        id = peer.ask("/page?10000")
        for size in range(1000, 10_000, 1000):
            await peer.until(lambda size=size: len(peer.answers[id].body) == size)  # type: ignore[misc]
            await asyncio.sleep(0.1)  # so that it takes longer than a stall may
            peer.h2.increment_flow_control_window(1000, id)
            peer.flush()
        assert (await peer.answer(id)).has_ended


async def test_a_request_or_a_connection_that_goes_on_never_has_its_time(hasty_server: Running) -> None:
    async with Peer.to(hasty_server) as peer, Peer.to(hasty_server) as mute, Peer.to(hasty_server) as half:
        id = peer.ask(method="POST", is_whole=False)
        half.send(HeadersFrame(1, b"\x82"))  # more was to come
        stream = peer.ask("/events")
        assert (await peer.answer(id)).reset == ErrorCodes.CANCEL
        await mute.closed()
        await half.closed()
        assert not peer.answers[stream].is_over
        peer.h2.reset_stream(stream)
        peer.flush()
        await peer.closed()  # nothing more was asked
    await eventually(hasty_server.is_empty, "all to be forgotten")


async def test_connections_that_ask_nothing_count_for_their_address(server: Running) -> None:
    async with contextlib.AsyncExitStack() as stack:
        ends: list[asyncio.Future[int | None]] = []
        for _ in range(10):
            peer = await stack.enter_async_context(Peer.to(server))
            with contextlib.suppress(AssertionError):  # it was one too many
                await peer.get()
            ends.append(asyncio.ensure_future(peer.closed()))

        async def are_two_closed() -> bool:
            return sum(end.done() for end in ends) >= 2

        try:
            await eventually(are_two_closed, "two to be closed")
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)


# Requests that are none


async def test_a_request_that_is_too_large_is_answered_in_words_and_the_others_go_on(server: Running) -> None:
    async def refused(answer: Answer, status: int, code: str) -> None:
        assert (answer.status, answer.json["code"], answer.has_ended) == (status, code, True)

    async with Peer.to(server) as peer:
        await refused(await peer.get("/", [("cookie", "x" * 20_000)]), 431, "headers_too_large")
        await refused(await peer.get("/", [("a", "b")] * 501), 431, "headers_too_large")
        for size in (20_000, 70_000, 100_000):
            await refused(await peer.get("/" + "x" * size), 414, "uri_too_long")
        for path in ("http://evil.example/", "/a b", "*"):
            await refused(await peer.get(path), 400, "bad_request")
        await refused(await peer.get(method="GET /"), 400, "bad_request")
        await refused(await peer.get("/", [("content-length", "5")]), 400, "bad_request")
        length = [("content-length", str(BODY_MAX_BYTES + 1))]
        await refused(await peer.answer(peer.ask("/", length, method="POST", is_whole=False)), 413, "too_large")
        endless = peer.ask(method="POST", is_whole=False)
        await peer.until(lambda: peer.h2.local_flow_control_window(endless) > BODY_MAX_BYTES)
        peer.body(endless, b"x" * (BODY_MAX_BYTES + 1), is_last=False)
        await refused(await peer.answer(endless), 413, "too_large")
        assert (await peer.get()).status == 200
    assert (await server.state())["running"] == 0


async def test_the_rest_of_a_body_that_nobody_wants_is_dropped_so_the_answer_is_read(server: Running) -> None:
    """curl (7.88, Debian's) shows no answer whose stream is reset before curl has sent all."""
    async with Peer.to(server) as peer:

        async def refused(id: int) -> Answer:
            await peer.until(lambda: peer.answers[id].has_ended)
            return peer.answers[id]

        id = peer.ask("/", [("content-length", "90000")], method="POST", is_whole=False)
        answer = await refused(id)
        peer.body(id, b"x" * 60_000, is_last=False)
        await peer.until(lambda: peer.h2.local_flow_control_window(id) >= 30_000)
        peer.body(id, b"x" * 30_000)
        assert (await peer.get()).status == 200
        assert (answer.status, answer.reset) == (413, None)
        id = peer.ask(method="POST", is_whole=False)
        peer.body(id, b"x" * (BODY_MAX_BYTES + 1), is_last=False)
        answer = await refused(id)
        sent = 0
        while answer.reset is None and sent < 2 * RESTS_MAX_BYTES:
            await peer.until(lambda: answer.reset is not None or peer.h2.local_flow_control_window(id) >= 30_000)
            if answer.reset is None:
                peer.body(id, b"x" * 30_000, is_last=False)
                sent += 30_000
        assert (answer.status, answer.reset) == (413, ErrorCodes.NO_ERROR), "and it has an end"
        assert (await peer.get()).status == 200


PSEUDO: Headers = [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/")]


@pytest.mark.parametrize(
    "headers",
    [
        PSEUDO[:3],
        PSEUDO[1:],
        [*PSEUDO, (":path", "/")],
        [("a", "b"), *PSEUDO],
        [*PSEUDO, (":status", "200")],
        [*PSEUDO, ("Accept", "*/*")],
        [*PSEUDO, ("connection", "close")],
        [*PSEUDO, ("transfer-encoding", "chunked")],
        [*PSEUDO, ("upgrade", "websocket")],
        [*PSEUDO, ("te", "gzip")],
        [*PSEUDO, ("host", "evil.example")],
        [*PSEUDO, ("content-length", "x")],
        [*PSEUDO, ("a", "b\r\nc: d")],
    ],
)
async def test_headers_that_are_no_request_end_the_connection_and_no_other(server: Running, headers: Headers) -> None:
    async with Peer.to(server) as peer:
        peer.ask("", headers, bare=True)
        assert await peer.closed() == ErrorCodes.PROTOCOL_ERROR


async def test_more_or_less_of_a_body_than_was_said_ends_the_connection(server: Running) -> None:
    for size in (4, 6):
        async with Peer.to(server) as peer:
            id = peer.ask("/", [("content-length", "5")], method="POST", is_whole=False)
            peer.body(id, b"x" * size)
            assert await peer.closed() == ErrorCodes.PROTOCOL_ERROR
    await eventually(server.is_empty, "them to be forgotten")


# Peers that make work


async def test_a_stream_too_many_is_refused_and_the_others_go_on(server: Running) -> None:
    async with Peer.to(server) as peer:
        assert (await peer.get()).status == 200
        del peer.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS]
        ids = [peer.ask(method="POST", is_whole=False) for _ in range(STREAMS_MAX + 3)]
        for id in ids[STREAMS_MAX:]:
            assert (await peer.answer(id)).reset == ErrorCodes.REFUSED_STREAM
        peer.body(ids[0], b"")
        assert (await peer.answer(ids[0])).status == 200
        assert (await peer.get()).status == 200


def flood(made: Callable[[int], Frame | bytes], count: int) -> bytes:
    frames = (made(number) for number in range(count))
    return b"".join(each if isinstance(each, bytes) else each.serialize() for each in frames)


def asking(id: int, block: bytes) -> bytes:
    return bytes(HeadersFrame(id, block, flags=["END_HEADERS", "END_STREAM"]).serialize())


BLOCK = b"\x82\x87\x84\x41\x01x"  # GET, https, /, and the authority x


def rapid_reset(number: int) -> bytes:
    return asking(2 * number + 3, BLOCK) + bytes(RstStreamFrame(2 * number + 3, error_code=8).serialize())


@pytest.mark.parametrize(
    "made",
    [
        rapid_reset,
        lambda _: PingFrame(0, b"12345678"),
        lambda _: SettingsFrame(0, {4: 65_535}),
        lambda _: PriorityFrame(1),
        lambda _: WindowUpdateFrame(0, 1),
        lambda _: WindowUpdateFrame(1, 1),
        lambda _: DataFrame(1, b""),
        lambda _: DataFrame(1, b"x"),
        lambda _: b"\0\0\0\xfe\0\0\0\0\0",  # of a kind that nobody knows
    ],
    ids=["rapid reset", "ping", "settings", "priority", "window", "stream's window", "empty", "byte", "unknown"],
)
async def test_a_flood_of_frames_that_ask_for_nothing_ends_the_connection(
    server: Running, made: Callable[[int], Frame | bytes]
) -> None:
    """CVE-2023-44487 and its relatives."""
    async with Peer.to(server) as peer:
        peer.ask(method="POST", is_whole=False)
        peer.send(flood(made, 1_500))
        assert await peer.closed() == ErrorCodes.ENHANCE_YOUR_CALM
    assert (await server.state())["running"] <= AT_WORK_MAX
    await eventually(server.is_empty, "it to be forgotten")


async def test_one_who_opens_windows_by_a_byte_is_sent_away(server: Running) -> None:
    async with Peer.to(server, initial_window_size=0) as peer:
        peer.takes = False
        peer.ask("/page?100000")
        peer.send(flood(lambda _: WindowUpdateFrame(1, 1), 1_500))
        assert await peer.closed() == ErrorCodes.ENHANCE_YOUR_CALM


async def test_headers_without_an_end_or_that_grow_when_they_are_read_end_the_connection(server: Running) -> None:
    """CVE-2024-27316, and a table's entry of 4 KB that is named a thousand times."""
    async with Peer.to(server) as peer:
        peer.send(HeadersFrame(1, BLOCK), *[ContinuationFrame(1, b"\x84" * 16_000)] * 20)
        assert await peer.closed() == ErrorCodes.ENHANCE_YOUR_CALM
    async with Peer.to(server) as peer:
        value = b"x" * 3_900
        entry = b"\x40\x01a\x7f" + bytes([(len(value) - 127) % 128 + 128, (len(value) - 127) // 128]) + value
        peer.send(asking(1, BLOCK + entry), asking(3, BLOCK + b"\xbe" * 10_000))
        assert await peer.closed() == ErrorCodes.ENHANCE_YOUR_CALM


async def test_a_table_for_our_headers_stays_small_whatever_is_offered(server: Running) -> None:
    async with Peer.to(server, header_table_size=2**31) as peer:
        assert (await peer.get()).status == 200
        assert (await peer.get()).status == 200
        assert peer.h2.decoder.header_table_size <= 4_096


# The end


async def test_a_server_that_stops_ends_what_was_begun_and_takes_no_more(tmp_path: Path) -> None:
    server = Running(**secured(tmp_path), FINISH_SECONDS="60")
    async with Peer.to(server, initial_window_size=1_000) as peer, Peer.to(server) as idle:
        await idle.get()
        peer.takes = False
        stream, page = peer.ask("/events"), peer.ask("/page?3000")
        await peer.until(lambda: peer.answers[stream].body and peer.answers[page].body)
        stopping = asyncio.create_task(asyncio.to_thread(server.terminate))
        assert await idle.closed() == ErrorCodes.NO_ERROR
        await peer.until(lambda: peer.answers[stream].has_ended)
        assert b"event: drain" in peer.answers[stream].body
        assert peer.goodbye == ErrorCodes.NO_ERROR
        assert (await peer.get()).reset == ErrorCodes.REFUSED_STREAM
        peer.h2.increment_flow_control_window(2_000, page)
        peer.flush()
        assert len((await peer.answer(page)).body) == 3_000
        await peer.closed()
        code, output, log = await stopping
    assert (code, output.splitlines()[-1]) == (0, "ended 0")
    assert "Traceback" not in log
