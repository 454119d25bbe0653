"""What acts and restrictions are called on pages and in the admin."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from moderation.models import COMPLAINT_REASONS

ACTS: dict[str, str | Promise] = {
    "delete": _("Deleted a comment"),
    "delete_all": _("Deleted all that a person has written"),
    "pin": _("Pinned a comment"),
    "unpin": _("Unpinned a comment"),
    "time_out": _("Time-out"),
    "ban": _("Ban"),
    "shadow": _("Shadow"),
    "lift": _("Let in again"),
    "dismiss": _("Dismissed what viewers reported"),
    "note": _("Wrote a note"),
    "role": _("Changed a role"),
    "approve": _("Approved what was held"),
    "deny": _("Denied what was held"),
    "rules": _("Changed the rules"),
    "words": _("Changed the words"),
    "gate_closed": _("Closed the gate"),
    "gate_opened": _("Opened the gate"),
    "let_in_no_more": _("Bans of other channels count again"),
    "bans_shared": _("Bans offered to"),
    "bans_shared_there": _("Bans offered by"),
    "bans_unshared": _("Bans not offered any more to"),
    "bans_unshared_there": _("Bans not offered any more by"),
    "bans_taken": _("Bans taken from"),
    "bans_taken_there": _("Bans taken by"),
    "bans_left": _("Bans not taken any more from"),
    "bans_left_there": _("Bans not taken any more by"),
    "shared_ban": _("Banned in another channel"),
    "shared_lift": _("Let in again in another channel"),
    "emoji_added": _("Added an emoji"),
    "emoji_deleted": _("Deleted an emoji"),
    "open_poll": _("Opened a poll"),
    "close_poll": _("Closed a poll"),
    "withdraw_poll": _("Withdrew a poll"),
    "announce": _("Announced something"),
    "set_goal": _("Goal set"),
    "raid": _("Sent the viewers to another channel"),
    "questions_on": _("Let viewers ask questions"),
    "questions_off": _("Ended the questions"),
    "delete_question": _("Deleted a question"),
}

ALARMS: dict[str, str | Promise] = {
    "alike": _("Attack: {people} newcomers write alike, within {seconds} s."),
    "guests": _("Attack: {people} new guests from {addresses} addresses within {seconds} s."),
    "rush": _("Attack: {comments} comments by {people} newcomers within {seconds} s."),
}
"""What was noticed, by the kind of an attack (screening.attacks)."""

TOOLS: dict[str, str | Promise] = {
    "done_delete": _("Deleted: a comment by {name}"),
    "done_delete_question": _("Deleted: a question by {name}"),
    "done_delete_all": _("Deleted: all that {name} has written"),
    "done_time_out": _("{name} has a time-out"),
    "done_dismiss": _("Dismissed: what was reported of {name}"),
    "reported.one": _("{n} reported"),
    "reported.other": _("{n} reported"),
    "held.one": _("{n} waits for review"),
    "held.other": _("{n} wait for review"),
    "gate_closed.one": _("The gate is closed, {n} comment is deleted."),
    "gate_closed.other": _("The gate is closed, {n} comments are deleted."),
    "gate_closed_until": _("The gate is closed until {time}."),
    **{f"alarm_{kind}": words for kind, words in ALARMS.items()},
    **{f"reason_{reason}": words for reason, words in COMPLAINT_REASONS.items()},
    "done_ban": _("{name} is banned"),
    "done_shadow": _("Nobody else sees {name}"),
    "is_time_out": _("Has a time-out"),
    "is_ban": _("Banned"),
    "is_shadow": _("In the shadow"),
    "taken_ban": _("Banned in the channel of {name}, whose bans count here"),
    "taken_shadow": _("In the shadow: banned in the channel of {name}"),
    "acts.one": _("{n} act so far"),
    "acts.other": _("{n} acts so far"),
}
"""The texts of static/js/moderation/, as videos.words has those of the watch page."""
