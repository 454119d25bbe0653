"""The proof that a request with a session was meant by the person whose session it is (OWASP: CSRF).

Called by the platform's calls (realtime.api), and by a site for its own. A bearer token needs no such proof: no
browser sends one by itself.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, rotate_token

from realtime.edge.handshake import Refusal


def _no_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


_csrf = CsrfViewMiddleware(_no_view)


def check_csrf(request: HttpRequest) -> None:
    """Check the CSRF token and the origin of a request that a session vouches for. Raises Refusal.

    A page of a listed origin cannot read the token's cookie; the Origin that its browser says is proof enough.
    """
    if request.headers.get("Origin") in settings.LIVE_ORIGINS:
        return
    _csrf.process_request(request)
    if _csrf.process_view(request, _no_view, (), {}) is not None:
        raise Refusal(403, "csrf", "Send the csrftoken cookie's value as X-CSRFToken, from a page of this site.")


def begin_csrf(request: HttpRequest) -> None:
    """Make the page's CSRF token that of the cookie, or a new one; `set_csrf` puts it on the response.

    Not by Django's get_token: it also makes the text for a form, which few pages have.
    """
    _csrf.process_request(request)
    if "CSRF_COOKIE" in request.META:
        request.META["CSRF_COOKIE_NEEDS_UPDATE"] = True  # it lasts longer, as with get_token
    else:
        rotate_token(request)


def set_csrf(request: HttpRequest, response: HttpResponse) -> None:
    """Put the cookie on the response that scripts send back as X-CSRFToken."""
    _csrf.process_response(request, response)
