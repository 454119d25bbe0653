"""The commands of boards on a WebSocket: what viewers do, without a request around it."""

from __future__ import annotations

from typing import Any

from accounts.commands import command, id_of, text_of
from accounts.tokens import Claim
from polls import votes
from polls.limits import VOTES
from realtime import act_limits
from realtime.registry import RunCommand
from web.refusals import Refused


async def _vote(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    video_id = id_of(text_of(message, "video"), 'Name the video: "video": "<id>".')
    poll_id = id_of(text_of(message, "poll"), 'Name the poll: "poll": "<id>".')
    option_id = message.get("option")
    if not isinstance(option_id, int) or isinstance(option_id, bool):
        raise Refused("option is the id of one of the poll's options.", code="invalid")
    act_limits.take(VOTES, who)
    return await votes.vote(video_id, poll_id, option_id, who)


COMMANDS: dict[str, RunCommand] = {"vote": command(_vote)}
