"""The pages of accounts, below /accounts/. django-allauth finds its own by their names."""

from __future__ import annotations

from allauth.account import views
from allauth.mfa.webauthn import views as passkeys
from allauth.socialaccount import views as connections
from allauth.socialaccount.providers.openid_connect import views as provider
from django.urls import path, re_path

from accounts import account_pages, throttling
from accounts.account_pages import at_provider
from accounts.languages import switch
from accounts.ownership import own, surely_own
from accounts.pages import in_our_look
from accounts.sign_in import SignIn, SignOut, guarded
from accounts.throttling import limited

sign_in = guarded(SignIn.as_view())


urlpatterns = [
    path("", own(account_pages.account), name="account"),
    path("login/", sign_in, name="login"),
    path("login/", sign_in, name="account_login"),
    path("language/", switch, name="language"),
    path("logout/", SignOut.as_view(), name="logout"),
    path("signup/", limited(in_our_look(account_pages.SignUp.as_view()), throttling.sign_up), name="account_signup"),
    path("browsers/<int:browser_id>/end/", own(account_pages.end_browser), name="end_browser"),
    path("leave/", limited(own(account_pages.leave), throttling.guess, is_guess=True), name="leave"),
    path(
        "reauthenticate/",
        limited(own(views.reauthenticate), throttling.guess, is_guess=True),
        name="account_reauthenticate",
    ),
    path("email/", limited(surely_own(views.email), throttling.mail), name="account_email"),
    re_path(
        r"^confirm-email/(?P<key>[-:\w]+)/$",
        in_our_look(views.confirm_email),
        name="account_confirm_email",
    ),
    path(
        "password/change/",
        limited(own(views.password_change), throttling.guess, is_guess=True),
        name="account_change_password",
    ),
    path("password/set/", surely_own(views.password_set), name="account_set_password"),
    path("password/reset/", limited(in_our_look(views.password_reset), throttling.mail), name="account_reset_password"),
    path("password/reset/sent/", in_our_look(account_pages.ResetSent.as_view()), name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        in_our_look(views.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        in_our_look(views.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
    path("", own(account_pages.account), name="mfa_index"),
    path("", own(account_pages.account), name="mfa_list_webauthn"),
    path(
        "passkeys/login/",
        limited(account_pages.PasskeySignIn.as_view(), throttling.passkey, methods=("GET", "POST")),
        name="mfa_login_webauthn",
    ),
    path("passkeys/add/", surely_own(passkeys.add_webauthn), name="mfa_add_webauthn"),
    path("passkeys/<int:pk>/remove/", surely_own(passkeys.remove_webauthn), name="mfa_remove_webauthn"),
    path(
        "reauthenticate/passkey/",
        limited(own(passkeys.reauthenticate_webauthn), throttling.guess, is_guess=True),
        name="mfa_reauthenticate_webauthn",
    ),
    path(
        "oidc/<slug:provider_id>/login/",
        limited(in_our_look(at_provider(provider.login)), throttling.guess),
        name="openid_connect_login",
    ),
    path(
        "oidc/<slug:provider_id>/login/callback/",
        limited(in_our_look(at_provider(provider.callback)), throttling.guess),
        name="openid_connect_callback",
    ),
    path(
        "connections/", limited(surely_own(connections.connections), throttling.guess), name="socialaccount_connections"
    ),
    path("oidc/cancelled/", in_our_look(connections.login_cancelled), name="socialaccount_login_cancelled"),
    path("oidc/error/", in_our_look(connections.login_error), name="socialaccount_login_error"),
]
