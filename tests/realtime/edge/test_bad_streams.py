"""Bad input for event streams, over real sockets: an answer that a client can act on, no leak, the others unaffected.

Rows 41 to 56 of the list of bad inputs. Who may watch: test_stream_rights.py.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from urllib.parse import quote, urlsplit

import pytest

from tests.realtime.edge.clients import nobody_is_left, private_video, stream
from tests.rooms import Room
from tests.sites import Site
from tests.watching import SseWatcher, eventually, watching


@pytest.mark.parametrize(
    "position",
    [
        b"",
        b"x",
        b"a" * 5_000,
        b"\xff\xfe",
        b"TOPIC@-1",
        b"TOPIC@",
        b"TOPIC@1e3",
        b"TOPIC@ 1",
        b"TOPIC@999999999",
        b"TOPIC@99999999999999999999999",
        b"TOPIC@\xd9\xa1",
        b"video:00000000-0000-0000-0000-000000000000@1",
        b"user:1@1",
        b"TOPIC@1' OR 1=1; --",
        b"TOPIC@1",
        b"TOPIC@another.1",
        b"TOPIC@.1",
        b"TOPIC@e.f.1",
        b"*@1",
    ],
)
async def test_position_that_is_none_is_answered_with_a_fresh_state(here: Room, position: bytes) -> None:
    """Row 41."""
    await here.comment("hello")
    sent = position.replace(b"TOPIC", here.topic.encode())
    async with stream(here, headers=[("Last-Event-ID", sent)]) as viewer:
        assert viewer.status == 200
        assert (await viewer.named("hello"))["topics"][here.topic]["snapshot"] is None
        reset = await viewer.named("reset")
        assert [comment["body"] for comment in reset["snapshot"]["comments"]] == ["hello"]


@pytest.mark.parametrize("position", ["x", "TOPIC", "TOPIC@-1", "TOPIC@e.x", "%00", "TOPIC%0A@1", "*@1"])
async def test_position_in_the_address_that_is_none_is_a_mistake(lobby: Room, position: str) -> None:
    """Row 41: the address is the page's own, not the browser's memory."""
    query = f"topic={lobby.topic}&after={position.replace('TOPIC', lobby.topic)}"
    async with stream(lobby, query) as viewer:
        assert await viewer.error() == (422, "invalid")


async def test_position_in_a_private_video_tells_nothing_of_it(here: Room) -> None:
    """Row 41."""
    secret = await private_video(here)
    async with stream(here, headers=[("Last-Event-ID", f"video:{secret}@1")]) as viewer:
        await viewer.named("hello")
        reset = await viewer.named("reset")
        assert reset["topic"] == here.topic
        assert secret not in json.dumps(reset)


async def test_position_of_the_header_wins(here: Room) -> None:
    """Row 42."""
    for text in ("one", "two", "three"):
        await here.comment(text)
    head = (await here.call("GET", f"/videos/{here.video_id}")).json()["seq"]
    query = f"topic={here.topic}&after={await here.position(head - 3)}"
    async with stream(here, query, headers=[("Last-Event-ID", await here.position(head - 1))]) as viewer:
        assert (await viewer.named("comment"))["comment"]["body"] == "three"
    async with stream(here, query) as viewer:
        assert (await viewer.named("comment"))["comment"]["body"] == "one"


async def test_stream_of_several_topics_goes_on_in_all_of_them_where_it_was_cut(here: Room) -> None:
    """The id named the topic of the last event alone: what was missed in the other came only inside a snapshot.

    Who was cut before the first event had no id at all, for `hello` had none.
    """
    topics = [here.topic, f"video:{await here.new_video('Another')}"]
    query = "&".join(f"topic={topic}" for topic in topics)

    async def comment(topic: str, text: str) -> None:
        path = f"/videos/{topic.partition(':')[2]}/comments"
        (await here.call("POST", path, {"body": text}, person=here.people[-1])).raise_for_status()

    async with stream(here, query) as viewer:
        name, _, first = await viewer.event()
        await comment(topics[0], "seen")
        while (event := await viewer.event())[0] != "comment":
            pass
        last = event[2]
    assert name == "hello"
    assert first == ",".join([await here.position(1, topic=topic) for topic in topics])
    assert set(last.split(",")) == {await here.position(2 - place, topic=topic) for place, topic in enumerate(topics)}
    for topic in topics:
        await comment(topic, "missed")
    for id, missed in ((first, ["seen", "missed", "missed"]), (last, ["missed", "missed"])):
        async with stream(here, query, headers=[("Last-Event-ID", id)]) as viewer:
            assert {opening["snapshot"] for opening in (await viewer.named("hello"))["topics"].values()} == {None}
            assert [(await viewer.named("comment"))["comment"]["body"] for _ in missed] == missed


async def test_ids_of_each_topic_alone_are_for_who_asks(here: Room) -> None:
    other = f"video:{await here.new_video('Another')}"
    async with stream(here, f"topic={here.topic}&topic={other}&ids=each") as viewer:
        await viewer.named("hello")
        await here.comment("one")
        while (event := await viewer.event())[0] != "comment":
            pass
        assert event[2] == await here.position(2)
    for query in ("ids=all", "ids=", "ids=each&ids=each"):
        async with stream(here, f"topic={here.topic}&{query}") as viewer:
            assert await viewer.error() == (422, "invalid")


async def test_poll_ends_by_itself_and_the_next_goes_on(here: Room) -> None:
    for seconds in (0, 1):
        async with stream(here, f"topic={here.topic}&seconds={seconds}") as viewer:
            assert here.topic in (await viewer.named("hello"))["topics"]
            await viewer.ended()
    await here.comment("between two polls")
    async with stream(here, f"topic={here.topic}&after={await here.position(1)}&seconds=0") as viewer:
        assert (await viewer.named("comment"))["comment"]["body"] == "between two polls"
        await viewer.ended()
    await nobody_is_left(here)
    for query in ("seconds=31", "seconds=-1", "seconds=1.5", "seconds=", "seconds=²", "seconds=1&seconds=1"):
        async with stream(here, f"topic={here.topic}&{quote(query, safe='=&')}") as viewer:
            assert await viewer.error() == (422, "invalid")


async def test_what_is_no_request_for_an_event_stream(lobby: Room) -> None:
    """Row 43."""
    async with stream(lobby, headers=[("Accept", "text/html, image/png")]) as viewer:
        assert await viewer.error() == (406, "not_acceptable")
    for method in ("POST", "PUT", "DELETE", "get"):
        async with stream(lobby, headers=[("Content-Length", "0")], method=method) as viewer:
            assert await viewer.error() == (405, "method_not_allowed")
    async with stream(lobby, method="HEAD") as viewer:
        assert viewer.status == 405
    await nobody_is_left(lobby)


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ([("Range", "bytes=0-10")], "1.1"),
        ([("Connection", "close")], "1.1"),
        ([], "1.0"),
        ([("Accept-Encoding", "gzip, br")], "1.1"),
        ([("Accept", "text/event-stream;q=0.5")], "1.1"),
        ([("If-None-Match", "*"), ("If-Modified-Since", "Mon, 01 Jan 2035 00:00:00 GMT")], "1.1"),
    ],
)
async def test_strange_but_harmless_headers_change_nothing(
    here: Room, headers: list[tuple[str, str | bytes]], version: str
) -> None:
    """Rows 43 and 55."""
    async with stream(here, headers=headers, version=version) as viewer:
        assert viewer.status == 200
        assert "no-transform" in viewer.headers["cache-control"]
        assert "no-store" in viewer.headers["cache-control"]
        assert viewer.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in viewer.headers
        assert viewer.headers["content-type"] == "text/event-stream; charset=utf-8"
        await viewer.named("hello")
        await here.comment("arrives")
        assert (await viewer.named("comment"))["comment"]["body"] == "arrives"


@pytest.mark.parametrize(
    "topics",
    [
        [],
        [""],
        ["x"],
        ["video:"],
        ["video:*"],
        ["*"],
        ["video:1\n2"],
        ["video:1 2"],
        ["video:1:2"],
        ["other:1"],
        ["VIDEO:1"],
        ["video:" + "a" * 2_048],
        ["video:\u00e4"],
        ["video:1", "video:1"],
        [f"video:{number}" for number in range(51)],
    ],
)
async def test_topics_that_are_none_are_refused(lobby: Room, topics: list[str]) -> None:
    """Row 46."""
    query = "&".join(f"topic={quote(topic)}" for topic in topics)
    async with stream(lobby, query) as viewer:
        status, code = await viewer.error()
    assert (status, code) in {(422, "invalid_topic"), (422, "too_many_topics")}


@pytest.mark.parametrize("query", ["topic=%ff", "topic=video:%00", "topic=" + "%", "topic=;;;", "&" * 300, "topic"])
async def test_query_that_makes_no_sense_is_refused(lobby: Room, query: str) -> None:
    """Row 46."""
    async with stream(lobby, query) as viewer:
        assert (await viewer.error())[0] == 422


@pytest.mark.parametrize(
    "text",
    [
        "one\ntwo\n\nthree",
        "one\rtwo\r\nthree",
        "a\u2028b\u2029c\u0085d",
        ": not a comment",
        "data: x\nevent: bye\nid: 7",
        "retry: 1",
        '"}\n\ndata: {"x": "',
        "\ufeffmarked",
        "\\n \\u000a",
        "<!-- --> </script>",
    ],
)
async def test_text_never_breaks_out_of_its_event(here: Room, text: str) -> None:
    """Row 47."""
    async with stream(here) as viewer:
        await viewer.named("hello")
        written = await here.comment(text)
        name, data, _ = await viewer.event()
        while name in ("viewers", "likes"):
            name, data, _ = await viewer.event()
        assert (name, data["comment"]) == ("comment", written)
        after = await here.comment("next")
        assert (await viewer.named("comment"))["comment"] == after
    async with stream(here) as viewer:
        shown = (await viewer.named("hello"))["topics"][here.topic]["snapshot"]["comments"]
        assert shown == [written, after]


async def test_ids_and_names_of_events_are_never_text_of_users(here: Room) -> None:
    """Row 48."""
    position = await here.position(0)
    await here.comment("id: 1\nevent: x")
    await here.call("PATCH", f"/videos/{here.video_id}", {"title": "id: 1\r\nevent: x"}, person=here.people[0])
    async with stream(here, f"topic={here.topic}&after={position}") as viewer:
        seen = [await viewer.event() for _ in range(4)]
    assert [name for name, _, _ in seen] == ["hello", "video", "comment", "video"]
    assert [id for _, _, id in seen] == [await here.position(seq) for seq in (0, 1, 2, 3)]


async def test_viewer_who_never_reads_is_cut_and_costs_the_others_nothing(here: Room) -> None:
    """Row 49."""
    parts = urlsplit(here.site.urls[0])
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect((parts.hostname, parts.port))
        deaf.sendall(f"GET /events?topic={here.topic} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        async with watching(SseWatcher(here.site.urls[0], here.topic)) as (other,):
            before = await here.metric("live_mailbox_drops_total")
            for number in range(60):
                await asyncio.gather(*(here.try_to_comment(f"{number} {part} " + "é" * 900) for part in range(3)))

            async def cut() -> bool:
                return await here.metric("live_mailbox_drops_total") > before

            await eventually(cut, "the deaf viewer to be cut")
            await here.comment("the end")
            await other.sees_comment("the end")
            assert other.problems == []
            assert not other.resets


async def test_half_closed_connection_is_an_end(lobby: Room) -> None:
    """Row 49."""
    async with stream(lobby) as viewer:
        await viewer.named("hello")
        viewer.writer.write_eof()
        await viewer.ended()
    await nobody_is_left(lobby)


async def test_bodies_of_a_stream_request(lobby: Room) -> None:
    """Row 51."""
    async with stream(lobby, headers=[("Content-Length", "1000000")]) as viewer:
        assert await viewer.error() == (413, "too_large")
    await nobody_is_left(lobby)


async def test_viewers_who_leave_at_once_leave_nothing_behind(here: Room) -> None:
    """Rows 50, 52, 70: gone in the middle of the handshake, of the snapshot, of the replay."""
    await here.comment("x" * 900)
    parts = urlsplit(here.site.urls[0])
    position = await here.position(0)

    async def come_and_go(number: int) -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        upgrade = (
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        target = f"/{'ws' if number % 2 else 'events'}?topic={here.topic}&after={position}"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n{upgrade if number % 2 else ''}\r\n".encode())
        await writer.drain()
        if number % 3:
            await reader.read(number * 17)
        # An abrupt end: a reset instead of a FIN.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    for _ in range(3):
        await asyncio.gather(*(come_and_go(number) for number in range(40)))
    await nobody_is_left(here)

    async def counted_out() -> bool:
        return bool((await here.call("GET", f"/videos/{here.video_id}")).json()["viewers"]["count"] == 0)

    await eventually(counted_out, "nobody to watch any more")


def test_no_request_of_this_file_left_a_traceback(site: Site) -> None:
    for name in ("node-1", "node-2"):
        assert "Traceback" not in site.log(name)
