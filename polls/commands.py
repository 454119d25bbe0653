"""The commands of boards on a WebSocket: what viewers do, without a request around it."""

from __future__ import annotations

from typing import Any

from accounts.commands import client_id_of, command, id_of, text_of
from accounts.tokens import Claim, viewer_of_claim
from moderation.commands import complaint_in
from moderation.limits import COMPLAINTS
from polls import asking, questions, votes
from polls.limits import QUESTION_VOTES, VOTES
from polls.models import ASKED_MAX
from polls.text import checked_line
from realtime import act_limits
from realtime.log.threads import backend_threads
from realtime.registry import RunCommand
from videos.limits import COMMENTS
from web.refusals import Refused

_VIDEO = 'Name the video: "video": "<id>".'


async def _vote(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    video_id = id_of(text_of(message, "video"), _VIDEO)
    poll_id = id_of(text_of(message, "poll"), 'Name the poll: "poll": "<id>".')
    option_id = _number(message, "option", "option is the id of one of the poll's options.")
    act_limits.take(VOTES, who)
    return await votes.vote(video_id, poll_id, option_id, who)


async def _ask(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    video_id = id_of(text_of(message, "video"), _VIDEO)
    body, client_id = checked_line(text_of(message, "body"), ASKED_MAX, "question"), client_id_of(message)
    act_limits.take(COMMENTS, who)
    made = await asking.ask(video_id, who, body, client_id=client_id)
    return made if "held" in made else {"question": made}


async def _vote_question(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    video_id = id_of(text_of(message, "video"), _VIDEO)
    question_id = _number(message, "question", "question is the id of a question.")
    is_for = message.get("for", True)
    if not isinstance(is_for, bool):
        raise Refused("for is true or false.", code="invalid")
    act_limits.take(QUESTION_VOTES, who)
    return await asking.vote(video_id, who, question_id, is_for=is_for)


async def _report_question(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    video_id = id_of(text_of(message, "video"), _VIDEO)
    question_id = _number(message, "question", "question is the id of a question.")
    said = complaint_in(message)
    act_limits.take(COMPLAINTS, who)
    await backend_threads.run(lambda: questions.report(video_id, question_id, viewer_of_claim(who), **said))
    return {}


def _number(message: dict[str, Any], name: str, what: str) -> int:
    """Raises Refused, with `what` as the reason."""
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**63:
        raise Refused(what, code="invalid")
    return value


COMMANDS: dict[str, RunCommand] = {
    "vote": command(_vote),
    "ask": command(_ask),
    "vote_question": command(_vote_question),
    "report_question": command(_report_question),
}
