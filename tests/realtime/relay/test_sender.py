"""The sending relay against a peer that answers in every way a peer can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from realtime.relay import sender
from realtime.relay.batch import decode_batch
from realtime.relay.sender import FAILURES_MAX, Breaker, Link, in_parts
from realtime.relay.signing import Keyring, RelayKey

ENTRY = b"\x92\x80\x90"  # no stamps, no events


class Peer:
    """An HTTP server that answers with what `statuses` say, in turn, then with 200; 0: not at all."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self.nonces: list[bytes] = []
        self.location = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
                self.bodies.append(await reader.readexactly(int(headers[b"content-length"])))
                self.nonces.append(headers[b"live-nonce"])
                status = self.statuses.pop(0) if self.statuses else 200
                if status:
                    writer.write(b"HTTP/1.1 %d X\r\nLocation: /x\r\nContent-Length: 2\r\n\r\n{}" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def peer() -> Peer:
    return Peer()


@pytest.fixture
async def link(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Link]:
    monkeypatch.setattr(sender, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(sender, "REST_SECONDS", 0.02)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        yield Link("us", url, Keyring("eu", [RelayKey("us", "1", "s" * 40)]), client)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("failures", [[0], [503], [429], [503, 0, 500]])
async def test_batch_that_was_not_answered_is_sent_again_under_its_name(
    peer: Peer, link: Link, failures: list[int]
) -> None:
    peer.statuses = list(failures)
    await link.send([ENTRY])
    assert len(peer.bodies) == len(failures) + 1
    assert len({decode_batch(body).id for body in peer.bodies}) == 1
    assert len(set(peer.nonces)) == len(peer.nonces), "each request is signed anew"
    assert not link.breaker.is_open


@pytest.mark.parametrize("status", [400, 413])
async def test_batch_that_the_peer_calls_bad_is_not_sent_again(peer: Peer, link: Link, status: int) -> None:
    peer.statuses = [status]
    await link.send([ENTRY])
    assert len(peer.bodies) == 1
    assert not link.breaker.failures


async def test_redirect_is_not_followed(peer: Peer, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key's signature must not go wherever somebody points."""
    monkeypatch.setattr(sender, "GIVE_UP_SECONDS", 0.05)
    peer.statuses = [302] * 20
    await link.send([ENTRY])
    assert link.breaker.failures
    assert not {body for body in peer.bodies if not body}


async def test_dead_peer_is_given_up_and_asked_by_one_request_at_a_time(
    peer: Peer, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "GIVE_UP_SECONDS", 0.3)
    peer.statuses = [503] * 1_000
    await asyncio.gather(*(link.send([ENTRY]) for _ in range(8)))
    assert link.breaker.is_open
    monkeypatch.setattr(sender, "GIVE_UP_SECONDS", 30)
    peer.statuses = []
    await link.send([ENTRY])
    assert not link.breaker.is_open


def breaker(now: list[float]) -> Breaker:
    return Breaker(clock=lambda: now[0])


def test_breaker_opens_after_some_failures_and_lets_one_find_out() -> None:
    now = [0.0]
    found = breaker(now)
    for _ in range(FAILURES_MAX):
        assert not found.is_open and found.wait_seconds() == 0
        found.failed()
    wait = found.wait_seconds()
    assert found.is_open and wait > 0
    now[0] += wait
    assert found.wait_seconds() == 0
    assert found.wait_seconds() > 0, "the second one waits for the first one's answer"
    found.succeeded()
    assert found.wait_seconds() == 0


def test_breaker_rests_longer_with_each_failure_but_never_long() -> None:
    now = [0.0]
    found = breaker(now)
    rests = []
    for _ in range(40):
        found.failed()
        rests.append(found.wait_seconds())
        now[0] += 100
    assert max(rests) <= sender.REST_MAX_SECONDS
    assert min(rests[-10:]) > max(rests[:FAILURES_MAX])


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [([1, 1, 1], [3]), ([sender.ENTRIES_MAX_BYTES, 1], [1, 1]), ([], []), ([sender.ENTRIES_MAX_BYTES * 2], [1])],
)
def test_entries_go_in_as_few_requests_as_their_size_allows(sizes: list[int], parts: list[int]) -> None:
    entries = [b"x" * size for size in sizes]
    assert [len(part) for part in in_parts(entries)] == parts
    assert [entry for part in in_parts(entries) for entry in part] == entries
