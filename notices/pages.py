"""The pages of notices: what was said to one, and how one wants to hear of things.

Called by the URLs. The list stays on the event loop; the form is served in a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from accounts.models import Viewer
from accounts.pages import page, render_page, viewer_on
from notices import choices
from notices.reading import lines
from realtime.log.threads import backend_threads

CHOICES = "/notices/choices/"
_KINDS: dict[str, tuple[str | Promise, str | Promise]] = {
    "live": (gettext_lazy("A channel goes live"), gettext_lazy("Of those that you follow with their bell.")),
    "soon": (gettext_lazy("A broadcast starts soon"), gettext_lazy("Of those that you want to be reminded of.")),
    "answer": (gettext_lazy("Somebody answers you"), ""),
    "mention": (gettext_lazy("Somebody mentions you"), gettext_lazy("With an @ and your name.")),
    "message": (gettext_lazy("Somebody writes to you"), ""),
}
_WAYS: dict[str, str | Promise] = {
    choices.SITE: gettext_lazy("On this site"),
    choices.PUSH: gettext_lazy("In your browsers"),
    choices.MAIL: gettext_lazy("By e-mail"),
    choices.TEXT: gettext_lazy("With the text"),
}


@page
async def notices(request: HttpRequest) -> HttpResponse:
    """Show who has answered or named the viewer. For nobody: how to become somebody."""
    viewer = await viewer_on(request)
    found = await backend_threads.run(lines, viewer.id) if viewer is not None else []
    return render_page(request, "notices/notices.html", viewer, {"lines": found})


@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Show how the viewer wants to hear of things, and change it."""
    viewer = request.user
    if not isinstance(viewer, Viewer):
        return redirect(f"{settings.LOGIN_URL}?next={CHOICES}")
    if request.method == "POST":
        chosen = {
            kind: {way: f"{kind}-{way}" in request.POST for way in _offered(ways, viewer)}
            for kind, ways in choices.WAYS.items()
        }
        choices.choose(viewer, chosen)
        messages.success(request, _("Saved."))
        return redirect(CHOICES)
    return TemplateResponse(request, "notices/choices.html", {"kinds": _shown(choices.read(viewer.id), viewer)})


def _offered(ways: Iterable[str], viewer: Viewer) -> list[str]:
    """Return the ways that somebody can have: a guest has no address for mail."""
    return [way for way in ways if way != choices.MAIL or not viewer.is_guest]


def _shown(chosen: dict[str, dict[str, bool]], viewer: Viewer) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "hint": hint,
            "ways": [
                {"field": f"{kind}-{way}", "name": _WAYS[way], "is_on": chosen[kind][way]}
                for way in _offered(chosen[kind], viewer)
            ],
        }
        for kind, (name, hint) in _KINDS.items()
    ]
