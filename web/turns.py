"""Turns for the pages that Django runs in threads: the admin and sign-in. They wait for each other, and no other
request waits for them.

Called by liveplatform.asgi and accounts.sign_in. Each such page holds a thread and a pooled connection until it ends,
and Django limits neither. Without turns, forty sign-ins at once held all connections of a node while they hashed, and
the API answered 503.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.db import connection
from django.http import HttpResponse
from django.utils.translation import gettext as _

from realtime.asgi import Receive, Scope, Send
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from web.middleware import unavailable, with_headers

PAGES_AT_ONCE = 4
SIGN_INS_AT_ONCE = 2  # hashing a password takes a core for a good part of a second
WAITING_MAX = 32
WAIT_SECONDS = 10.0
PATIENCE_SECONDS = 3.0


class Busy(Exception):
    """Too many wait already, or this one waited too long."""


class Turns:
    """Lets `at_once` in; up to `waiting_max` others wait `wait_seconds` for their turn."""

    def __init__(self, at_once: int, *, waiting_max: int = WAITING_MAX, wait_seconds: float = WAIT_SECONDS) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._waiting_max = waiting_max
        self._wait_seconds = wait_seconds
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Have a turn for the length of the block. Raises Busy."""
        if self._waiting >= self._waiting_max:
            raise Busy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
        except TimeoutError as error:
            raise Busy from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


sign_ins = Turns(SIGN_INS_AT_ONCE)


def busy() -> str:
    return _("Many people want the same right now. Try again in a few seconds.")


class InTurns:
    """Django's handler for pages that run in threads. A page always ends before its turn, even if its visitor has left.

    If a frozen database holds a page up, the answer is 503 as soon as that is known. The page keeps its turn to its
    end.
    """

    def __init__(self, pages: ASGIHandler, turns: Turns) -> None:
        self._pages = pages
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *, needs_turn: bool) -> None:
        answer = _Answer(send)
        working = asyncio.create_task(self._work(scope, receive, answer, needs_turn=needs_turn))
        while not working.done():
            await asyncio.wait({working}, timeout=PATIENCE_SECONDS)
            if not working.done() and not answer.has_begun and not await _database_answers():
                await answer.instead(scope, self._pages)
                return
        await working

    async def _work(self, scope: Scope, receive: Receive, answer: _Answer, *, needs_turn: bool) -> None:
        try:
            async with self._turns.turn() if needs_turn else contextlib.nullcontext():
                await self._pages(scope, _until_read(receive), answer.send)
        except Busy:
            await answer.instead(scope, self._pages, advice=busy())


class _Answer:
    """What goes out for one request: the page's own answer, or the one that replaces it; never both."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._is_replaced = False
        self.has_begun = False

    async def send(self, message: Mapping[str, Any]) -> None:
        if not self._is_replaced:
            self.has_begun = True
            await self._send(message)

    async def instead(self, scope: Scope, pages: ASGIHandler, *, advice: str = "") -> None:
        if self.has_begun or self._is_replaced:
            return
        self._is_replaced = True
        request, refusal = pages.create_request(scope, BytesIO())
        response = refusal if request is None else with_headers(unavailable(request, advice=advice))
        assert isinstance(response, HttpResponse)
        await pages.send_response(response, self._send)


def _until_read(receive: Receive) -> Receive:
    """Return a `receive` that gives the request, and hides that its visitor has left.

    Otherwise Django would end the page but not its thread. Turns that end before their work limit nothing.
    """
    is_read = False

    async def receive_request() -> dict[str, Any]:
        nonlocal is_read
        if is_read:
            await asyncio.Event().wait()
        message = await receive()
        is_read = not message.get("more_body", False)
        return message

    return receive_request


async def _database_answers() -> bool:
    try:
        await backend_threads.run(_look)
    except StoreUnavailable:
        return False
    return True


def _look() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
