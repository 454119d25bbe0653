"""What a viewer may do with a channel on a WebSocket, as over REST."""

from __future__ import annotations

from typing import Any

from accounts.commands import command, id_of, text_of
from accounts.tokens import Claim, viewer_of_claim
from following import acts
from following.limits import FOLLOWS
from realtime import act_limits
from realtime.log.threads import backend_threads
from realtime.registry import RunCommand
from web.refusals import Refused

_UNKNOWN = 'Name the channel: "channel": "<id>".'


async def _follow(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    alerts = message.get("alerts", False)
    if not isinstance(alerts, bool):
        raise Refused("alerts is true or false.", code="invalid")
    channel_id = id_of(text_of(message, "channel"), _UNKNOWN)
    act_limits.take(FOLLOWS, who)
    await backend_threads.run(lambda: acts.follow(channel_id, viewer_of_claim(who), alerts=alerts))
    return {"alerts": alerts}


async def _unfollow(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    channel_id = id_of(text_of(message, "channel"), _UNKNOWN)
    act_limits.take(FOLLOWS, who)
    await backend_threads.run(lambda: acts.unfollow(channel_id, viewer_of_claim(who)))
    return {}


COMMANDS: dict[str, RunCommand] = {"follow": command(_follow), "unfollow": command(_unfollow)}
