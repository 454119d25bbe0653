"""Forms of accounts that are not django-allauth's as they are. Called by its views, and by accounts.account_pages."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import SignupForm
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import NAME_MAX, Viewer
from accounts.names import clean_name
from web.refusals import Invalid


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
        try:
            return clean_name(self.cleaned_data["name"])
        except Invalid as error:
            if error.code == "reserved" and self.instance.is_staff:
                return str(self.cleaned_data["name"])
            raise ValidationError(error.detail, code=error.code) from error
