"""What django-allauth does differently here: who may sign up, what a guest becomes, names, passkeys, providers.

Named by the settings. django-allauth calls it in all that leads to a sign-in by its own views.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts import browsers, invitations
from accounts.browsers import described
from accounts.merging import merge
from accounts.models import Viewer
from accounts.names import clean_name
from accounts.pages import guest_on
from accounts.taken import claim, settle
from web.forms import as_form_errors
from web.refusals import Invalid


def admit(request: HttpRequest, viewer: Viewer, save: Callable[[], object]) -> None:
    """Have a viewer become an account, in the transaction of the sign-up.

    They keep their name, with a number if another account has taken it since. An invitation is used once, also by two
    at the same time.
    """
    invitation = invitations.take(request) if settings.LIVE_SIGN_UP == "invitation" else None
    if settings.LIVE_SIGN_UP == "invitation" and invitation is None:
        raise ImmediateHttpResponse(redirect("account_signup"))
    viewer.is_guest = False
    settle(viewer)
    save()
    if invitation is not None:
        invitations.use(invitation, viewer)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        if settings.LIVE_SIGN_UP == "invitation":
            return invitations.is_invited(request)
        return bool(settings.LIVE_SIGN_UP == "open")

    def clean_username(self, username: str, shallow: bool = False) -> str:
        """It is also the name that others see, so it keeps to the rule of names, and no other account has it."""
        with as_form_errors():
            claim(clean_name(username))
        return str(super().clean_username(username, shallow))

    def new_user(self, request: HttpRequest) -> Viewer:
        """Return the guest who signs up: their row becomes the account, so they lose nothing. Otherwise a new one."""
        guest = guest_on(request)
        if guest is None:
            return Viewer()
        # Locked: of two sign-ups at once by one guest the second finds an account, and makes another.
        guest = Viewer.objects.select_for_update().filter(id=guest.id, is_guest=True, is_active=True).first()
        return guest or Viewer()

    def save_user(self, request: HttpRequest, user: Viewer, form: Any, commit: bool = True) -> Viewer:
        admit(request, user, lambda: super(AccountAdapter, self).save_user(request, user, form, commit))
        return user

    def login(self, request: HttpRequest, user: Viewer) -> None:
        """Sign in, and give the account what the guest at this browser has."""
        guest = guest_on(request)
        super().login(request, user)
        request.session.set_expiry(None)  # the question for a passkey may have set one
        if guest is not None and guest.id != user.id:
            merge(guest, user)

    def logout(self, request: HttpRequest) -> None:
        """A guest stays, until they are signed in as somebody else."""
        if guest_on(request) is None:
            super().logout(request)

    def set_password(self, user: Viewer, password: str) -> None:
        """Set it, and sign the account out everywhere: the browser that asked for it is signed in again."""
        super().set_password(user, password)
        browsers.end_all(user)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return "/accounts/"

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        return "/accounts/" if self.request.user.is_authenticated else str(settings.LOGIN_URL)

    def respond_user_inactive(self, request: HttpRequest, user: Viewer) -> HttpResponse:
        self.add_message(request, messages.ERROR, message="This account is closed.")
        return redirect("account_login")

    def render_mail(self, template_prefix: str, email: str, context: dict[str, Any], *args: Any, **more: Any) -> Any:
        """Write a mail. It names the site as LIVE_URL says: a request can come with another name in `Host`."""
        if settings.LIVE_URL:
            here = self.request.build_absolute_uri("/").rstrip("/")
            context = {
                name: settings.LIVE_URL + value.removeprefix(here)
                if isinstance(value, str) and value.startswith(here)
                else value
                for name, value in context.items()
            }
            context["current_site"] = {"domain": urlsplit(settings.LIVE_URL).netloc}
        return super().render_mail(template_prefix, email, context, *args, **more)

    def send_notification_mail(
        self, template_prefix: str, user: Viewer, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """To a confirmed address: whoever has another one may not know this site."""
        confirmed = EmailAddress.objects.get_verified(user)
        if email or confirmed:
            super().send_notification_mail(template_prefix, user, context, email or confirmed.email)

    def is_reauthentication_required(self, *, app: str) -> bool:
        """Somebody who has neither password nor passkey cannot say one."""
        return bool(self.get_reauthentication_methods(self.request.user))


class PasskeyAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """A passkey is a way to sign in, and no second factor."""

    def is_mfa_enabled(self, user: Viewer, types: list[str] | None = None) -> bool:
        """Say so only to those who ask for one kind: how can this person show that it is them?"""
        return types is not None and len(types) == 1 and bool(super().is_mfa_enabled(user, types))

    def generate_authenticator_name(self, user: Viewer, type: str) -> str:
        return described(self.request.headers.get("User-Agent", ""))


class ProviderAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Sign-in at a provider of OpenID Connect. Who comes for the first time gets an account, as by sign-up."""

    def new_user(self, request: HttpRequest, sociallogin: Any) -> Viewer:
        return Viewer()

    def populate_user(self, request: HttpRequest, sociallogin: Any, data: dict[str, Any]) -> Viewer:
        """Give them the provider's name for them, if it is one that they could choose."""
        viewer: Viewer = super().populate_user(request, sociallogin, data)
        with suppress(Invalid):
            viewer.name = clean_name(data.get("name") or "")
        return viewer

    def save_user(self, request: HttpRequest, sociallogin: Any, form: Any = None) -> Viewer:
        """A guest keeps their row and their name, as by sign-up."""
        viewer: Viewer = get_adapter().new_user(request)
        if viewer.is_guest:
            viewer.username, viewer.email = sociallogin.user.username, sociallogin.user.email
            sociallogin.user = viewer
        viewer = sociallogin.user
        admit(request, viewer, lambda: super(ProviderAdapter, self).save_user(request, sociallogin, form))
        return viewer

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return "/accounts/"
