"""Channels in the admin: to look at, to find, and to mend what a broadcaster says of themselves."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy

from accounts.requests import staff
from following.acts import describe
from following.models import Channel
from following.reading import channel_path
from following.text import clean_about, clean_handle
from web.admin import uuid_of
from web.forms import as_form_errors
from web.quick_lists import QuickListMixin


class ChannelForm(forms.ModelForm[Channel]):
    """What people type, by the same rules as over REST."""

    def clean_handle(self) -> str | None:
        with as_form_errors():
            return clean_handle(self.cleaned_data["handle"] or "")

    def clean_about(self) -> str:
        with as_form_errors():
            return clean_about(self.cleaned_data["about"])


@admin.register(Channel)
class ChannelAdmin(QuickListMixin, admin.ModelAdmin[Channel]):
    form = ChannelForm
    list_display = ("shown_owner", "handle", "followers")
    list_select_related = ("owner",)
    ordering: ClassVar[Any] = ("-owner_id",)
    sortable_by: ClassVar[tuple[str, ...]] = ()
    search_fields = ("handle",)
    search_help_text = gettext_lazy("Handle, or the id of a broadcaster.")
    fields = ("shown_owner", "handle", "about", "followers")
    readonly_fields = ("shown_owner", "followers")

    @admin.display(description=gettext_lazy("broadcaster"))
    def shown_owner(self, channel: Channel) -> str:
        return format_html("<bdi>{}</bdi>", channel.owner.name)

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        describe(obj.owner_id, staff(request), handle=obj.handle or "", about=obj.about)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Channel | None = None) -> bool:
        return False

    def view_on_site(self, obj: Channel) -> str:
        return channel_path(obj.owner_id, obj.handle)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Channel], search_term: str
    ) -> tuple[QuerySet[Channel], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(pk=id), False
        return super().get_search_results(request, queryset, search_term)
