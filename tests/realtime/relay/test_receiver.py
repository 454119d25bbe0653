"""The receiving relay: signed, once, bounded; what is bad is refused and changes nothing."""

from __future__ import annotations

import hashlib
import hmac
import time
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack
import orjson
import pytest
from redis.asyncio import Redis

from realtime.dispatch.dispatcher import Dispatcher
from realtime.events import Burst, Counters, Durable, Event, NodeId, TopicName, now_ms, to_wire
from realtime.relay import batch, table
from realtime.relay.batch import BODY_MAX_BYTES, decode_batch, encode_batch, encode_digest, pack_entries
from realtime.relay.interest import BITMAP_BYTES, bitmap_of, is_in
from realtime.relay.receiver import Receiver
from realtime.relay.signing import HEADERS, Keyring, RelayKey
from realtime.relay.table import RelayTable
from realtime.table.presence import PresenceTable
from realtime.table.subscriptions import SharedTable, Watched
from tests.kit import Clock
from tests.realtime.fakes import NOTHING

EU_US = RelayKey("us", "new", "s" * 40)
OLD = RelayKey("us", "old", "o" * 40)
TOPIC = TopicName("video:1")
NODE = NodeId("node")
EVENTS = "/relay/v1/events"


def comment(seq: int) -> Durable:
    return Durable.of(TOPIC, seq=seq, name="comment", at_ms=now_ms(), data={"comment": {"body": "Hello"}})


def body_of(*items: Any, id: str = "", origin: str = "eu", hops: int = 1, version: int = 1) -> bytes:
    """Return a batch of events, or of anything."""
    wire = [to_wire(item) if isinstance(item, Event) else item for item in items]
    packed: bytes = msgpack.packb([version, id or uuid.uuid4().hex, origin, hops, [[{"published": 1}, wire]]])
    return b"m" + packed


@dataclass
class Region:
    """us, its relay called as its server calls it. `sent` is what nodes would get; `eu` signs as the peer does."""

    receiver: Receiver
    table: RelayTable
    shared: SharedTable
    presence: PresenceTable
    dispatcher: Dispatcher
    prefix: str
    sent: list[dict[str, Any]]
    eu: Keyring = field(default_factory=lambda: Keyring("eu", [EU_US]))

    async def post(
        self,
        body: bytes,
        *,
        path: str = EVENTS,
        method: str = "POST",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        now: float | None = None,
        to_path: str = "",
    ) -> tuple[int, dict[str, Any]]:
        """Send a signed request, or one with these headers; return status and answer."""
        if headers is None:
            target = path + (f"?{query}" if query else "")
            headers = self.eu.sign("us", method=method, target=target, body=body, now=now or time.time())
        path = to_path or path
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
        }
        answers: list[Mapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: Mapping[str, Any]) -> None:
            answers.append(message)

        await self.receiver(scope, receive, send)
        assert b"date" in dict(answers[0]["headers"])
        return answers[0]["status"], orjson.loads(answers[1]["body"])

    def events(self) -> list[Any]:
        return [item for message in self.sent for item in message["events"]]


@pytest.fixture
async def us(redis: Redis) -> Region:
    return await region_us(redis)


async def region_us(redis: Redis, *, clock: Callable[[], float] = time.monotonic) -> Region:
    """Return the region us, where a node watches the topic."""
    prefix = f"test:{uuid.uuid4().hex}:"
    shared = SharedTable(redis, lease_seconds=15, prefix=prefix)
    await shared.renew(NODE, {TOPIC: NOTHING})
    sent: list[dict[str, Any]] = []

    async def send(messages: Mapping[NodeId, bytes]) -> None:
        sent.extend(msgpack.unpackb(message) for message in messages.values())

    relay_table = RelayTable(redis, lease_seconds=15, prefix=prefix)
    presence = PresenceTable(redis, prefix=prefix)
    keyring = Keyring(
        "us", [RelayKey("eu", "new", EU_US.secret), RelayKey("eu", "old", OLD.secret), RelayKey("ap", "1", "a" * 40)]
    )
    dispatcher = Dispatcher(shared, send, time.monotonic)
    receiver = Receiver(keyring, relay_table, dispatcher=dispatcher, shared=shared, presence=presence, clock=clock)
    return Region(receiver, relay_table, shared, presence, dispatcher, prefix, sent)


async def test_signed_batch_reaches_the_nodes_with_its_stamps(us: Region) -> None:
    event = comment(1)
    assert await us.post(body_of(event)) == (200, {"accepted": 1, "rejected": [], "rejected_count": 0})
    [message] = us.sent
    assert message["events"] == [to_wire(event)]
    stamps = message["stamps"]
    assert (stamps["region"], stamps["published"]) == ("eu", 1)
    assert stamps["relayed"] <= stamps["dispatched"]


# Signatures


TAMPERED: dict[str, Callable[[dict[str, str]], dict[str, str]]] = {
    "none": lambda headers: {name: value for name, value in headers.items() if name != "live-signature"},
    "empty": lambda headers: {**headers, "live-signature": ""},
    "cut": lambda headers: {**headers, "live-signature": headers["live-signature"][:-1]},
    "upper case": lambda headers: {**headers, "live-signature": headers["live-signature"].upper()},
    "no ASCII": lambda headers: {**headers, "live-signature": "é" * 64},
    "unknown key": lambda headers: {**headers, "live-key": "other"},
    "another region": lambda headers: {**headers, "live-from": "ap", "live-key": "1"},
    "unknown region": lambda headers: {**headers, "live-from": "mars"},
    "for another region": lambda headers: {**headers, "live-to": "ap"},
    "another time": lambda headers: {**headers, "live-time": str(int(headers["live-time"]) + 1)},
    "no time": lambda headers: {name: value for name, value in headers.items() if name != "live-time"},
    "another nonce": lambda headers: {**headers, "live-nonce": "0" * 32},
    "nothing": lambda headers: {},
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
async def test_wrong_signature_is_refused_with_one_and_the_same_answer(
    us: Region, change: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    body = body_of(comment(1))
    headers = change(us.eu.sign("us", method="POST", target=EVENTS, body=body, now=time.time()))
    detail = "The request is not signed with a key that this region has."
    assert await us.post(body, headers=headers) == (401, {"code": "unauthorized", "detail": detail})
    assert us.sent == []


async def test_body_path_query_and_method_are_signed_and_the_order_of_headers_is_not(us: Region) -> None:
    body = body_of(comment(1))
    headers = us.eu.sign("us", method="POST", target=EVENTS, body=body, now=time.time())
    changed = body[:-1] + bytes([body[-1] ^ 1])
    assert (await us.post(changed, headers=headers))[0] == 401
    assert (await us.post(body, headers=headers, query="a=1"))[0] == 401
    assert (await us.post(body, headers=headers, to_path="/relay/v1/interest"))[0] == 401
    assert (await us.post(body, headers=dict(reversed(headers.items()))))[0] == 200


@pytest.mark.parametrize("seconds", [-121, 121, -1e9])
async def test_time_far_from_now_is_refused_in_plain_words(us: Region, seconds: float) -> None:
    status, answer = await us.post(body_of(comment(1)), now=time.time() + seconds)
    assert (status, answer["code"]) == (401, "wrong_time")
    assert us.sent == []


@pytest.mark.parametrize("said", ["", "nan", "-1", "1e9", "17000000000000", "12 "])
async def test_time_that_is_none_is_refused(us: Region, said: str) -> None:
    body = body_of(comment(1))
    headers = us.eu.sign("us", method="POST", target=EVENTS, body=body, now=time.time())
    words = [said if name == "live-time" else headers[name] for name in HEADERS[:-1]]
    text = "\n".join(("live-relay-1", "POST", EVENTS, *words, hashlib.sha256(body).hexdigest()))
    signature = hmac.new(EU_US.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    status, _ = await us.post(body, headers={**headers, "live-time": said, "live-signature": signature})
    assert status == 401


async def test_time_within_the_window_is_taken(us: Region) -> None:
    assert (await us.post(body_of(comment(1)), now=time.time() - 110))[0] == 200
    assert (await us.post(body_of(comment(2)), now=time.time() + 110))[0] == 200


async def test_key_rotation_accepts_both_keys_and_no_retired_one(us: Region) -> None:
    us.eu = Keyring("eu", [OLD])
    assert (await us.post(body_of(comment(1))))[0] == 200
    us.eu = Keyring("eu", [EU_US, OLD])
    assert (await us.post(body_of(comment(2))))[0] == 200
    us.eu = Keyring("eu", [RelayKey("us", "retired", "r" * 40)])
    assert (await us.post(body_of(comment(3))))[0] == 401
    assert [item[2] for item in us.events()] == [1, 2]


def test_key_never_shows_its_secret() -> None:
    assert EU_US.secret not in f"{EU_US} {EU_US!r} {[EU_US]}"


# Once


async def test_request_that_is_repeated_is_refused(us: Region) -> None:
    body = body_of(comment(1))
    headers = us.eu.sign("us", method="POST", target=EVENTS, body=body, now=time.time())
    assert (await us.post(body, headers=headers))[0] == 200
    status, answer = await us.post(body, headers=headers)
    assert (status, answer["code"]) == (409, "replayed")
    assert len(us.events()) == 1


async def test_batch_that_is_sent_again_changes_nothing(us: Region) -> None:
    body = body_of(Burst(TOPIC, {"heart": 3}, now_ms()))
    assert (await us.post(body))[1]["accepted"] == 1
    assert await us.post(body) == (200, {"accepted": 0, "is_duplicate": True})
    assert len(us.events()) == 1


async def test_batch_that_could_not_be_dispatched_is_taken_when_it_comes_again(
    us: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = body_of(comment(1))

    async def away(*_: object) -> None:
        raise OSError("Redis is away")

    with monkeypatch.context() as patch:
        patch.setattr(us.dispatcher, "send", away)
        status, answer = await us.post(body)
        assert (status, answer["code"]) == (503, "unavailable")
    assert (await us.post(body))[1]["accepted"] == 1
    assert len(us.events()) == 1


async def test_used_nonces_take_bounded_room(us: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "NONCES_MAX", 4)
    statuses = [(await us.post(body_of(comment(seq))))[0] for seq in range(1, 7)]
    assert statuses == [200, 200, 200, 200, 429, 429]


async def test_peer_that_sends_more_than_its_share_is_told_to_wait(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.relay.receiver.EVENTS_PER_SECOND", 2.5)  # five at once
    us = await region_us(redis, clock=Clock())
    assert (await us.post(body_of(*map(comment, range(1, 5)))))[0] == 200
    status, answer = await us.post(body_of(comment(5), comment(6)))
    assert (status, answer["code"]) == (429, "rate_limited")
    assert len(us.events()) == 4


async def test_unsigned_requests_leave_nothing_behind(us: Region, redis: Redis) -> None:
    own = f"{us.prefix}*"
    before = set(await redis.keys(own))
    for number in range(50):
        headers = dict.fromkeys(HEADERS, f"{number:032x}")
        assert (await us.post(body_of(comment(1)), headers=headers))[0] == 401
    assert before and set(await redis.keys(own)) == before


# Loops and forged origins


async def test_own_events_that_come_back_are_dropped(us: Region) -> None:
    status, answer = await us.post(body_of(comment(1), origin="us"))
    assert (status, answer["code"]) == (409, "loop")
    assert us.sent == []


@pytest.mark.parametrize("hops", [0, 3, -1, 2**40])
async def test_events_that_were_relayed_too_often_are_dropped(us: Region, hops: int) -> None:
    assert (await us.post(body_of(comment(1), hops=hops)))[1]["code"] == "loop"
    assert us.sent == []


async def test_region_cannot_speak_for_another(us: Region) -> None:
    status, answer = await us.post(body_of(comment(1), origin="ap"))
    assert (status, answer["code"]) == (403, "wrong_origin")
    assert us.sent == []


# Bodies


async def test_what_is_no_event_is_told_and_the_rest_is_taken(us: Region) -> None:
    good, newer = comment(1), ["z", TOPIC, "of a newer version"]
    bad = ["d", "pets:1", 1, "comment", "{}"], ["d"], 7, ["h", "video:1"], ["d", "video:\n", 1, "x", "{}"]
    status, answer = await us.post(body_of(bad[0], good, *bad[1:], newer))
    assert status == 200
    assert (answer["accepted"], answer["rejected_count"]) == (2, 5)
    assert answer["rejected"][:2] == [
        {"index": 0, "code": "unknown_topic"},
        {"index": 2, "code": "not_an_event"},
    ]
    assert us.events() == [to_wire(good), newer]


NONSENSE = {
    "empty": b"",
    "text": b"hello",
    "JSON": b'm{"events": []}',
    "no list": b"m" + msgpack.packb({"events": []}),
    "cut": body_of(comment(1))[:-4],
    "bytes after it": body_of(comment(1)) + b"x",
    "bad zip": b"z" + b"\x00" * 64,
    "another version": body_of(comment(1), version=99),
    "no name": b"m" + msgpack.packb([1, "x", "eu", 1, []]),
    "events that are no list": b"m" + msgpack.packb([1, "0" * 32, "eu", 1, [[{}, {}]]]),
    "stamps that are none": b"m" + msgpack.packb([1, "0" * 32, "eu", 1, [[{"a": [1]}, []]]]),
    "extension type": b"m" + msgpack.packb([1, "0" * 32, "eu", 1, [msgpack.ExtType(5, b"x")]]),
    "bad UTF-8": b"m\x95\x01\xa4\xff\xfe\xfd\xfc",
    "claims four billion items": b"m\xdd\xff\xff\xff\xff",
    "claims a string of gigabytes": b"m\xdb\xff\xff\xff\xff",
    "nested deeper than the stack": b"m" + b"\x91" * 100_000,
}


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
async def test_body_that_is_no_batch_is_refused(us: Region, body: bytes) -> None:
    status, answer = await us.post(body)
    assert (status, set(answer)) == (400, {"code", "detail"})
    assert us.sent == []


async def test_body_that_unpacks_to_gigabytes_is_refused(us: Region) -> None:
    bomb = zlib.compressobj()
    zeros = b"\0" * (1 << 20)
    body = b"z" + b"".join(bomb.compress(zeros) for _ in range(64)) + bomb.flush()
    status, answer = await us.post(body)
    assert (status, answer["code"]) == (413, "too_large")


async def test_too_many_events_and_too_large_bodies_are_refused(us: Region) -> None:
    status, answer = await us.post(body_of(*[["x", TOPIC]] * 10_001))
    assert (status, answer["code"]) == (413, "too_many_events")
    status, answer = await us.post(b"m" + b"x" * BODY_MAX_BYTES)
    assert (status, answer["code"]) == (413, "too_large")
    large = ["d", TOPIC, 1, "comment", "x" * (batch.EVENT_MAX_BYTES + 1)]
    assert (await us.post(body_of(large)))[0] == 400
    assert us.sent == []


async def test_deeply_nested_event_is_rejected_alone(us: Region) -> None:
    deep: Any = []
    for _ in range(40):
        deep = [deep]
    assert (await us.post(body_of(["s", TOPIC, deep], comment(1))))[1]["accepted"] == 1


async def test_other_paths_and_methods(us: Region) -> None:
    assert (await us.post(b"", path="/admin/"))[0] == 404
    assert (await us.post(b"", method="GET"))[0] == 405
    assert await us.post(b"", path="/healthz", method="GET") == (200, {"status": "ok", "region": "us"})


# What is told besides events


async def test_digest_is_kept_and_viewers_abroad_are_counted(us: Region) -> None:
    await us.shared.renew(NODE, {TOPIC: NOTHING})
    body = encode_digest(bitmap_of(["video:1", "video:2"]), {TOPIC: (7, 9), "video:3": (1, 1)})
    assert (await us.post(body, path="/relay/v1/interest"))[0] == 200
    [kept] = await us.table.interests(["eu"])
    assert kept is not None
    assert [is_in(f"video:{number}", kept) for number in (1, 2, 3)] == [True, True, False]
    watched = await us.shared.watched([TOPIC, TopicName("video:3")])
    assert watched == {TOPIC: Watched(7, 9), "video:3": Watched(1, 1)}
    renewed = (await us.shared.renew(NODE, {TOPIC: NOTHING}))[TOPIC]
    assert (renewed.watched.count, renewed.remote, renewed.watched.peak) == (7, 7, 9)


@pytest.mark.parametrize(
    "body",
    [
        encode_digest(b"\0" * 10, {}),
        encode_digest(b"\0" * BITMAP_BYTES, {"pets:1": (1, 1)}),
        encode_digest(b"\0" * BITMAP_BYTES, {TOPIC: (-1, 1)}),
        encode_digest(b"\0" * BITMAP_BYTES, {TOPIC: ("1", 1)}),  # type: ignore[dict-item]
        b"m" + msgpack.packb([2, b"", {}]),
        b"m" + msgpack.packb([]),
    ],
)
async def test_digest_that_is_none_is_refused(us: Region, body: bytes) -> None:
    status, answer = await us.post(body, path="/relay/v1/interest")
    assert (status, set(answer)) == (400, {"code", "detail"})
    assert await us.table.interests(["eu"]) == [None]


async def test_heartbeat_from_abroad_brings_the_viewer_online_here(us: Region) -> None:
    presence = TopicName("presence:42")
    await us.shared.enter(NODE, [presence])
    assert (await us.post(body_of(["h", presence])))[1]["accepted"] == 1
    assert (await us.post(body_of(["h", presence])))[1]["accepted"] == 1
    [event] = us.events()
    assert (event[0], event[1], event[4]["status"]) == ("s", presence, "online")
    assert (await us.presence.look(["42"])).online.keys() == {"42"}


# From the queue to the peer


def test_entries_are_packed_once_and_read_as_they_were() -> None:
    events: list[Event] = [comment(1), Counters(TOPIC, 2, {"like": 2}, ("Ada",), 1)]
    packed = [msgpack.packb(to_wire(event)) for event in events]
    entries = [*pack_entries({"region": "eu"}, packed), *pack_entries({"published": 5}, packed[:1])]
    found = decode_batch(encode_batch("a" * 32, "eu", entries))
    assert found.groups == [
        ({"region": "eu"}, [to_wire(event) for event in events]),
        ({"published": 5}, [to_wire(events[0])]),
    ]


def test_large_batches_become_several_entries() -> None:
    packed = [msgpack.packb(["d", TOPIC, seq, "comment", "x" * 100_000]) for seq in range(5)]
    entries = list(pack_entries({}, packed))
    assert [len(msgpack.unpackb(entry)[1]) for entry in entries] == [2, 2, 1]
