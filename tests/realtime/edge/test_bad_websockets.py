"""Bad input for WebSockets, and limits of both transports: an answer that a client can act on, no leak.

Rows 1 to 21 by WebSocket, 34, 38, 50, 56 to 71 of the list of bad inputs. Broken frames (60) and floods on the way in
(65) are the server's: test_server.py.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from realtime.edge import tickets
from tests import raw
from tests.conftest import watched
from tests.realtime.edge.clients import (
    FOREIGN,
    answer_to,
    closing_code,
    end_of,
    nobody_is_left,
    private_video,
    stream,
    ticket_of,
    websocket,
)
from tests.rooms import Room, open_room
from tests.sites import Site, SiteFactory


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


@pytest.fixture(scope="module")
def limited_site(site_factory: SiteFactory) -> Iterator[Site]:
    """A site with its limits on, of which two are low enough to be met."""
    env = {"LIVE_STREAMS_PER_ADDRESS": "40", "LIVE_GUESTS_PER_ADDRESS": "30"}
    with watched(site_factory.start(nodes=1, env=env)) as running:
        yield running


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
