"""Whatever comes in: an answer, never a 5xx, never a hang, never a traceback. Random inputs, the same in every run.

`FUZZ_EXAMPLES=5000 ./run -m pytest tests/test_fuzz.py` tries that many of each kind, others each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests import raw
from tests.rooms import Room, open_room
from tests.sites import Site

EXAMPLES = os.environ.get("FUZZ_EXAMPLES", "")
FUZZ = settings(
    max_examples=int(EXAMPLES or 150),
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True)
class Target:
    """What random inputs may name: a site, a live and a private video, a comment, people, what two of them write."""

    url: str
    client: httpx.Client
    ids: tuple[str, ...]
    tokens: tuple[str, ...]
    topic: str
    talk: str


@pytest.fixture(scope="module")
def target(site: Site) -> Iterator[Target]:
    async def make() -> tuple[Room, list[str], str]:
        async with open_room(site) as room:
            secret = await room.new_video("Secret")
            await room.call("PATCH", f"/videos/{secret}", {"visibility": "private"}, person=room.people[0])
            comment = await room.comment("hello")
            broadcaster, guest = room.people
            talk = await room.call("POST", "/conversations", {"members": [guest.id]}, person=broadcaster)
            return room, [room.video_id, room.video_id, secret, comment["id"]], talk.json()["id"]

    room, ids, talk = asyncio.run(make())
    with httpx.Client(base_url=site.urls[0], verify=False, trust_env=False, timeout=raw.SILENCE_SECONDS) as client:
        yield Target(site.urls[0], client, tuple(ids), tuple(person.token for person in room.people), room.topic, talk)
    for name in ("node-1", "node-2"):
        assert "Traceback" not in site.log(name)


TEXTS = st.one_of(
    st.text(max_size=40),
    st.text(max_size=2_000),
    st.sampled_from(
        ["", "\0", "\ud800", "\u202e", "e" + "\u0301" * 50, "a\u2028b", "'; --", "%s", "{}", "null", "NaN"]
    ),
)
NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([0, -1, 2**31, 2**63, 2**64, 1e308]))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["name", "title", "description", "visibility", "comments_enabled", "playlist", "starts_at_ms"]
FIELDS += ["kind", "body", "reply_to", "client_id", "count", "topics", "members", "seq", "is_typing", "viewer_id"]
FIELDS += ["video", "conversation"]
# In capitals what is filled in: a real video, its topic, a real comment.
SENSIBLE = ["public", "private", "like", "love", "heart", "hello", True, 1, "/media/a/live.m3u8", "VIDEO", "COMMENT"]
VALUES = JSON | st.sampled_from([*SENSIBLE, ["TOPIC"], "TOPIC", "TALK", "conversation:TALK"])
OBJECTS = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=10), VALUES, max_size=4)
# Calls that succeed as they stand, for the broadcaster; what is random comes on top.
CALLS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/guests", {"name": "Somebody"}),
    ("POST", "/tickets", {"topics": ["TOPIC"]}),
    ("GET", "/videos", {}),
    ("GET", "/videos/{}", {}),
    ("POST", "/videos", {"title": "A video"}),
    ("PATCH", "/videos/{}", {"description": "Changed"}),
    ("POST", "/videos/{}/start", {}),
    ("PUT", "/videos/{}/like", {"kind": "love"}),
    ("DELETE", "/videos/{}/like", {}),
    ("POST", "/videos/{}/reactions", {"kind": "heart", "count": 2}),
    ("POST", "/videos/{}/comments", {"body": "hello"}),
    ("GET", "/videos/{}/comments", {}),
    ("GET", "/videos/{}/timeline", {}),
    ("GET", "/videos/{}/replay", {}),
    ("PUT", "/videos/{}/comments/COMMENT/pin", {}),
    ("DELETE", "/videos/{}/comments/COMMENT/pin", {}),
    ("DELETE", "/videos/{}/comments/{}", {}),
    ("POST", "/videos/{}/typing", {"is_typing": True}),
    ("POST", "/conversations", {"members": ["00000000-0000-0000-0000-000000000000"], "title": "Us"}),
    ("GET", "/conversations", {}),
    ("GET", "/conversations/TALK", {}),
    ("POST", "/conversations/TALK/messages", {"body": "hello"}),
    ("GET", "/conversations/TALK/messages", {}),
    ("DELETE", "/conversations/TALK/messages/{}", {}),
    ("PUT", "/conversations/TALK/seen", {"seq": 1}),
    ("POST", "/conversations/TALK/typing", {"is_typing": True}),
    ("POST", "/conversations/TALK/members", {"viewer_id": "00000000-0000-0000-0000-000000000000"}),
    ("DELETE", "/conversations/TALK/members/{}", {}),
    ("PUT", "/blocks/{}", {}),
    ("DELETE", "/blocks/{}", {}),
    ("BREW", "/{}", {}),
]
LINES = st.text(st.characters(codec="latin1", exclude_categories=["Cc"]), max_size=60)
QUERIES = st.dictionaries(
    st.sampled_from(["status", "cursor", "limit", "before", "from_ms", "to_ms"]) | st.text(max_size=5),
    TEXTS | NUMBERS.map(str),
    max_size=3,
)


def written(text: str) -> str:
    """Return text as an address can hold it; what is no Unicode as the bytes it would be."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def filled(target: Target, text: bytes) -> bytes:
    names = {"TOPIC": target.topic, "VIDEO": target.ids[0], "COMMENT": target.ids[-1], "TALK": target.talk}
    for name, value in names.items():
        text = text.replace(name.encode(), value.encode())
    return text


def check(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text[:500]
    if answer.status_code >= 400:
        found = answer.json()
        assert set(found) == {"code", "detail"}
        assert all(isinstance(value, str) and value for value in found.values())


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """A call that is right but for some of its parts: address, query, body, headers."""
    method, path, body = draw(st.sampled_from(CALLS))
    wrong = draw(st.sets(st.sampled_from(["method", "path", "query", "body", "bytes", "type", "who"]), max_size=2))
    id = TEXTS.map(written) | st.uuids().map(str) | st.just("COMMENT") if "path" in wrong else st.just("VIDEO")
    while "{}" in path:
        path = path.replace("{}", draw(id), 1)
    query = draw(QUERIES) if "query" in wrong else {}
    asked = "&".join(f"{written(name)}={written(value)}" for name, value in query.items())
    content = json.dumps({**body, **draw(OBJECTS)} if "body" in wrong else body).encode()
    return {
        "method": draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"])) if "method" in wrong else method,
        "url": f"/api/v1{path}" + (f"?{asked}" if asked else ""),
        "content": draw(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
        if "bytes" in wrong
        else content,
        "type": draw(st.sampled_from(["", "text/plain", "application/json;x"]) | LINES) if "type" in wrong else "",
        "token": draw(st.sampled_from([-1, None, "nonsense"]) | LINES) if "who" in wrong else 0,
    }


@FUZZ
@given(call=calls())
def test_any_call_of_the_api(target: Target, call: dict[str, Any]) -> None:
    token = target.tokens[call["token"]] if isinstance(call["token"], int) else call["token"]
    headers = [("Content-Type", call["type"].strip() or "application/json")]
    if token is not None:
        headers.append(("Authorization", f"Bearer {token}".strip()))
    url = filled(target, call["url"].encode()).decode()
    check(
        target.client.request(
            call["method"],
            url,
            content=filled(target, call["content"]),
            headers=httpx.Headers(headers, encoding="latin1"),
        )
    )


@FUZZ
@given(
    body=st.fixed_dictionaries(
        {"body": TEXTS | st.text(min_size=1)},
        optional={
            "reply_to": st.sampled_from(["COMMENT", "VIDEO", None]),
            "client_id": st.text("abc.:-_ ", max_size=3),
        },
    )
)
def test_any_comment(target: Target, body: dict[str, Any]) -> None:
    """What is accepted is given back by every way of reading it, as the same text."""
    answer = target.client.post(
        f"/api/v1/videos/{target.ids[0]}/comments",
        content=filled(target, json.dumps(body).encode()),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {target.tokens[1]}"},
    )
    check(answer)
    if answer.status_code == 201 and body.get("client_id") is None:
        newest = target.client.get(f"/api/v1/videos/{target.ids[0]}/comments?limit=1").json()["items"][0]
        assert newest == answer.json()


OPS = ("subscribe", "unsubscribe", "like", "unlike", "comment", "react", "message", "typing", "seen", "nonsense")
COMMANDS = st.builds(
    lambda op, rest: {"op": op, **rest},
    st.sampled_from(OPS) | TEXTS,
    st.dictionaries(
        st.sampled_from(["ref", "topic", "after", *FIELDS]),
        VALUES,
    ),
)


@FUZZ
@given(
    messages=st.lists(COMMANDS.map(json.dumps) | JSON.map(json.dumps) | st.text(max_size=50), max_size=8),
    at=st.booleans(),
)
def test_any_message_of_a_websocket(target: Target, messages: list[str], at: bool) -> None:
    """Each is answered, until ten mistakes in a row."""
    url = f"ws://{urlsplit(target.url).netloc}/ws" + (f"?topic={target.topic}" if at else "")
    headers = {"Authorization": f"Bearer {target.tokens[1]}"}
    with connect(
        url,
        subprotocols=[Subprotocol("live.v1.json")],
        additional_headers=headers,
        compression=None,
        proxy=None,
        ping_interval=None,
    ) as opened:
        for message in messages:
            opened.send(filled(target, message.encode("utf-8", "replace")).decode())
            while True:
                found = json.loads(opened.recv(timeout=raw.SILENCE_SECONDS))
                if "event" not in found:
                    break
            assert ("ack" in found) != ("error" in found)
            if "error" in found:
                assert set(found["error"]) == {"code", "detail"}


@FUZZ
@given(message=st.binary(max_size=300))
def test_any_bytes_after_the_handshake(target: Target, message: bytes) -> None:
    """Frames of no protocol end that connection, and nothing else."""
    url = f"ws://{urlsplit(target.url).netloc}/ws"
    # What is left of a frame may swallow the goodbye: no need to wait for its answer.
    options: dict[str, Any] = {"compression": None, "proxy": None, "ping_interval": None, "close_timeout": 0.05}
    with connect(url, **options) as opened, contextlib.suppress(ConnectionClosed):
        opened.socket.sendall(message)
    assert target.client.get("/healthz").status_code == 200


TARGETS = st.one_of(
    st.lists(st.tuples(st.sampled_from(["topic", "after", "ticket", "x"]), TEXTS), max_size=4).map(
        lambda pairs: "/events?" + "&".join(f"{name}={written(value)}" for name, value in pairs)
    ),
    st.text(string.printable, max_size=60).map(lambda text: "/events?topic=TOPIC&after=TOPIC@" + written(text)),
)


@FUZZ
@given(address=TARGETS, last=LINES, accept=st.sampled_from(["*/*", "text/event-stream"]) | LINES)
def test_any_request_for_an_event_stream(target: Target, address: str, last: str, accept: str) -> None:
    with raw.connect(target.url) as connection:
        lines = (
            f"GET {address.replace('TOPIC', target.topic)} HTTP/1.1",
            f"Host: {urlsplit(target.url).netloc}",
            f"Last-Event-ID: {last}",
            f"Accept: {accept}",
        )
        connection.sendall("\r\n".join((*lines, "", "")).encode("latin1"))
        head = connection.recv(65_536)
    assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4")), head[:300]


@FUZZ
@given(
    start=st.sampled_from(["GET / HTTP/1.1", "POST /api/v1/guests HTTP/1.1", "GET /events HTTP/1.1", ""]) | LINES,
    headers=st.lists(
        st.tuples(st.sampled_from(["Host", "Content-Length", "Transfer-Encoding", "Upgrade", "Cookie"]) | LINES, LINES),
        max_size=5,
    ),
    body=st.binary(max_size=100),
    end=st.sampled_from(["\r\n", "\n", "\r"]),
)
def test_any_bytes_on_a_connection(
    target: Target, start: str, headers: list[tuple[str, str]], body: bytes, end: str
) -> None:
    lines = (start, f"Host: {urlsplit(target.url).netloc}", *(f"{name}: {value}" for name, value in headers), "", "")
    received = raw.talk(target.url, end.join(lines).encode("latin1") + body, shut=True)
    assert received == b"" or received.startswith((b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4")), received[:300]


def test_ids_that_the_fuzzers_use_are_real(target: Target) -> None:
    assert all(UUID(id) for id in target.ids)
    assert target.client.get(f"/api/v1/videos/{target.ids[0]}").status_code == 200
