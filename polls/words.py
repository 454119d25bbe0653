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
    "option": _("Option {n}"),
    "poll_incomplete": _("Write a question and two options at least."),
    "poll_opened": _("Your viewers see the poll now"),
    "poll_closed": _("The poll is closed"),
    "poll_withdrawn": _("The poll is gone"),
}
