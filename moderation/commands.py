"""What a moderator may do to people on a WebSocket. What is about comments is in videos.commands."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from accounts.commands import command, id_of, text_of
from accounts.tokens import Claim, viewer_of_claim
from moderation import acts, audit, complaints, undoing
from moderation.limits import COMPLAINTS
from moderation.models import COMPLAINT_REASONS, Restriction
from moderation.representation import entry_json, restriction_json
from realtime import act_limits
from realtime.log.threads import backend_threads
from realtime.registry import RunCommand
from web.refusals import Refused


def named(message: dict[str, Any], what: str) -> UUID:
    """Return the id that the message names. Raises Refused."""
    return id_of(text_of(message, what), f'Name the {what}: "{what}": "<id>".')


def _number(message: dict[str, Any], name: str) -> int | None:
    value = message.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise Refused(f"{name} is a whole number.", code="invalid")
    return value


async def _restrict(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    channel, person, kind = named(message, "channel"), named(message, "person"), text_of(message, "kind")
    seconds, hours = _number(message, "seconds"), _number(message, "network_hours") or 0
    reason = text_of({"reason": "", **message}, "reason")
    if kind not in Restriction.Kind.values or not 0 <= hours <= 72:
        raise Refused("kind is time_out, ban or shadow; network_hours is 0 to 72.", code="invalid")

    def act() -> dict[str, Any]:
        actor = viewer_of_claim(who)
        made, entry = acts.restrict(
            channel, person, actor, kind=kind, seconds=seconds, reason=reason, network_hours=hours
        )
        return {"restriction": restriction_json(made), "act": entry_json(entry)}

    return await backend_threads.run(act)


async def _lift(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    channel, person = named(message, "channel"), named(message, "person")
    entry = await backend_threads.run(lambda: acts.lift(channel, person, viewer_of_claim(who)))
    return {"act": entry_json(entry)}


async def _undo(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    channel, act = named(message, "channel"), named(message, "act")
    return {"act": entry_json(await backend_threads.run(lambda: undoing.undo(channel, act, viewer_of_claim(who))))}


def complaint_in(message: dict[str, Any]) -> dict[str, str]:
    """Return the reason and the remark of a complaint. Raises Refused."""
    reason, remark = text_of(message, "reason"), text_of({"remark": "", **message}, "remark")
    if reason not in COMPLAINT_REASONS:
        raise Refused(f"reason is one of {', '.join(COMPLAINT_REASONS)}.", code="invalid")
    return {"reason": reason, "remark": audit.clean_reason(remark)}


async def _report_person(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    channel, person, said = named(message, "channel"), named(message, "person"), complaint_in(message)
    act_limits.take(COMPLAINTS, who)
    await backend_threads.run(lambda: complaints.report_person(channel, person, viewer_of_claim(who), **said))
    return {}


async def _dismiss(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    channel, about = named(message, "channel"), named(message, "reported")
    entry = await backend_threads.run(lambda: complaints.dismiss(channel, about, viewer_of_claim(who)))
    return {"act": entry_json(entry)}


COMMANDS: dict[str, RunCommand] = {
    "restrict": command(_restrict),
    "lift": command(_lift),
    "undo": command(_undo),
    "report_person": command(_report_person),
    "dismiss": command(_dismiss),
}
