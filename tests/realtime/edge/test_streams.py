"""Who may open a stream from where, and how a stream that is refused or misused ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.rooms import Room, open_room
from tests.sites import Site
from tests.watching import HANG_SECONDS, SseWatcher, WebSocketWatcher, check, watching


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site) as room:
        yield room


def foreign_origins(own: str) -> list[str]:
    """Return origins that a sloppy comparison takes for `own`, http://127.0.0.1:<port>."""
    port = own.rpartition(":")[2]
    return [
        "http://attacker.example",
        "null",
        "",
        f"https://127.0.0.1:{port}",
        "http://127.0.0.1:9",
        "http://127.0.0.1",
        f"{own}.attacker.example",
        f"http://127.0.0.1:{port}@attacker.example",
        f"http://attacker.example/127.0.0.1:{port}",
        f"{own}/",
        f"{own} {own}",
        f"{own}, http://attacker.example",
        "http://[",
        "http://[::1",
        "http://\xe4.example",
    ]


async def test_pages_of_other_origins_open_no_stream_with_a_viewers_cookies(room: Room) -> None:
    """L13. Stock: `AllowedHostsOriginValidator` takes any scheme and port of a host of ours; only WebSockets have it.

    An Origin that is no URL at all ended in a 500.
    """
    own = room.site.urls[0]
    for origin in foreign_origins(own):
        headers = {b"Origin": origin.encode("latin1"), b"Cookie": b"sessionid=x"}
        answer = await room.client.get(f"{own}/events?topic={room.topic}", headers=headers)
        assert answer.status_code == 403, (origin, answer.text)
        assert answer.json()["code"] == "foreign_origin"
        assert "access-control-allow-origin" not in answer.headers
        with pytest.raises(InvalidStatus) as refused:
            await open_socket(room, origin=origin)
        # 400: Autobahn itself refuses what is no origin.
        assert refused.value.response.status_code in (400, 403), origin


async def test_own_pages_and_programs_without_an_origin_open_streams(room: Room) -> None:
    for origin in (room.site.urls[0], None):
        socket = await open_socket(room, origin=origin)
        await socket.close()


async def test_ticket_opens_a_stream_to_any_page(room: Room) -> None:
    ticket = (await room.call("POST", "/tickets", {"topics": [room.topic]})).json()["ticket"]
    socket = await open_socket(room, origin="http://elsewhere.example", query=f"&ticket={ticket}")
    await socket.close()


async def open_socket(room: Room, *, origin: str | None = None, query: str = "") -> ClientConnection:
    url = room.site.urls[0].replace("http", "ws", 1)
    return await connect(
        f"{url}/ws?topic={room.topic}{query}",
        origin=None if origin is None else Origin(origin),
        subprotocols=[Subprotocol("live.v1.json")],
        proxy=None,
    )


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("topic=video:0190a8a0-0000-7000-8000-000000000000", 4404),
        ("topic=video:none", 4404),
        ("topic=nonsense", 4422),
        ("topic=video:none&ticket=forged", 4401),
        ("&".join(f"topic=video:{number}" for number in range(51)), 4422),
    ],
    ids=["no such video", "no id", "no topic", "forged ticket", "too many"],
)
async def test_refused_websocket_is_told_whether_to_come_back(room: Room, query: str, code: int) -> None:
    """L12. Before the handshake a browser sees 1006 for every reason, and tries again for ever."""
    url = room.site.urls[0].replace("http", "ws", 1)
    async with asyncio.timeout(HANG_SECONDS), connect(f"{url}/ws?{query}", proxy=None) as socket:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
    assert socket.close_code == code


async def test_binary_message_is_closed_with_1003(room: Room) -> None:
    async with watching(WebSocketWatcher(room.site.urls[0], room.topic)) as (viewer,):
        await viewer.send(b"binary")
        await viewer.is_closed()
    assert viewer.close_code == 1003


async def test_ten_mistakes_in_a_row_close_a_websocket_and_nobody_else_notices(room: Room) -> None:
    async with watching(SseWatcher(room.site.urls[0], room.topic)) as (other,):
        async with watching(WebSocketWatcher(room.site.urls[0], room.topic)) as (viewer,):
            for mistake in ("[]", "no JSON", '{"op":"drain"}', '{"op":"__class__"}', '{"op":"group.kill"}') * 2:
                await viewer.send(mistake)
            await viewer.is_closed()
            assert len(viewer.named("error")) == 10
            assert viewer.close_code == 4400
        await room.comment("goes on")
        await other.sees_comment("goes on")
        check([other])
