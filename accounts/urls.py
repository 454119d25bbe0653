"""The pages of accounts, below /accounts/. django-allauth finds its own by their names."""

from __future__ import annotations

from allauth.account import views
from django.urls import path, re_path

from accounts import account_pages, throttling
from accounts.ownership import own, surely_own
from accounts.pages import in_our_look
from accounts.sign_in import SignIn, SignOut, guarded
from accounts.throttling import limited

sign_in = guarded(SignIn.as_view())


urlpatterns = [
    path("", own(account_pages.account), name="account"),
    path("login/", sign_in, name="login"),
    path("login/", sign_in, name="account_login"),
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
        in_our_look(account_pages.ConfirmEmail.as_view()),
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
        in_our_look(account_pages.NewPassword.as_view()),
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        in_our_look(views.password_reset_from_key_done),
        name="account_reset_password_from_key_done",
    ),
]
