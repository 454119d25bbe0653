"""The texts that the scripts of boards show, as videos.words has those of the watch page."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

BOARD: dict[str, str | Promise] = {
    "votes.one": _("{n} vote"),
    "votes.other": _("{n} votes"),
    "poll_over_short": _("Over"),
    "accounts_only": _("Only viewers with an account vote in this poll."),
    "new_poll": _("New poll: {question}"),
    "goal_likes": _("{n} of {target} likes"),
    "goal_viewers": _("{n} of {target} watching"),
    "goal_reached": _("Reached!"),
    "raid_soon": _("In {n} s you go on to {name}"),
    "raid_later": _("The others went on to {name}"),
    "raided.one": _("{name} came with {n} viewer"),
    "raided.other": _("{name} came with {n} viewers"),
    "announced": _("Your viewers read it now"),
    "taken_away": _("It is gone"),
    "goal_set": _("Your viewers see the goal now"),
    "no_target": _("Nobody else is live at the moment."),
    "raid_begun": _("Your viewers go there in a moment"),
    "raid_off": _("Your viewers stay"),
    "nothing_written": _("Write something first."),
    "option": _("Option {n}"),
    "poll_incomplete": _("Write a question and two options at least."),
    "poll_opened": _("Your viewers see the poll now"),
    "poll_closed": _("The poll is closed"),
    "poll_withdrawn": _("The poll is gone"),
    "vote_for": _("Vote for this question"),
    "answering_now": _("Being answered now: {question}"),
    "questions_off": _("Nobody can ask at the moment."),
    "questions_ended": _("The broadcast has ended."),
    "questions_begin": _("Begin"),
    "questions_stop": _("Stop"),
    "questions_begun": _("Your viewers can ask now"),
    "questions_stopped": _("Nobody can ask any more"),
    "wait_question": _("Wait {n} s to ask again."),
}
