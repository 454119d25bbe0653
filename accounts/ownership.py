"""Who may use the pages of an account: its owner, and for some only just after they have said their password.

Called by the URLs. django-allauth would repeat a form after the password. It cannot: our views of forms are coroutines.
"""

from __future__ import annotations

from functools import wraps

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.core.exceptions import ReauthenticationRequired
from django.contrib.auth.decorators import user_passes_test
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import urlencode

from accounts.models import Viewer
from accounts.pages import in_our_look
from accounts.throttling import SyncView

_has_account = user_passes_test(lambda who: isinstance(who, Viewer) and not who.is_guest)


def own(view: SyncView) -> SyncView:
    """For people with an account. Leads all others to the sign-in, where a guest may go, too."""
    return in_our_look(_has_account(view))


def surely_own(view: SyncView) -> SyncView:
    """For an owner who has said their password in the last minutes. Asks for it first."""
    checked = reauthentication_required(view)

    @wraps(view)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            response: HttpResponseBase = checked(request, *args, **kwargs)
        except ReauthenticationRequired:
            way = get_adapter().get_reauthentication_methods(request.user)[0]["url"]
            return redirect(f"{way}?{urlencode({'next': request.path})}")
        return response

    return own(answer)
