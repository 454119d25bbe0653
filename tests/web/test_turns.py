"""The turns of admin and sign-in: how many at once, who waits, who is sent away, and what a frozen database does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler

from web.turns import Busy, InTurns, Turns

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/admin/",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
}


class SlowPages(ASGIHandler):
    """Pages that answer when they are let."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.most = 0
        self.let = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await receive()
        await self.let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        self.running -= 1


class Visitor:
    """Somebody who asks for a page, and may leave. `statuses`: of the answers that they got."""

    def __init__(self, pages: InTurns) -> None:
        self.statuses: list[int] = []
        self.headers: dict[bytes, bytes] = {}
        self._messages: list[dict[str, Any]] = [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]
        self.task = asyncio.create_task(pages(SCOPE, self._receive, self._send, needs_turn=True))

    async def _receive(self) -> dict[str, Any]:
        return self._messages.pop(0)

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])
            self.headers = dict(message["headers"])


async def test_at_most_so_many_run_and_the_others_wait() -> None:
    pages = SlowPages()
    visitors = [Visitor(InTurns(pages, turns)) for turns in [Turns(2)] for _ in range(5)]
    await asyncio.sleep(0.05)
    assert (pages.running, pages.most) == (2, 2)
    pages.let.set()
    await asyncio.gather(*(visitor.task for visitor in visitors))
    assert [visitor.statuses for visitor in visitors] == [[200]] * 5
    assert pages.most == 2


async def test_who_finds_too_many_waiting_is_told_when_to_come_again() -> None:
    pages = SlowPages()
    turns = Turns(1, waiting_max=1)
    visitors = [Visitor(InTurns(pages, turns)) for _ in range(3)]
    await visitors[2].task
    assert visitors[2].statuses == [503]
    assert visitors[2].headers[b"Retry-After"] == b"2"
    assert b"Content-Security-Policy" in visitors[2].headers
    pages.let.set()
    await asyncio.gather(*(visitor.task for visitor in visitors))
    assert [visitor.statuses for visitor in visitors] == [[200], [200], [503]]


async def test_turn_that_does_not_come_in_time_is_no_turn() -> None:
    turns = Turns(1, wait_seconds=0.01)
    async with turns.turn():
        with pytest.raises(Busy):
            async with turns.turn():
                pass
    async with turns.turn():
        pass


@pytest.mark.django_db(transaction=True)
async def test_page_that_takes_long_is_waited_for_while_the_database_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting a video with two million comments takes most of a minute."""
    monkeypatch.setattr("web.turns.PATIENCE_SECONDS", 0.01)
    pages = SlowPages()
    visitor = Visitor(InTurns(pages, Turns(1)))
    await asyncio.sleep(0.2)
    assert visitor.statuses == []
    pages.let.set()
    await visitor.task
    assert visitor.statuses == [200]
