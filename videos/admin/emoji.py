"""The emoji of channels in the admin: moderators of the site look at them, and delete them."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.requests import staff
from accounts.taken import namesakes
from videos import channel_emoji
from videos.models import ChannelEmoji
from videos.rights import MODERATE
from web.admin import uuid_of
from web.quick_lists import LookOnlyMixin
from web.refusals import Refused

ACTION_MAX = 100


@admin.register(ChannelEmoji)
class ChannelEmojiAdmin(LookOnlyMixin, admin.ModelAdmin[ChannelEmoji]):
    list_display = ("picture", "code", "of_channel", "created_at")
    list_display_links = ("code",)
    list_select_related = ("owner",)
    sortable_by = ()
    search_fields = ("code",)
    search_help_text = gettext_lazy("A code, a whole name, or the id of a channel.")
    fields = ("picture", "code", "of_channel", "created_at")
    actions = ("delete_emoji",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChannelEmoji]:
        return super().get_queryset(request).defer("data")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: ChannelEmoji | None = None) -> bool:
        return super().has_view_permission(request, obj) or self.has_moderate_permission(request)

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ChannelEmoji], search_term: str
    ) -> tuple[QuerySet[ChannelEmoji], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(owner=id), False
        if not search_term:
            return queryset, False
        return queryset.filter(Q(code=search_term.strip(": ").lower()) | Q(owner__in=namesakes(search_term))), False

    @admin.display(description=gettext_lazy("picture"))
    def picture(self, emoji: ChannelEmoji) -> str:
        return format_html('<img src="{}" alt="" width="36" height="36">', channel_emoji.url_of(emoji.id))

    @admin.display(description=gettext_lazy("channel"))
    def of_channel(self, emoji: ChannelEmoji) -> str:
        return format_html("<bdi>{}</bdi>", emoji.owner)

    @admin.action(permissions=["moderate"], description=gettext_lazy("Delete the selected emoji"))
    def delete_emoji(self, request: HttpRequest, queryset: QuerySet[ChannelEmoji]) -> None:
        deleted = 0
        for emoji in self.few(request, queryset, ACTION_MAX) or []:
            try:
                channel_emoji.delete(emoji.owner_id, staff(request), emoji.code)
                deleted += 1
            except Refused as refusal:
                messages.error(request, f"{emoji}: {refusal.detail}")
        if deleted:
            said = _("The emoji are deleted.")
            messages.success(request, f"{said} ({deleted})")
