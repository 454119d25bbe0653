"""Small load tests against the fake site, and lies for it to tell."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from loadtest.connection import StreamKind, Watch
from loadtest.machine import Address, reach
from loadtest.requests import SocketCommand
from loadtest.run import LoadTest, Plan, Result
from loadtest.wire import (
    RawRequest,
    websocket_request,
)
from tests.loadtest.fake_site import TOPIC, Event, FakeSite, FakeViewer


def load_test(site: FakeSite, **changes: Any) -> LoadTest:
    """Return a small load test against the fake site. `by_websocket`: likes and comments go over WebSockets."""
    told = changes.pop("told", [])
    by_websocket = changes.pop("by_websocket", False)
    watch = Watch(TOPIC, [reach(site.url)], changes.pop("transport", StreamKind.SSE), **changes.pop("watch", {}))
    plan: dict[str, Any] = {
        "viewers": 6,
        "seconds": 0.2,
        "likes_per_s": 100,
        "comments_per_s": 50,
        "like_pool": 100,
        "settle_seconds": 0.5,
        "ticket": lambda: "t",
        "speakers": range(101 if by_websocket else 0),
        **changes,
    }

    def like(viewer: int, kind: str | None) -> RawRequest | SocketCommand:
        if by_websocket:
            return SocketCommand(viewer, {"op": "like", "kind": kind} if kind else {"op": "unlike"})
        body = json.dumps({"kind": kind}).encode() if kind else b""
        return RawRequest("PUT" if kind else "DELETE", "/like", {"Authorization": str(viewer)}, body)

    def comment(number: int) -> RawRequest | SocketCommand:
        if by_websocket:
            return SocketCommand(100, {"op": "comment", "body": str(number)})
        return RawRequest("POST", "/comments", {"Authorization": "c"}, json.dumps({"body": str(number)}).encode())

    def introduce(viewer: int, address: Address) -> RawRequest:
        handshake = websocket_request("/ws", origin=address.url)
        return replace(handshake, headers={**handshake.headers, "Authorization": str(viewer)})

    return LoadTest(
        Plan(
            watch,
            like=like,
            comment=comment,
            state=RawRequest("GET", "/state"),
            introduce=introduce,
            **plan,
        ),
        site=None,
        report=told.append,
    )


async def run(site: FakeSite, **changes: Any) -> Result:
    return await load_test(site, **changes).run()


def only(number: int, change: Any) -> Any:
    """Return a lie to one viewer about its comments."""

    def lie(viewer: FakeViewer, event: Event) -> list[Event]:
        if viewer.number != number or event.name != "comment":
            return [event]
        told: list[Event] = change(viewer, event)
        return told

    return lie
