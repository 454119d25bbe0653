"""Rules and lists in the admin: of each channel, and of the whole site."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from screening.models import ChannelRules, ChannelWords, SiteWords
from web.quick_lists import QuickListMixin


@admin.register(ChannelRules)
class ChannelRulesAdmin(QuickListMixin, admin.ModelAdmin[ChannelRules]):
    ordering = ("-pk",)
    list_display = ("owner", "slow_seconds", "emoji_only", "links_off", "changed_at")
    list_select_related = ("owner",)
    search_fields = ("owner__name", "owner__username")
    raw_id_fields = ("owner",)


@admin.register(ChannelWords)
class ChannelWordsAdmin(QuickListMixin, admin.ModelAdmin[ChannelWords]):
    ordering = ("-pk",)
    list_display = ("owner", "changed_at")
    list_select_related = ("owner",)
    search_fields = ("owner__name", "owner__username")
    raw_id_fields = ("owner",)


@admin.register(SiteWords)
class SiteWordsAdmin(QuickListMixin, admin.ModelAdmin[SiteWords]):
    ordering = ("-pk",)
    list_display = ("__str__", "changed_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not SiteWords.objects.exists()
