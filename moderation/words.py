"""What acts and restrictions are called on pages and in the admin."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

ACTS: dict[str, str | Promise] = {
    "delete": _("Deleted a comment"),
    "delete_all": _("Deleted all comments of a person"),
    "pin": _("Pinned a comment"),
    "unpin": _("Unpinned a comment"),
    "time_out": _("Time-out"),
    "ban": _("Ban"),
    "shadow": _("Shadow"),
    "lift": _("Let in again"),
    "note": _("Wrote a note"),
    "role": _("Changed a role"),
    "approve": _("Approved a comment"),
    "deny": _("Denied a comment"),
    "rules": _("Changed the rules"),
}
