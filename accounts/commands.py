"""What the WebSocket commands of all apps have in common: who acts, checked fields, refusals as answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from accounts.tokens import Claim
from realtime import act_limits
from realtime.identity import Identity
from realtime.limits import Limited
from realtime.log.store import StoreUnavailable
from realtime.registry import CommandError, RunCommand
from web.ids import parse_id
from web.refusals import Refused
from web.text import CLIENT_ID, has_bad_characters

Act = Callable[[Claim, dict[str, Any]], Awaitable[dict[str, Any]]]


def command(act: Act) -> RunCommand:
    """Make a command from an act: check its text, find the viewer, turn refusals into answers."""

    async def run(identity: Identity, address: str, message: dict[str, Any]) -> dict[str, Any]:
        if has_bad_characters(message):
            raise CommandError("invalid", "The text holds characters that are none.")
        act_limits.begin()
        try:
            # Known by cookie or token since the handshake. The transaction checks that the account still exists.
            return await act(Claim(UUID(identity.viewer_id)), message)
        except Refused as refusal:
            raise CommandError(refusal.code, refusal.detail) from refusal
        except Limited as limited:
            raise CommandError("too_often", f"Wait {limited.retry_seconds} s and try again.") from limited
        except StoreUnavailable as error:
            act_limits.give_back()
            raise CommandError("unavailable", "The database is away, try again in a moment.") from error

    return run


def text_of(message: dict[str, Any], name: str) -> str:
    """Raises Refused."""
    value = message.get(name)
    if not isinstance(value, str):
        raise Refused(f"{name} is a text.", code="invalid")
    return value


def client_id_of(message: dict[str, Any]) -> str | None:
    """Raises Refused."""
    if message.get("client_id") is None:
        return None
    client_id = text_of(message, "client_id")
    if not CLIENT_ID.fullmatch(client_id):
        raise Refused("client_id has 1 to 64 of A-Z a-z 0-9 . _ : -", code="invalid")
    return client_id


def id_of(text: str, what: str) -> UUID:
    """Raises Refused, with `what` as the reason."""
    try:
        return parse_id(text)
    except ValueError as error:
        raise Refused(what, code="invalid") from error
