"""The language that an account, or a guest, has chosen: kept with them, it goes before that of the browser.

Called by the URLs (the switch in the foot of pages), the settings (the middleware of Django's pages) and the API.
What the language of an answer is otherwise: web.languages.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.models import Viewer
from realtime.log.outages import is_outage
from web.languages import CODES, prefer, remember


def choose(viewer: Viewer, language: str) -> None:
    """Keep the language, one of the site's, for this viewer; "" for that of each browser."""
    viewer.language = language
    viewer.save(update_fields=["language"])


def of_account(answer: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """The middleware of Django's pages, after that which finds the user."""

    def answer_in_their_language(request: HttpRequest) -> HttpResponse:
        try:
            if isinstance(request.user, Viewer):
                prefer(request.user.language)
        except Exception as error:
            if not is_outage(error):  # the view says so, in the browser's language
                raise
        return answer(request)

    return answer_in_their_language


@csrf_exempt  # nobody has a token on a page without a viewer; the Origin that browsers send is proof enough
@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Choose the language, by the switch in the foot of a page, and go back to that page."""
    language, back = request.POST.get("language", ""), request.POST.get("next", "/")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = "/"
    response = redirect(back)
    response.headers["Cache-Control"] = "no-store"
    if language in CODES and _is_own_page(request):
        remember(response, language)
        if isinstance(request.user, Viewer):
            choose(request.user, language)
    return response


def _is_own_page(request: HttpRequest) -> bool:
    origin = request.headers.get("Origin")
    return origin in (None, f"{request.scheme}://{request.get_host()}", *settings.LIVE_ORIGINS)
