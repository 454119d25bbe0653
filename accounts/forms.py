"""Forms of accounts that are not django-allauth's as they are. Called by its views, and by accounts.account_pages."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm
from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import NAME_MAX, Viewer
from accounts.profiles import allowed_name, check_leaving
from web.forms import as_form_errors
from web.refusals import Refused


class SignUpForm(SignupForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].max_length = NAME_MAX
        self.fields["username"].help_text = _("Letters, digits and . _ - @ +. Others see it.")
        self.fields["email"].help_text = _("Only to send you a new password. Nobody else sees it.")
        self.fields["password1"].help_text = _("8 characters or more, and not one that many people use.")


class ProfileForm(forms.ModelForm[Viewer]):
    class Meta:
        model = Viewer
        fields = ("name",)

    def clean_name(self) -> str:
        with as_form_errors():
            return allowed_name(self.instance, self.cleaned_data["name"])


class LeavingForm(forms.Form):
    """The last word of somebody who deletes their account."""

    username = forms.CharField(label=_("Your username"), max_length=150)
    password = forms.CharField(label=_("Your password"), widget=forms.PasswordInput, required=False, strip=False)

    def __init__(self, viewer: Viewer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._viewer = viewer
        if viewer.has_usable_password():
            self.fields["password"].widget.attrs["autocomplete"] = "current-password"
        else:
            del self.fields["password"]

    def clean(self) -> None:
        given = self.cleaned_data
        try:
            check_leaving(self._viewer, given.get("username", ""), given.get("password", ""))
        except Refused as refusal:
            self.add_error(refusal.code if refusal.code in self.fields else None, refusal.detail)
