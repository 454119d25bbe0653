"""Bad input for streams, over real sockets: an answer that a client can act on, no leak, and the others unaffected.

Rows 41 to 71 of the list of bad inputs, in order. Broken frames (60) and floods on the way in (65) are the server's:
test_server.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import re
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx
import psycopg
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from realtime.edge import tickets
from realtime.identity import ANONYMOUS, Identity
from tests import raw
from tests.conftest import watched
from tests.rooms import Person, Room, open_room
from tests.sites import Site, SiteFactory
from tests.watching import SseWatcher, WebSocketWatcher, eventually, watching

HANG_SECONDS = 30.0


@pytest.fixture
async def here(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as made:
        made.client.cookies.clear()  # the guests' sessions: who acts says so by token
        yield made


@pytest.fixture(scope="module")
def _lobby(site: Site) -> Room:
    async def make() -> Room:
        async with open_room(site) as made:
            return made

    return asyncio.run(make())


@pytest.fixture
async def lobby(_lobby: Room) -> AsyncIterator[Room]:
    """A room for all tests that change nothing in it."""
    async with httpx.AsyncClient(verify=False, timeout=30, trust_env=False) as client:
        yield dataclasses.replace(_lobby, client=client)


@pytest.fixture(scope="module")
def limited_site(site_factory: SiteFactory) -> Iterator[Site]:
    """A site with its limits on, of which two are low enough to be met."""
    env = {"LIVE_STREAMS_PER_ADDRESS": "40", "LIVE_GUESTS_PER_ADDRESS": "30"}
    with watched(site_factory.start(nodes=1, env=env)) as running:
        yield running


@dataclass
class Events:
    """An event stream read byte by byte, parsed as the WHATWG's text says and nothing more."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]
    _bytes: bytes = b""
    _lines: list[str] = field(default_factory=list)
    is_chunked: bool = True

    @classmethod
    async def open(
        cls,
        url: str,
        target: str,
        *,
        headers: Sequence[tuple[str, str | bytes]] = (),
        method: str = "GET",
        version: str = "1.1",
    ) -> Self:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**24)
        lines: list[str | bytes] = [f"{method} {target} HTTP/{version}", f"Host: {parts.netloc}"]
        lines += [name.encode() + b": " + (v if isinstance(v, bytes) else v.encode()) for name, v in headers]
        writer.write(b"\r\n".join(n if isinstance(n, bytes) else n.encode() for n in (*lines, "", "")))
        async with asyncio.timeout(HANG_SECONDS):
            try:
                first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").strip().split("\r\n")
            except asyncio.IncompleteReadError:
                return cls(reader, writer, 0, {})
        found = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        is_chunked = found.get("transfer-encoding") == "chunked"
        return cls(reader, writer, int(first.split()[1]), found, is_chunked=is_chunked)

    async def body(self) -> bytes:
        """Return the rest, to the end."""
        async with asyncio.timeout(HANG_SECONDS):
            while data := await self._read():
                self._bytes += data
        return self._bytes

    async def error(self) -> tuple[int, str]:
        return raw.Answer(self.status, self.headers, await self.body()).error

    async def event(self) -> tuple[str, dict[str, Any], str]:
        """Return the next event: its name, its data, its id. Raises EOFError at the end of the stream."""
        async with asyncio.timeout(HANG_SECONDS):
            fields: dict[str, list[str]] = {}
            while line := await self._line():
                name, _, value = line.partition(":")
                fields.setdefault(name, []).append(value.removeprefix(" "))
            assert "data" in fields, "some clients make an empty message of a block without data"
            data = json.loads("\n".join(fields["data"]))
            return fields.get("event", ["message"])[-1], data, fields.get("id", [""])[-1]

    async def named(self, name: str) -> dict[str, Any]:
        """Return the data of the next event of this name."""
        while True:
            found, data, _ = await self.event()
            if found == name:
                return data

    async def ended(self) -> None:
        """Return at the end of the stream."""
        with contextlib.suppress(EOFError):
            while True:
                await self.event()

    async def _line(self) -> str:
        while not self._lines:
            *lines, self._bytes = re.split(b"\r\n|\r|\n", self._bytes)
            self._lines = [line.decode() for line in lines]
            if not self._lines:
                if not (data := await self._read()):
                    raise EOFError
                self._bytes += data
        return self._lines.pop(0)

    async def _read(self) -> bytes:
        try:
            if not self.is_chunked:
                return await self.reader.read(65_536)
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
            return data[:-2]
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def close(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def stream(
    here: Room,
    query: str | None = None,
    *,
    headers: Sequence[tuple[str, str | bytes]] = (),
    method: str = "GET",
    version: str = "1.1",
    node: int = 0,
) -> AsyncIterator[Events]:
    """Open an event stream, of the room's topic if nothing else is asked for."""
    target = f"/events?topic={here.topic}" if query is None else f"/events?{query}"
    opened = await Events.open(here.site.urls[node], target, headers=headers, method=method, version=version)
    try:
        yield opened
    finally:
        await opened.close()


async def nobody_is_left(here: Room) -> None:
    """Return when the node counts no viewer of the room's topic and no open connection."""

    async def gone() -> bool:
        return await here.metric("live_connections") == 0

    await eventually(gone, "the last connection to be forgotten")


async def private_video(here: Room) -> str:
    made = await here.new_video("Secret plans")
    answer = await here.call("PATCH", f"/videos/{made}", {"visibility": "private"}, person=here.people[0])
    assert answer.status_code == 200
    return made


# Event streams


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


FOREIGN = (
    "http://evil.example",
    "null",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1:9",
    "http://user@HOST",
    "https://HOST",
    "http://[",
)


@pytest.mark.parametrize("origin", FOREIGN)
async def test_page_of_another_origin_watches_for_itself_only(lobby: Room, origin: str) -> None:
    """Row 44: never on behalf of the cookie that the browser adds."""
    sent: list[tuple[str, str | bytes]] = [("Origin", origin.replace("HOST", urlsplit(lobby.site.urls[0]).netloc))]
    async with stream(lobby, headers=[*sent, ("Cookie", "sessionid=x")]) as viewer:
        assert "access-control-allow-origin" not in viewer.headers
        assert await viewer.error() == (403, "foreign_origin")
    async with stream(lobby, headers=sent) as viewer:
        assert viewer.status == 200
        assert viewer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in viewer.headers


async def test_private_video_streams_to_its_broadcaster_and_is_missing_for_others(lobby: Room) -> None:
    """Rows 21, 45: to the byte as one that there is not."""
    secret = await private_video(lobby)
    answers = []
    for video_id in (secret, str(uuid4())):
        for headers in ([], [("Authorization", f"Bearer {lobby.people[-1].token}")], [("Cookie", 'sessionid="; x')]):
            async with stream(lobby, f"topic=video:{video_id}", headers=headers) as viewer:
                answers.append((viewer.status, viewer.headers, await viewer.body()))
    assert all(answer == answers[0] for answer in answers)
    assert raw.Answer(*answers[0]).error == (404, "not_found")
    owner = [("Authorization", f"Bearer {lobby.people[0].token}")]
    async with stream(lobby, f"topic=video:{secret}", headers=owner) as viewer:
        snapshot = (await viewer.named("hello"))["topics"][f"video:{secret}"]["snapshot"]
        assert snapshot["video"]["title"] == "Secret plans"
    async with stream(lobby, f"topic={lobby.topic}&topic=video:{secret}") as viewer:
        assert await viewer.error() == (404, "not_found"), "not a part of what was asked for"


@pytest.mark.parametrize("header", ["Bearer x", "Basic YTpi", "Bearer", "Bearer " + "A" * 3_000])
async def test_credentials_that_are_none_for_a_private_video(lobby: Room, header: str) -> None:
    """Row 45."""
    secret = await private_video(lobby)
    async with stream(lobby, f"topic=video:{secret}", headers=[("Authorization", header)]) as viewer:
        assert await viewer.error() == (401, "unauthenticated")


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
            assert other.resets == 0


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


async def test_video_that_ends_or_becomes_private_in_mid_stream(here: Room) -> None:
    """Row 53."""
    async with stream(here) as viewer, stream(here, node=1) as other:
        for one in (viewer, other):
            await one.named("hello")
        await here.call("POST", f"/videos/{here.video_id}/end", person=here.people[0])
        for one in (viewer, other):
            assert (await one.named("video"))["video"]["status"] == "ended"
        await here.call("PATCH", f"/videos/{here.video_id}", {"visibility": "private"}, person=here.people[0])
        for one in (viewer, other):
            assert (await one.named("bye"))["reason"] == "private"
            await one.ended()
    async with stream(here) as again:
        assert await again.error() == (404, "not_found")


def ban(here: Room, person: Person) -> None:
    with psycopg.connect(here.site.database_url) as connection:
        connection.execute("UPDATE accounts_viewer SET is_active = false WHERE id = %s", [person.id])


def sign_out(here: Room, person: Person) -> None:
    """As django.contrib.auth.logout does: the session is gone, for all tabs."""
    with psycopg.connect(here.site.database_url) as connection:
        connection.execute("DELETE FROM django_session WHERE session_key = %s", [person.session])


def change_password(here: Room, person: Person) -> None:
    with psycopg.connect(here.site.database_url) as connection:
        connection.execute("UPDATE accounts_viewer SET password = %s WHERE id = %s", [f"!{uuid4()}", person.id])


@pytest.mark.parametrize("lose_rights", [ban, sign_out, change_password])
async def test_who_loses_the_rights_in_mid_stream_is_sent_away(
    here: Room, lose_rights: Callable[[Room, Person], None]
) -> None:
    """Rows 45, 68."""
    owner = here.people[0]
    secret = f"topic=video:{await private_video(here)}"
    cookie = [("Cookie", f"sessionid={owner.session}")]
    socket = WebSocketWatcher(here.site.urls[1], here.topic, headers={"Cookie": f"sessionid={owner.session}"})
    async with stream(here, secret, headers=cookie) as viewer, stream(here) as stranger, watching(socket):
        await viewer.named("hello")
        await stranger.named("hello")
        await socket.send({"op": "like", "video": here.video_id, "ref": 1})
        await socket.sees_likes(1)
        lose_rights(here, owner)
        assert (await viewer.named("bye"))["reason"] == "signed_out"
        await viewer.ended()
        await socket.is_closed()
        assert socket.close_code == 4401
        await here.like(person=here.people[-1])
        assert (await stranger.named("likes"))["total"] >= 1, "who has no rights to lose stays"
    async with stream(here, secret, headers=cookie) as again:
        assert await again.error() in ((404, "not_found"), (401, "unauthenticated"))


def forget(here: Room) -> None:
    """Delete the video as videos.removal does at last: its topic goes in the same transaction."""
    with psycopg.connect(here.site.database_url) as connection:
        # A node that is just writing down who has watched waits, and then finds no topic.
        connection.execute("SELECT 1 FROM realtime_topic WHERE name = %s FOR UPDATE", [here.topic])
        for table in ("comment", "like", "likecount"):
            connection.execute(f"DELETE FROM videos_{table} WHERE video_id = %s", [here.video_id])
        connection.execute("DELETE FROM videos_video WHERE id = %s", [here.video_id])
        for table in ("loggedevent", "seenviewer", "audience"):
            connection.execute(f"DELETE FROM realtime_{table} WHERE topic_id = %s", [here.topic])
        connection.execute("DELETE FROM realtime_topic WHERE name = %s", [here.topic])


async def test_deleted_video_says_goodbye_once(here: Room) -> None:
    """Rows 53, 79."""
    owner = [("Authorization", f"Bearer {here.people[0].token}")]
    async with (
        stream(here) as viewer,
        stream(here, headers=owner) as broadcaster,
        watching(WebSocketWatcher(here.site.urls[1], here.topic)) as (socket_viewer,),
    ):
        for one in (viewer, broadcaster):
            await one.named("hello")
        forget(here)
        for one in (viewer, broadcaster):
            await one.named("bye")
            await one.ended()
        await socket_viewer.is_closed()
        assert socket_viewer.names.count("bye") == 1
        assert socket_viewer.close_code == 4404
    async with stream(here) as again:
        assert await again.error() == (404, "not_found")


# Tickets


def old_ticket(monkeypatch: pytest.MonkeyPatch, seconds: int, topics: list[str], identity: Identity = ANONYMOUS) -> str:
    now = time.time()
    with monkeypatch.context() as then:
        then.setattr("django.core.signing.time.time", lambda: now - seconds)
        return tickets.issue(topics, identity)


async def ticket_of(here: Room, topic: str, *, person: int = 0) -> str:
    answer = await here.call("POST", "/tickets", {"topics": [topic]}, person=here.people[person])
    return str(answer.raise_for_status().json()["ticket"])


async def test_tickets_that_are_none(lobby: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 57, for both transports: 401, close code 4401."""
    good = await ticket_of(lobby, lobby.topic)
    for ticket in (
        "x",
        "%00",
        "a:b:c",
        good[:-1],
        good[1:],
        good.swapcase(),
        "A" * 9_000,
        old_ticket(monkeypatch, tickets.EXPIRES_SECONDS + 5, [lobby.topic]),
    ):
        query = f"topic={lobby.topic}&ticket={ticket}"
        async with stream(lobby, query) as viewer:
            assert await viewer.error() == (401, "bad_ticket"), ticket
        assert await closing_code(lobby, f"/ws?{query}") == 4401, ticket


@pytest.mark.parametrize("seconds", [64, 600])
async def test_browser_comes_back_with_the_ticket_in_its_address(
    here: Room, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    """An EventSource comes back with the address that it was given. Cut after 64 s it got 401, and never came again."""
    broadcaster = here.people[0]
    topic = f"video:{await private_video(here)}"
    identity = tickets.read(await ticket_of(here, topic)).identity
    query = f"topic={topic}&ticket={old_ticket(monkeypatch, seconds, [topic], identity)}"
    await here.call("POST", f"/videos/{topic.partition(':')[2]}/comments", {"body": "missed"}, person=broadcaster)
    position = await here.position(1, topic=topic)
    async with stream(here, query, headers=[("Last-Event-ID", position)]) as viewer:
        assert (await viewer.named("hello"))["topics"][topic]["snapshot"] is None
        await viewer.named("comment")


async def test_ticket_opens_nothing_for_who_has_lost_their_rights(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is good for hours: a browser that is cut comes back every two seconds, and would read on in between."""
    topic = f"video:{await private_video(here)}"
    identity = tickets.read(await ticket_of(here, topic)).identity
    query = f"topic={topic}&ticket={old_ticket(monkeypatch, 64, [topic], identity)}"
    async with stream(here, query) as viewer:
        await viewer.named("hello")
        ban(here, here.people[0])
        assert (await viewer.named("bye"))["reason"] == "signed_out"
    async with stream(here, query) as viewer:
        assert await viewer.error() == (401, "bad_ticket")
    assert await closing_code(here, f"/ws?{query}") == 4401


async def test_caller_says_how_long_a_ticket_is_good(lobby: Room) -> None:
    async def ask(expires_in: object) -> Any:
        return await lobby.call("POST", "/tickets", {"topics": [lobby.topic], "expires_in": expires_in})

    for seconds in (tickets.EXPIRES_MIN_SECONDS, tickets.EXPIRES_MAX_SECONDS):
        assert (await ask(seconds)).raise_for_status().json()["expires_in"] == seconds
    for nonsense in (tickets.EXPIRES_MIN_SECONDS - 1, tickets.EXPIRES_MAX_SECONDS + 1, "60", None, 60.5, True):
        assert (await ask(nonsense)).status_code == 422, nonsense


async def test_ticket_opens_the_topics_that_it_names_and_no_other(lobby: Room) -> None:
    """Row 57."""
    secret, other = await private_video(lobby), await private_video(lobby)
    ticket = await ticket_of(lobby, f"video:{secret}")
    async with stream(lobby, f"topic=video:{secret}&ticket={ticket}") as viewer:
        await viewer.named("hello")
    guests = await ticket_of(lobby, lobby.topic, person=-1)
    for query in (f"topic=video:{other}&ticket={guests}", f"topic=video:{secret}&ticket={guests}"):
        async with stream(lobby, query) as viewer:
            assert await viewer.error() == (404, "not_found")
        assert await closing_code(lobby, f"/ws?{query}") == 4404


# WebSockets


@contextlib.asynccontextmanager
async def websocket(here: Room, path: str | None = None, **options: Any) -> AsyncIterator[ClientConnection]:
    """Open a WebSocket; of the room's topic if nothing else is asked for."""
    address = urlsplit(here.site.urls[0]).netloc
    options = {"subprotocols": [Subprotocol("live.v1.json")], **options}
    async with connect(
        f"ws://{address}{path or f'/ws?topic={here.topic}'}",
        proxy=None,
        ping_interval=None,
        open_timeout=HANG_SECONDS,
        **options,
    ) as opened:
        yield opened


async def closing_code(here: Room, path: str, *messages: str | bytes, **options: Any) -> int:
    """Open a WebSocket, send messages; return the code with which the site closes it."""
    async with websocket(here, path, **options) as opened:
        with contextlib.suppress(ConnectionClosed):
            for message in messages:
                await opened.send(message)
        return await end_of(opened)


async def end_of(opened: ClientConnection) -> int:
    async with asyncio.timeout(HANG_SECONDS):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await opened.recv()
    assert opened.close_code is not None
    return opened.close_code


async def answer_to(opened: ClientConnection, message: object) -> dict[str, Any]:
    """Send a command; return what answers it."""
    await opened.send(message if isinstance(message, (str, bytes)) else json.dumps(message))
    async with asyncio.timeout(HANG_SECONDS):
        while True:
            found: dict[str, Any] = json.loads(await opened.recv())
            if "event" not in found:
                return found


@pytest.mark.parametrize("origin", [*FOREIGN, "file://", ""])
async def test_page_of_another_origin_opens_no_websocket(lobby: Room, origin: str) -> None:
    """Row 56."""
    sent = origin.replace("HOST", urlsplit(lobby.site.urls[0]).netloc)
    with pytest.raises(InvalidStatus) as refused:
        async with websocket(lobby, origin=Origin(sent)):
            pass
    assert refused.value.response.status_code in (400, 403)


async def test_page_of_another_origin_watches_with_a_ticket(lobby: Room) -> None:
    """Row 56."""
    query = f"/ws?topic={lobby.topic}&ticket={await ticket_of(lobby, lobby.topic)}"
    async with websocket(lobby, query, origin=Origin("http://elsewhere.example")) as opened:
        assert json.loads(await opened.recv())["event"] == "hello"


async def test_own_pages_and_other_clients_open_websockets(lobby: Room) -> None:
    """Row 56: a client that is no browser sends no origin."""
    for options in ({"origin": Origin(lobby.site.urls[0])}, {}):
        async with websocket(lobby, **options) as opened:
            assert json.loads(await opened.recv())["event"] == "hello"


HANDSHAKE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade, close"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)


@pytest.mark.parametrize(
    "changed",
    [
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Version": "x"},
        {"Sec-WebSocket-Version": ""},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": ""},
        {"Upgrade": "h2c"},
        {"Connection": "close"},
        {"Sec-WebSocket-Protocol": "graphql-ws"},
        {"Sec-WebSocket-Protocol": ", ".join(f"p{number}" for number in range(100))},
        {"Sec-WebSocket-Protocol": "live.v2.json, <script>"},
        {"Host": "evil.example"},
    ],
)
def test_handshake_that_is_none_is_refused(site: Site, changed: dict[str, str]) -> None:
    """Rows 29, 58, 71: never a 101, never a subprotocol that nobody speaks."""
    headers = [(name, value) for name, value in (dict(HANDSHAKE) | changed).items() if value]
    answer = raw.request(site.urls[0], "GET", "/ws", headers=headers)
    assert answer.status in (400, 403, 404, 426)
    assert "sec-websocket-protocol" not in answer.headers


async def test_compression_is_never_agreed_on(lobby: Room) -> None:
    """Row 69: no bomb can be unpacked."""
    async with websocket(lobby, compression="deflate") as opened:
        assert opened.response is not None
        assert "Sec-WebSocket-Extensions" not in opened.response.headers
        assert opened.response.headers["Sec-WebSocket-Protocol"] == "live.v1.json"


def test_plain_request_for_a_websocket_is_told_to_upgrade(site: Site) -> None:
    """Row 71."""
    answer = raw.request(site.urls[0], "GET", "/ws")
    assert answer.error == (426, "upgrade_required")
    assert answer.headers["upgrade"] == "websocket"
    assert raw.request(site.urls[0], "GET", "/events?topic=video:1", headers=HANDSHAKE).status in (403, 404)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "x",
        "[]",
        "5",
        "null",
        '"like"',
        "{",
        "{}",
        '{"op":1}',
        '{"op":null}',
        '{"op":"subscribe"',
        '{"op":"subscribe"} x',
        '{"op":"like","ref":{}}',
        '{"op":"like","ref":[1]}',
        '{"op":"like","ref":1.5}',
        '{"op":"like","ref":' + "1" * 100 + "}",
        '{"op":"like","ref":"' + "a" * 65 + '"}',
        "[" * 10_000,
        '{"op":' + "[" * 2_000 + "]" * 2_000 + "}",
        '{"op":"like","video":NaN}',
        '{"op":"\ud800"}'.encode("utf-16", "surrogatepass").decode("latin1"),
        '{"op":"like","kind":"\\ud800"}',
    ],
)
async def test_message_that_is_no_command(lobby: Room, message: str) -> None:
    """Row 59: an error, and the connection lives on."""
    async with websocket(lobby) as opened:
        assert (await answer_to(opened, message))["error"]["code"] == "malformed"
        assert "ack" in await answer_to(opened, {"op": "unsubscribe", "topic": lobby.topic, "ref": 1})


@pytest.mark.parametrize(
    "op",
    [
        "nonsense",
        "",
        "__class__",
        "_private",
        "drain",
        "bye",
        "websocket_connect",
        "websocket.disconnect",
        "node.deliver",
        "SUBSCRIBE",
        "like\u0000",
        "group.kill",
    ],
)
async def test_commands_that_there_are_not(lobby: Room, op: str) -> None:
    """Row 62."""
    async with websocket(lobby) as opened:
        answer = await answer_to(opened, {"op": op, "type": "websocket.disconnect", "ref": "r"})
        assert (answer["error"]["code"], answer["ref"]) == ("unknown_op", "r")


async def test_who_only_makes_mistakes_is_sent_away(lobby: Room) -> None:
    """Row 62: after ten errors in a row."""
    async with websocket(lobby) as opened:
        for _ in range(9):
            await answer_to(opened, "nonsense")
        await answer_to(opened, {"op": "unsubscribe", "topic": lobby.topic})
        for _ in range(10):
            await answer_to(opened, "nonsense")
        assert await end_of(opened) == 4400


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"binary", 1003),
        (b"", 1003),
        ("x" * 70_000, 1009),
    ],
)
async def test_messages_of_the_wrong_kind_close_with_their_code(lobby: Room, message: str | bytes, code: int) -> None:
    """Rows 59, 60."""
    assert await closing_code(lobby, f"/ws?topic={lobby.topic}", message) == code


async def test_message_of_countless_fragments_is_cut_off(lobby: Room) -> None:
    """Row 61. The code may be lost on the way: what is still coming resets the connection."""
    crumb = b"\x81\0\0\0\0x"  # one masked byte
    async with websocket(lobby) as opened:
        opened.transport.write(b"\x01" + crumb + (b"\x00" + crumb) * 70_000)
        assert await end_of(opened) in (1008, 1006)
    async with websocket(lobby) as opened:
        assert json.loads(await opened.recv())["event"] == "hello"


async def test_topics_that_nobody_gets_over_a_websocket(lobby: Room) -> None:
    """Row 63: private and missing look the same."""
    secret = await private_video(lobby)
    async with websocket(lobby) as opened:
        answers = [
            await answer_to(opened, {"op": "subscribe", "topic": f"video:{id}", "ref": 1}) for id in (secret, uuid4())
        ]
        assert answers[0] == answers[1]
        assert answers[0]["error"]["code"] == "not_found"
        topics: list[Any] = ["x", "", None, 5, [], {}, "video:1 2", "video:\u0000", "user:1", "a" * 60_000]
        for topic in topics:
            answer = await answer_to(opened, {"op": "subscribe", "topic": topic})
            assert answer["error"]["code"] in ("invalid_topic", "not_found"), topic
            assert "ack" in await answer_to(opened, {"op": "unsubscribe", "topic": "video:none"})
        positions: list[Any] = [-1, "1", 1.5, True, 2**63, []]
        for after in positions:
            answer = await answer_to(opened, {"op": "subscribe", "topic": lobby.topic, "after": after})
            assert answer["error"]["code"] in ("invalid", "malformed"), after
            assert "ack" in await answer_to(opened, {"op": "unsubscribe", "topic": "video:none"})


async def test_connection_has_fifty_topics_at_most(here: Room) -> None:
    """Row 63."""
    made = [await here.new_video(f"Video {number}") for number in range(5)]
    with psycopg.connect(here.site.database_url) as connection:
        listed = connection.execute("SELECT id FROM videos_video WHERE visibility = 'public' LIMIT 51").fetchall()
    ids = list(dict.fromkeys([*made, *(str(id) for (id,) in listed)]))
    while len(ids) < 51:
        ids.append(await here.new_video("One more"))
    async with websocket(here, "/ws") as opened:
        for id in ids[:50]:
            assert "ack" in await answer_to(opened, {"op": "subscribe", "topic": f"video:{id}"})
        answer = await answer_to(opened, {"op": "subscribe", "topic": f"video:{ids[50]}"})
        assert answer["error"]["code"] == "too_many_topics"
        assert "ack" in await answer_to(opened, {"op": "subscribe", "topic": f"video:{ids[0]}"}), "it has that one"


async def test_acts_need_somebody(lobby: Room) -> None:
    """Row 57: nobody in particular may watch, and do nothing else."""
    async with websocket(lobby) as opened:
        for op in ("like", "unlike", "comment", "react"):
            answer = await answer_to(opened, {"op": op, "topic": lobby.topic, "body": "x", "ref": 3})
            assert (answer["error"]["code"], answer["ref"]) == ("unauthenticated", 3)
    assert lobby.comments_kept() == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"op": "like", "kind": "hate"}, "invalid"),
        ({"op": "like", "kind": 5}, "invalid"),
        ({"op": "like", "kind": None}, "invalid"),
        ({"op": "like", "video": "nonsense"}, "invalid"),
        ({"op": "like", "video": None}, "invalid"),
        ({"op": "like", "video": {"a": 1}}, "invalid"),
        ({"op": "like", "topic": 5}, "invalid"),
        ({"op": "like", "topic": "user:1"}, "invalid"),
        ({"op": "like", "video": "{BRACES}"}, "invalid"),
        ({"op": "like", "video": "00000000-0000-0000-0000-000000000000"}, "not_found"),
        ({"op": "like", "video": "PRIVATE"}, "not_found"),
        ({"op": "comment"}, "invalid"),
        ({"op": "comment", "body": ""}, "empty"),
        ({"op": "comment", "body": "\u200b"}, "empty"),
        ({"op": "comment", "body": "x" * 1_001}, "too_long"),
        ({"op": "comment", "body": "nul\u0000"}, "invalid"),
        ({"op": "comment", "body": ["x"]}, "invalid"),
        ({"op": "comment", "body": "x", "reply_to": "x"}, "invalid"),
        ({"op": "comment", "body": "x", "reply_to": 5}, "invalid"),
        ({"op": "comment", "body": "x", "reply_to": "00000000-0000-0000-0000-000000000000"}, "reply_to_gone"),
        ({"op": "comment", "body": "x", "client_id": "a b"}, "invalid"),
        ({"op": "comment", "body": "x", "client_id": "a\n"}, "invalid"),
        ({"op": "react", "kind": "hate"}, "invalid"),
        ({"op": "react", "count": 0}, "invalid"),
        ({"op": "react", "count": 51}, "invalid"),
        ({"op": "react", "count": True}, "invalid"),
        ({"op": "react", "count": "5"}, "invalid"),
        ({"op": "react", "count": 1e300}, "invalid"),
    ],
)
async def test_acts_that_make_no_sense_are_refused_and_leave_nothing(
    lobby: Room, command: dict[str, Any], code: str
) -> None:
    """Rows 1 to 21, sent over a WebSocket."""
    secret = await private_video(lobby) if command.get("video") == "PRIVATE" else ""
    sent = {"topic": lobby.topic, "ref": 1, **command}
    if secret:
        sent["video"] = secret
    if command.get("video") == "{BRACES}":
        sent["video"] = f"{{{lobby.video_id}}}"
    async with websocket(lobby, additional_headers={"Authorization": f"Bearer {lobby.people[-1].token}"}) as opened:
        answer = await answer_to(opened, sent)
        assert (answer.get("error", {}).get("code"), answer.get("ref")) == (code, 1), answer
        assert "ack" in await answer_to(opened, {"op": "unsubscribe", "topic": lobby.topic, "ref": 2})
    assert lobby.comments_kept() == []
    assert (await lobby.call("GET", f"/videos/{lobby.video_id}")).json()["likes"]["total"] == 0


NUL = 'sessionid="' + "\\000" * 8 + '"'  # as cookies quote it


async def test_session_of_a_websocket_is_its_viewers(lobby: Room) -> None:
    """Row 38, 57: cookies that are none make nobody of one; a token that is none is an error."""
    for cookie in (
        "sessionid=x",
        'sessionid="',
        "sessionid=" + "a" * 4_000,
        "a=b; sessionid; =; ;;",
        "\u00e4=\u00f6",
        NUL,
    ):
        async with websocket(lobby, additional_headers={"Cookie": cookie}) as opened:
            answer = await answer_to(opened, {"op": "like", "topic": lobby.topic})
            assert answer["error"]["code"] == "unauthenticated"
        page = raw.request(lobby.site.urls[0], "GET", "/accounts/login/", headers=[("Cookie", cookie.encode())])
        assert page.status == 200
    async with websocket(lobby, additional_headers={"Authorization": "Bearer none"}) as opened:
        answer = await answer_to(opened, {"op": "like", "topic": lobby.topic})
        assert answer["error"]["code"] == "unauthenticated"


async def test_cookies_of_other_programs_take_nobodys_session(here: Room) -> None:
    """One cookie that Python's own parser does not take (JSON, brackets, a space, no name) hid all after it: pages
    knew their viewer, streams did not. A byte 0x85, which is inside UTF-8 of Å, م and 全, was 400 on the whole site.
    """
    owner = here.people[0]
    secret = f"topic=video:{await private_video(here)}"
    session = f"sessionid={owner.session}".encode()
    for other in (b'a={"b":1}', b"p[x]=1", b"city=New York", b"=x", b"x", b'q="', "mal=Łąki محمد 全国 \x85".encode()):
        for cookies in (other + b"; " + session, other + b";" + session, session + b"; " + other):
            async with stream(here, secret, headers=[("Cookie", cookies)]) as viewer:
                assert viewer.status == 200, cookies
    page = raw.request(here.site.urls[0], "GET", f"/videos/{secret[12:]}/", headers=[("Cookie", cookies)])
    assert page.status == 200
    headers = {"Cookie": (b'a={"b":1}; ' + session).decode()}
    async with websocket(here, additional_headers=headers) as opened:
        assert "ack" in await answer_to(opened, {"op": "like", "video": here.video_id})


# Limits: on a site that has them


async def test_too_many_streams_of_one_person_or_address(limited_site: Site) -> None:
    """Row 50. A browser's EventSource would never come back after another status than 200."""
    async with open_room(limited_site) as here, contextlib.AsyncExitStack() as stack:
        here.client.cookies.clear()
        mine = [("Authorization", f"Bearer {here.people[0].token}")]
        for _ in range(10):
            opened = await stack.enter_async_context(stream(here, headers=mine))
            assert opened.status == 200
        async with stream(here, headers=mine) as one_more:
            assert one_more.headers["retry-after"] == "5"
            assert await one_more.error() == (429, "too_many_connections")
        async with stream(here, headers=[*mine, ("Accept", "text/event-stream")]) as native:
            retry, event, data, *_ = (await native.body()).decode().split("\n")
            refusal = json.loads(data.removeprefix("data: "))
            assert (native.status, event, refusal["code"]) == (200, "event: refused", "too_many_connections")
            assert retry == f"retry: {refusal['retry_ms']}"
            assert 5_000 <= refusal["retry_ms"] <= 10_000, "not all of them at once"
        async with websocket(here, f"/ws?topic={here.topic}", additional_headers=dict(mine)) as refused:
            refusal = json.loads(await refused.recv())
            assert (refusal["event"], refusal["data"]["code"]) == ("refused", "too_many_connections")
            assert await end_of(refused) == 4429
        forged = [("X-Forwarded-For", "203.0.113.7"), ("Forwarded", "for=203.0.113.7")]
        others = [await stack.enter_async_context(stream(here, headers=forged)) for _ in range(30)]
        assert {other.status for other in others} == {200}
        async with stream(here, headers=forged) as one_more:
            assert await one_more.error() == (429, "network_full")
        load = tickets.issue([here.topic], load=True)
        async with stream(here, f"topic={here.topic}&ticket={load}") as measured:
            assert measured.status == 200, "a load test's own"
    async with open_room(limited_site) as here:
        await nobody_is_left(here)
        async with stream(here) as again:
            assert again.status == 200


async def test_flood_of_commands_is_slowed_and_then_closed(limited_site: Site) -> None:
    """Rows 63 and 65."""
    async with open_room(limited_site) as here:
        flood = [json.dumps({"op": "unsubscribe", "topic": here.topic})] * 600
        assert await closing_code(here, f"/ws?topic={here.topic}", *flood) == 4429
        token = {"Authorization": f"Bearer {here.people[-1].token}"}
        async with websocket(here, additional_headers=token) as opened:
            answers = [
                await answer_to(opened, {"op": "comment", "topic": here.topic, "body": f"note {number}"})
                for number in range(12)
            ]
        assert [("error" in answer) for answer in answers[:10]] == [False] * 10
        assert answers[-1]["error"]["code"] == "too_often"
        assert re.search(r"\d+ s", answers[-1]["error"]["detail"])


async def test_guests_of_one_address_are_limited(limited_site: Site) -> None:
    """Row 34: whatever the address claims to stand for."""
    async with open_room(limited_site) as here:
        answers = [
            await here.client.post(
                f"{here.site.urls[0]}/api/v1/guests",
                json={"name": "Sock"},
                headers={"X-Forwarded-For": f"203.0.113.{number}"},
            )
            for number in range(70)
        ]
    refused = [answer for answer in answers if answer.status_code == 429]  # one in two seconds is let in all the time
    assert refused
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)


def test_no_request_of_this_file_left_a_traceback(site: Site, limited_site: Site) -> None:
    assert "SECRET_KEY" in os.environ  # the tickets of this file are signed with the sites' own
    for running, names in ((site, ("node-1", "node-2")), (limited_site, ("node-1",))):
        for name in names:
            assert "Traceback" not in running.log(name)
