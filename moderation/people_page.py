"""The page of a channel's people: who moderates, who is kept out, and what was done. It needs no script.

Called by the URLs. For the broadcaster, their moderators and helpers; others get 403.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.models import Viewer
from accounts.pages import in_our_look
from accounts.requests import staff
from moderation import acts, reading, rights, sharing, undoing
from moderation.models import Role, SharedBans
from moderation.words import ACTS
from realtime.events import now_ms
from web.middleware import forbidden
from web.refusals import NotFound, Refused

SHOWN = 50
FOLDED_MIN = 3
FOLDED = frozenset(
    {
        "delete",
        "delete_question",
        "dismiss",
        "approve",
        "deny",
        "pin",
        "unpin",
        "note",
        "words",
        "rules",
        "emoji_added",
        "emoji_deleted",
        "shared_ban",
        "shared_lift",
    }
)
"""Acts that one does many of. A row of them is one line of the log, which opens."""
EFFECTS = {
    SharedBans.Effect.BAN: gettext_lazy("Who is banned there is banned here, too."),
    SharedBans.Effect.SHADOW: gettext_lazy("Who is banned there is in the shadow here."),
}


@in_our_look
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def people(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Show the people and the log; change one thing by a form."""
    viewer = staff(request)
    owner = Viewer.objects.filter(id=channel_id).first()
    if owner is None:
        raise Http404
    if not rights.may("read", channel_id, viewer):
        return forbidden(request, viewer)
    error = ""
    if request.method == "POST":
        try:
            messages.success(request, _form(request)(request, channel_id, viewer))
            return redirect(request.path if rights.may("read", channel_id, viewer) else "/")
        except Refused as refusal:
            error = refusal.translated()
    now, may, before = now_ms(), rights.offered(channel_id, viewer)["may"], _before(request)
    out_after, taken_after = _after(request, "out"), _after(request, "taken")
    kept = [] if taken_after else reading.restrictions(channel_id, viewer, out_after, SHOWN + 1)
    taken = [] if out_after else sharing.people_of(channel_id, viewer, taken_after, SHOWN + 1)
    log = reading.acts(channel_id, viewer, before, SHOWN + 1)
    shown = [_shown(act, rights.right_for(act["act"]) in may and undoing.can_undo(act, now)) for act in log[:SHOWN]]
    context = {
        "channel": owner,
        "error": error,
        "username": request.POST.get("username", ""),
        "roles": reading.roles(channel_id, viewer),
        "may_appoint": "role" in may,
        "restrictions": [{**each, "word": ACTS[each["kind"]]} for each in kept[:SHOWN]],
        "taken": [{**each, "word": ACTS[each["kind"]]} for each in taken[:SHOWN]],
        "more_out": kept[SHOWN - 1]["id"] if len(kept) > SHOWN else None,
        "more_taken": taken[SHOWN - 1]["id"] if len(taken) > SHOWN else None,
        "is_later_out": bool(out_after or taken_after),
        "shares": sharing.shares_of(channel_id, viewer),
        "may_share": "share" in may,
        "name": request.POST.get("name", ""),
        "may_lift": "lift" in may,
        "let_in": sharing.let_in_of(channel_id, viewer, 0, SHOWN),
        "acts": _folded(shown),
        "older": shown[-1]["seq"] if len(log) > SHOWN else None,
        "is_older": before is not None,
    }
    return TemplateResponse(request, "moderation/people.html", context, status=422 if error else 200)


def _before(request: HttpRequest) -> int | None:
    """Return from where the log is read, by the address. Raises Http404."""
    text = request.GET.get("before")
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Http404
    return int(text)


def _after(request: HttpRequest, name: str) -> UUID | None:
    """Return the last person of the page before, whom the address names. Raises Http404."""
    try:
        return UUID(text) if (text := request.GET.get(name)) else None
    except ValueError:
        raise Http404 from None


def _shown(act: Mapping[str, Any], may_undo: bool) -> dict[str, Any]:
    return {**act, "word": ACTS.get(act["act"], act["act"]), "text": _text_of(act), "may_undo": may_undo}


def _folded(acts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the acts, with the small ones that somebody did in a row in the first of them, as `alike`."""

    def kind(act: Mapping[str, Any]) -> tuple[Any, ...]:
        is_small = act["act"] in FOLDED and not act["may_undo"]
        return (act["act"], act["by"] and act["by"]["id"], None if is_small else act["id"])

    rows: list[dict[str, Any]] = []
    for _kind, group in groupby(acts, kind):
        first, *others = group
        rows += [{**first, "alike": [first, *others]}] if len(others) + 1 >= FOLDED_MIN else [first, *others]
    return rows


def _text_of(act: Mapping[str, Any]) -> str:
    """Return what an act was about, in the reader's language: of a role, which one it is now."""
    if act["act"] in ("bans_taken", "bans_taken_there"):
        return str(EFFECTS.get(act["text"], ""))
    if act["act"] != "role":
        return str(act["text"])
    return str(Role.Kind(act["text"]).label) if act["text"] in Role.Kind.values else _("None any more.")


def _form(request: HttpRequest) -> Callable[[HttpRequest, UUID, Viewer], str]:
    try:
        return _FORMS[request.POST.get("form", "")]
    except KeyError:
        raise Http404 from None


def _give(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> str:
    username, kind = request.POST.get("username", "").strip(), request.POST.get("role", "")
    found = Viewer.objects.filter(username__iexact=username, is_guest=False, is_active=True).first()
    if kind not in Role.Kind.values:
        raise Http404
    if found is None:
        raise NotFound(_("There is no account with this username."))
    acts.give_role(channel_id, found.id, viewer, kind)
    return _("%(name)s has the role now.") % {"name": found.name}


def _take(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> str:
    acts.take_role(channel_id, _named(request), viewer)
    return _("The role is taken away.")


def _lift(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> str:
    acts.lift(channel_id, _named(request), viewer)
    return _("They can take part again.")


def _let_in_no_more(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> str:
    sharing.let_in_no_more(channel_id, _named(request), viewer)
    return _("The bans of other channels count for them again.")


def _undo(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> str:
    undoing.undo(channel_id, _named(request), viewer)
    return _("It is taken back.")


def _share(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> str:
    other = sharing.find(request.POST.get("name", ""))
    sharing.share(channel_id, other, viewer)
    return _("The bans are offered to %(name)s. They count there when that channel takes them.") % {
        "name": Viewer.objects.get(id=other).name
    }


def _unshare(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> str:
    sharing.stop_sharing(channel_id, _named(request), viewer)
    return _("The bans are not shared any more.")


def _take_bans(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> str:
    effect = request.POST.get("effect", "")
    if effect not in SharedBans.Effect.values:
        raise Http404
    sharing.take(channel_id, _named(request), viewer, effect)
    return _("These people are kept out now.")


def _leave_bans(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> str:
    sharing.take(channel_id, _named(request), viewer, "")
    return _("These bans do not count here any more.")


def _named(request: HttpRequest) -> UUID:
    """Return the person or act that a form names. Raises Http404."""
    try:
        return UUID(request.POST.get("id", ""))
    except ValueError:
        raise Http404 from None


_FORMS: dict[str, Callable[[HttpRequest, UUID, Viewer], str]] = {
    "give": _give,
    "take": _take,
    "lift": _lift,
    "let_in_no_more": _let_in_no_more,
    "undo": _undo,
    "share": _share,
    "unshare": _unshare,
    "take_bans": _take_bans,
    "leave_bans": _leave_bans,
}
