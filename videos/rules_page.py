"""The page of a channel's rules and words, of what waits for review, and of what viewers report. It needs no script;
with one (static/js/rules/rules.js) what waits comes without a reload.

Called by the URLs. For the broadcaster, their moderators and helpers; others get 403.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from accounts.models import Viewer
from accounts.pages import in_our_look
from accounts.requests import staff
from moderation import acts, audit, complaints, rights
from moderation.models import COMPLAINT_REASONS, Restriction
from moderation.words import ALARMS
from realtime.events import now_ms
from screening import followers
from videos import alarms, channel_emoji, channel_rules, gate, held, moderation
from web.middleware import forbidden
from web.refusals import NotFound, Refused

SLOW_SECONDS = (5, 10, 30, 60, 300)
TIME_OUT_SECONDS = 600
MINUTES = (10, 60, 1_440, 10_080)


def _lasting(seconds: int) -> str:
    if seconds and seconds % 86_400 == 0:
        return ngettext("%(n)s day", "%(n)s days", seconds // 86_400) % {"n": seconds // 86_400}
    if seconds and seconds % 3_600 == 0:
        return ngettext("%(n)s hour", "%(n)s hours", seconds // 3_600) % {"n": seconds // 3_600}
    if seconds and seconds % 60 == 0:
        return ngettext("%(n)s minute", "%(n)s minutes", seconds // 60) % {"n": seconds // 60}
    return ngettext("%(n)s second", "%(n)s seconds", seconds) % {"n": seconds}


class RulesForm(forms.Form):
    """The rules as choices. A value that REST has set to something else is one of them."""

    slow_seconds = forms.TypedChoiceField(label=gettext_lazy("Slow mode"), coerce=int)
    account_minutes = forms.TypedChoiceField(
        label=gettext_lazy("Accounts"), coerce=int, empty_value=None, required=False
    )
    follow_minutes = forms.TypedChoiceField(
        label=gettext_lazy("Followers"), coerce=int, empty_value=None, required=False
    )
    emoji_only = forms.BooleanField(label=gettext_lazy("Emoji only"), required=False)
    links_off = forms.BooleanField(label=gettext_lazy("No links"), required=False)
    capitals_off = forms.BooleanField(label=gettext_lazy("No shouting in capitals"), required=False)
    repeats_off = forms.BooleanField(label=gettext_lazy("No repeating"), required=False)
    shield = forms.BooleanField(label=gettext_lazy("Attack shield: close the gate by itself"), required=False)
    raids_off = forms.BooleanField(label=gettext_lazy("Take no viewers that other channels send"), required=False)

    def __init__(self, data: Any, rules: dict[str, Any]) -> None:
        super().__init__(data, initial=rules)
        slow = {seconds: _lasting(seconds) for seconds in sorted({*SLOW_SECONDS, rules["slow_seconds"]} - {0})}
        self._offer("slow_seconds", {0: _("Off"), **slow})
        older = {n: _("Accounts older than %(time)s") % {"time": time} for n, time in _times(rules["account_minutes"])}
        self._offer("account_minutes", {"": _("Everybody"), 0: _("Accounts, no guests"), **older})
        longer = {n: _("Followers for %(time)s") % {"time": time} for n, time in _times(rules["follow_minutes"])}
        self._offer("follow_minutes", {"": _("Everybody"), 0: _("Followers"), **longer})
        if not followers.readers:
            del self.fields["follow_minutes"]
        for name, field in self.fields.items():
            if isinstance(field, forms.ChoiceField):
                field.widget.attrs["class"] = "field"
            self.fields[name].label_suffix = ""

    def _offer(self, name: str, choices: dict[Any, str]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = list(choices.items())


def _times(minutes: int | None) -> list[tuple[int, str]]:
    return [(n, _lasting(60 * n)) for n in sorted({*MINUTES, minutes or 0} - {0})]


@in_our_look
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def rules(request: HttpRequest, channel_id: UUID) -> HttpResponse:
    """Show rules, words and what waits; change one of them by a form."""
    viewer = staff(request)
    owner = Viewer.objects.filter(id=channel_id).first()
    if owner is None:
        raise Http404
    if not rights.may("review", channel_id, viewer):
        return forbidden(request, viewer)
    form, error, words = None, "", None
    if request.method == "POST":
        try:
            form = _FORMS[request.POST.get("form", "")](request, channel_id, viewer)
        except KeyError:
            raise Http404 from None
        except Refused as refusal:
            if request.POST["form"] != "words":
                messages.info(request, refusal.translated())
                return redirect(request.path)
            error = refusal.detail
            words = {name: request.POST.get(name, "") for name in ("refused", "held")}
        if form is None and not error:
            return redirect(request.path)
    may_rule = rights.may("rules", channel_id, viewer)
    context = {
        "channel": owner,
        "may_rule": may_rule,
        "form": (form or RulesForm(None, channel_rules.rules_of(channel_id))) if may_rule else None,
        "words": words or (channel_rules.words_of(channel_id, viewer) if may_rule else {}),
        "words_error": error,
        "emoji": channel_emoji.urls_of(channel_id) if may_rule else {},
        "emoji_code": channel_emoji.CODE,
        "gate_until_ms": _closed_until_ms(channel_id),
        "alarm": _alarm_in_words(channel_id),
        "minutes": gate.MINUTES,
        "back_minutes": gate.BACK_MINUTES,
        "held": held.HeldPart().load(channel_id)["held"],
        "reported": [
            {**each, "words": [(COMPLAINT_REASONS[name], count) for name, count in each["reasons"].items()]}
            for each in complaints.reported_in(channel_id, viewer)
        ],
        "may_ban": rights.may("ban", channel_id, viewer),
    }
    return TemplateResponse(request, "videos/studio/rules.html", context, status=422 if form or error else 200)


def _closed_until_ms(channel_id: UUID) -> int | None:
    known = gate.gate_of(channel_id)
    return known["until_ms"] if known is not None and known["until_ms"] > now_ms() else None


def _alarm_in_words(channel_id: UUID) -> dict[str, Any] | None:
    """Return what was noticed, `{"at_ms", "words"}`, for a day."""
    found = alarms.alarm_of(channel_id)
    if found is None or found["at_ms"] < now_ms() - 86_400_000:
        return None
    return {"at_ms": found["at_ms"], "words": str(ALARMS[found["kind"]]).format(**found)}


def _set_rules(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> RulesForm | None:
    form = RulesForm(request.POST, channel_rules.rules_of(channel_id))
    if not form.is_valid():
        return form
    channel_rules.set_rules(channel_id, viewer, form.cleaned_data)
    messages.success(request, _("The rules are changed. They bind the next comment."))
    return None


def _set_words(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    texts = {name: request.POST.get(name, "").replace("\r\n", "\n") for name in ("refused", "held")}
    channel_rules.set_words(channel_id, viewer, **texts)
    messages.success(request, _("The words are changed. They bind the next comment."))


def _approve(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    video_id, held_id = _named(request)
    if not audit.has_done(channel_id, "approve", actor=viewer, about=held_id):
        held.approve(video_id, held_id, viewer)
    messages.success(request, _("It is published."))


def _deny(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    video_id, held_id = _named(request)
    if not audit.has_done(channel_id, "deny", actor=viewer, about=held_id):
        held.deny(video_id, held_id, viewer)
    messages.success(request, _("It is thrown away."))


def _dismiss(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    about = _id_in(request, "reported")
    try:
        complaints.dismiss(channel_id, about, viewer)
    except NotFound:
        if not audit.has_done(channel_id, "dismiss", actor=viewer, about=about):
            raise
    messages.success(request, _("It stays as it is."))


def _delete(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    try:
        delete = moderation.deleters[request.POST.get("kind", "")]
    except KeyError:
        raise Http404 from None
    delete(_id_in(request, "video"), _id_in(request, "reported"), viewer)
    messages.success(request, _("It is deleted."))


def _time_out(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    acts.restrict(
        channel_id, _id_in(request, "person"), viewer, kind=Restriction.Kind.TIME_OUT, seconds=TIME_OUT_SECONDS
    )
    messages.success(request, _("They have a time-out."))


def _ban(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    acts.restrict(channel_id, _id_in(request, "person"), viewer, kind=Restriction.Kind.BAN)
    messages.success(request, _("They are banned."))


def _close(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    deleted = gate.close(channel_id, viewer)[1]
    said = ngettext("%(n)s comment is deleted.", "%(n)s comments are deleted.", deleted) % {"n": deleted}
    messages.success(request, f"{_('The gate is closed.')} {said}")


def _open(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    gate.open_again(channel_id, viewer)
    messages.success(request, _("The gate is open."))


def _delete_emoji(request: HttpRequest, channel_id: UUID, viewer: Viewer) -> None:
    code = request.POST.get("code", "")
    try:
        channel_emoji.delete(channel_id, viewer, code)
    except NotFound:
        if not audit.has_done(channel_id, "emoji_deleted", text=f":{code}:"):
            raise Http404 from None
    messages.success(request, _("The emoji is deleted."))


def _named(request: HttpRequest) -> tuple[UUID, UUID]:
    """Return the video and what is held, as a form names them. Raises Http404."""
    return _id_in(request, "video"), _id_in(request, "comment")


def _id_in(request: HttpRequest, name: str) -> UUID:
    """Return the id in a field of a form. Raises Http404."""
    try:
        return UUID(request.POST.get(name, ""))
    except ValueError:
        raise Http404 from None


_FORMS: dict[str, Callable[[HttpRequest, UUID, Viewer], RulesForm | None]] = {
    "rules": _set_rules,
    "words": _set_words,
    "delete_emoji": _delete_emoji,
    "close": _close,
    "open": _open,
    "approve": _approve,
    "deny": _deny,
    "dismiss": _dismiss,
    "delete": _delete,
    "time_out": _time_out,
    "ban": _ban,
}
