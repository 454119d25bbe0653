"""The commands of messages on a WebSocket: the most frequent calls of the API, without a request around them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.commands import client_id_of, command, id_of, text_of
from accounts.tokens import Claim
from messaging import acts
from messaging.limits import MESSAGES
from realtime.act_limits import take
from realtime.log.threads import backend_threads
from realtime.registry import RunCommand
from web.refusals import Refused
from web.text import clean_body


def _conversation(message: dict[str, Any]) -> UUID:
    return id_of(text_of(message, "conversation"), 'Name the conversation: "conversation": "<id>".')


async def _message(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    conversation_id = _conversation(message)
    body, client_id = clean_body(text_of(message, "body"), what="message"), client_id_of(message)
    take(MESSAGES, who)
    return {"message": await backend_threads.run(acts.send, conversation_id, who, body, client_id=client_id)}


def _message_id(message: dict[str, Any]) -> UUID:
    return id_of(text_of(message, "message"), 'Name the message: "message": "<id>".')


async def _edit_message(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    conversation_id, message_id = _conversation(message), _message_id(message)
    body = clean_body(text_of(message, "body"), what="message")
    take(MESSAGES, who)
    return {"message": await backend_threads.run(acts.edit, conversation_id, who, message_id, body)}


async def _delete_message(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    conversation_id, message_id = _conversation(message), _message_id(message)
    take(MESSAGES, who)
    await backend_threads.run(acts.delete, conversation_id, who, message_id)
    return {}


async def _seen(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    conversation_id, seq = _conversation(message), message.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq < 2**63:
        raise Refused("seq is that of the newest message you have seen.", code="invalid")
    return {**await backend_threads.run(acts.see, conversation_id, who, seq)}


COMMANDS: dict[str, RunCommand] = {
    "message": command(_message),
    "edit_message": command(_edit_message),
    "delete_message": command(_delete_message),
    "seen": command(_seen),
}
