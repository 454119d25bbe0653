"""Pages that belong to one viewer: who is signed in, and what every page shows about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.guests import set_device
from accounts.models import NAME_MAX, Viewer
from accounts.requests import viewer_of_session
from realtime.edge.csrf import begin_csrf, set_csrf
from realtime.log.store import StoreUnavailable
from realtime.log.threads import backend_threads
from web.languages import prefer
from web.middleware import unavailable
from web.moments import to_ms

SHARED_SECONDS = 1.0
"""So old a page may be that is the same for many."""

P = ParamSpec("P")

PageView = Callable[Concatenate[HttpRequest, P], Coroutine[Any, Any, HttpResponse]]


def page(view: PageView[P]) -> PageView[P]:
    """Answer 503 with a page of its own while the database does not answer; GET and HEAD only."""

    @require_safe
    @wraps(view)
    async def answer(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return await view(request, *args, **kwargs)
        except StoreUnavailable:
            return unavailable(request)

    return answer


doors: dict[str, Callable[[Viewer], bool]] = {}
"""Pages that are not for everybody: name in templates -> whether to show the page. Apps add theirs at start."""


async def viewer_on(request: HttpRequest) -> Viewer | None:
    """Return the signed-in viewer, guests included, together with their permissions. Raises StoreUnavailable."""
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    viewer = await backend_threads.run(viewer_of_session, key) if key else None
    if viewer is not None:
        prefer(viewer.language)
    return viewer


def render_page(request: HttpRequest, template: str, viewer: Viewer | None, context: Mapping[str, Any]) -> HttpResponse:
    """Render a page that belongs to this viewer alone, unless it is shared (`shared`).

    Sets the CSRF cookie, which the scripts send back as X-CSRFToken. Templates get `viewer`; there is no `user`.
    """
    begin_csrf(request)
    response = render(request, template, {**_words(viewer), **context})
    response.headers["Cache-Control"] = "private, no-cache"
    set_cookies(request, response)
    return response


def set_cookies(request: HttpRequest, response: HttpResponse) -> None:
    """Set the cookies of a page. `begin_csrf` comes first."""
    set_csrf(request, response)
    set_device(request, response)


def shared(
    response: HttpResponse, viewer: Viewer | None, began_at: float, is_true: Callable[[], bool] = lambda: True
) -> HttpResponse:
    """Let everybody who has not signed in have this page (liveplatform.shared_pages), if it was made for nobody in
    particular: as long as `is_true`, and until `SHARED_SECONDS` after what it shows began to be read (monotonic).

    Nothing in it may depend on more of the request than that module knows.
    """
    if viewer is None:
        until = began_at + SHARED_SECONDS
        response.shared_while = lambda: time.monotonic() < until and is_true()  # type: ignore[attr-defined]
    return response


def shared_while(response: HttpResponse) -> Callable[[], bool] | None:
    """Return whether the page may still be given to others; None: it never may."""
    return getattr(response, "shared_while", None)


def _shown_doors(viewer: Viewer | None) -> dict[str, bool]:
    return {name: viewer is not None and is_shown(viewer) for name, is_shown in doors.items()}


def _words(viewer: Viewer | None) -> dict[str, Any]:
    """Return what every page says about its viewer."""
    return {"viewer": viewer, "name_max": NAME_MAX, "now_ms": to_ms(timezone.now()), **_shown_doors(viewer)}


# The pages that Django runs in threads, with its session and its user


def guest_on(request: HttpRequest) -> Viewer | None:
    """Return the guest who is here, if it is one."""
    who = request.user
    return who if isinstance(who, Viewer) and who.is_guest else None


def provider_name() -> str:
    """Return the name of the provider at which people can sign in, if there is one."""
    providers: Any = settings.SOCIALACCOUNT_PROVIDERS
    apps = providers["openid_connect"]["APPS"]
    return str(apps[0]["name"]) if apps else ""


def words_of(request: HttpRequest) -> dict[str, Any]:
    return _words(request.user if isinstance(request.user, Viewer) else None)


def in_our_look(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Give a view's template what every page says about its viewer. No cache keeps the page."""

    @wraps(view)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if isinstance(response, TemplateResponse):
            response.context_data = {**words_of(request), **(response.context_data or {})}
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return answer
