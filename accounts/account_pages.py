"""The pages of one's own account: sign-up, name, password and e-mail address, and where it is signed in.

Called by the URLs. What is not here is a view of django-allauth, with our templates (templates/account/).
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import Any

import requests
from allauth.account import views
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.views import LoginWebAuthnView
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts import browsers, invitations, outbox, portraits, removal
from accounts.forms import LeavingForm, ProfileForm
from accounts.models import Viewer
from accounts.pages import guest_on, provider_name
from accounts.requests import staff
from accounts.throttling import SyncView
from web.refusals import NotFound

logger = logging.getLogger(__name__)
ACCOUNT = "/accounts/"
QUESTION_SECONDS = 600  # for which nobody's session keeps what a passkey must answer


class SignUp(views.SignupView):  # type: ignore[misc]
    """For people without an account. A guest becomes one."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, Viewer) and not request.user.is_guest:
            return redirect(ACCOUNT)
        invitations.keep(request)
        response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "guest": guest_on(self.request), "provider": provider_name()}

    def closed(self) -> HttpResponse:
        words = {"by_invitation": settings.LIVE_SIGN_UP == "invitation"}
        return TemplateResponse(self.request, self.template_name_signup_closed, words, status=403)


class PasskeySignIn(LoginWebAuthnView):  # type: ignore[misc]
    """Asks for a passkey, and signs in with it."""

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase = super().get(request, *args, **kwargs)
        if not request.user.is_authenticated:
            request.session.set_expiry(QUESTION_SECONDS)
        return response


class ResetSent(views.PasswordResetDoneView):  # type: ignore[misc]
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context_data(**kwargs), "mail_is_late": outbox.is_late()}


def at_provider(view: SyncView) -> SyncView:
    """Have a page say that the provider of OpenID Connect is away. django-allauth says so only of some of its calls."""

    @wraps(view)
    def answer(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except requests.RequestException as error:
            logger.warning("the provider of OpenID Connect does not answer: %s", type(error).__name__)
            return TemplateResponse(request, "socialaccount/authentication_error.html", status=503)

    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@transaction.atomic
def account(request: HttpRequest) -> HttpResponse:
    """Show the account, and change its name."""
    viewer = staff(request)
    form = ProfileForm(request.POST if request.method == "POST" else None, instance=viewer)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Your name is changed. What you write from now on carries it."))
        return redirect(ACCOUNT)
    if form.errors:
        viewer.refresh_from_db(fields=["name"])
    addresses = list(EmailAddress.objects.filter(user=viewer).order_by("-verified", "-id"))
    context = {
        "form": form,
        "account": viewer,
        "addresses": addresses,
        "mail_is_late": any(not address.verified for address in addresses) and outbox.is_late(),
        "portrait": portraits.path_of(viewer.id),
        "connections": SocialAccount.objects.filter(user=viewer).order_by("id"),
        "provider": provider_name(),
        "passkeys": Authenticator.objects.filter(user=viewer).order_by("id"),
        "browsers": _shown_browsers(request, viewer),
    }
    return TemplateResponse(request, "account/account.html", context)


def _shown_browsers(request: HttpRequest, viewer: Viewer) -> list[dict[str, Any]]:
    mine = request.session.session_key
    return [
        {
            "id": browser.id,
            "name": browsers.described(browser.agent),
            "address": browser.address,
            "began_at": browser.began_at,
            "is_this": browser.session_key == mine,
        }
        for browser in browsers.browsers_with_this(request, viewer)
    ]


@require_POST
def end_browser(request: HttpRequest, browser_id: int) -> HttpResponse:
    """Sign the account out in one browser."""
    try:
        browsers.end(staff(request), browser_id)
        messages.success(request, _("That browser is signed out."))
    except NotFound as refusal:
        messages.info(request, refusal.detail)
    return redirect(ACCOUNT)


@require_http_methods(["GET", "HEAD", "POST"])
def leave(request: HttpRequest) -> HttpResponse:
    """Delete the account, after its owner has said that they mean it."""
    viewer = staff(request)
    form = LeavingForm(viewer, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        removal.ask_for_erasure(viewer)
        logout(request)
        messages.success(request, _("Your account is being deleted, with all that it had. Good-bye."))
        return redirect(settings.LOGIN_URL)
    return TemplateResponse(request, "account/leave.html", {"form": form})
