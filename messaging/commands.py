"""What a viewer may write on a WebSocket: the hottest calls of the API, without a request around them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from messaging import acts, typists
from messaging.limits import MESSAGES
from realtime.log.threads import backend_threads
from realtime.registry import Command
from videos.commands import client_id_of, command, text_of
from videos.interactions import Claim
from web.ids import parse_id
from web.limits import take
from web.refusals import Refused
from web.text import clean_body


def _id(text: str, what: str) -> UUID:
    try:
        return parse_id(text)
    except ValueError as error:
        raise Refused(what, code="invalid") from error


def _conversation(message: dict[str, Any]) -> UUID:
    return _id(text_of(message, "conversation"), 'Name the conversation: "conversation": "<id>".')


async def _message(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    conversation_id = _conversation(message)
    body, client_id = clean_body(text_of(message, "body"), what="message"), client_id_of(message)
    take(MESSAGES, who)
    return {"message": await backend_threads.run(acts.send, conversation_id, who, body, client_id=client_id)}


async def _seen(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    conversation_id, seq = _conversation(message), message.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq < 2**63:
        raise Refused("seq is that of the newest message you have seen.", code="invalid")
    return {**await backend_threads.run(acts.see, conversation_id, who, seq)}


async def _typing(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    prefix, _, id = text_of(message, "topic").partition(":")
    act = {"conversation": typists.type_in_conversation, "video": typists.type_at_video}.get(prefix)
    is_typing = message.get("is_typing", True)
    if act is None or not isinstance(is_typing, bool):
        raise Refused(
            'Name the topic, "conversation:<id>" or "video:<id>"; is_typing is true or false.', code="invalid"
        )
    await act(_id(id, "There is no such topic."), who, is_typing=is_typing)
    return {}


COMMANDS: dict[str, Command] = {
    "message": command(_message),
    "seen": command(_seen),
    "typing": command(_typing),
}
