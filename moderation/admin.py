"""Moderation in the admin: who is kept out, what viewers report, and, to look at, the log of acts and the roles."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.requests import staff
from accounts.taken import namesakes
from moderation import acts, complaints
from moderation.models import AuditEntry, Complaint, Restriction, Role, SharedBans
from moderation.restrictions import current
from moderation.roles import SITE_MODERATOR
from moderation.words import ACTS
from web.admin import uuid_of
from web.quick_lists import LookOnlyMixin
from web.refusals import Refused

ACTION_MAX = 100


class _OfModerators(LookOnlyMixin, admin.ModelAdmin[Any]):
    """Shown to the site's moderators, besides those who may see the table."""

    sortable_by: ClassVar[tuple[str, ...]] = ()
    search_fields: ClassVar[tuple[str, ...]] = ("viewer",)  # in fact whole names, which have an index
    search_help_text = gettext_lazy("A whole name, or the id of a person or channel.")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        view = f"{self.opts.app_label}.view_{self.opts.model_name}"
        return request.user.has_perm(view) or self.has_moderate_permission(request)

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(SITE_MODERATOR)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(Q(viewer=id) | Q(channel=id)), False
        return queryset.filter(viewer__in=namesakes(search_term)) if search_term else queryset, False

    @admin.display(description=gettext_lazy("person"))
    def person(self, row: Any) -> str:
        return format_html("<bdi>{}</bdi>", row.viewer or "–")

    @admin.display(description=gettext_lazy("channel"))
    def of_channel(self, row: Any) -> str:
        return format_html("<bdi>{}</bdi>", row.channel or _("whole site"))


@admin.register(Restriction)
class RestrictionAdmin(_OfModerators):
    list_display = ("person", "kind", "of_channel", "until", "given_by", "created_at")
    list_filter = ("kind",)
    list_select_related = ("viewer", "channel", "given_by")
    fields = ("person", "kind", "of_channel", "reason", "given_by", "created_at", "until", "network_until", "lifted_at")
    actions = ("lift",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Restriction]:
        """Those that count now."""
        return current()

    @admin.action(permissions=["moderate"], description=gettext_lazy("Let the selected people in again"))
    def lift(self, request: HttpRequest, queryset: QuerySet[Restriction]) -> None:
        for restriction in self.few(request, queryset, ACTION_MAX) or []:
            try:
                acts.lift(restriction.channel_id, restriction.viewer_id, staff(request))
                messages.success(request, _("%(name)s can take part again.") % {"name": restriction.viewer})
            except Refused as refusal:
                messages.error(request, f"{restriction.viewer}: {refusal.detail}")


@admin.register(AuditEntry)
class AuditEntryAdmin(_OfModerators):
    list_display = ("word", "person", "actor", "of_channel", "created_at")
    list_select_related = ("viewer", "channel", "actor")
    fields = (
        "word",
        "person",
        "actor",
        "of_channel",
        "text",
        "reason",
        "until",
        "created_at",
        "undone_at",
        "undone_by",
    )

    @admin.display(description=gettext_lazy("act"))
    def word(self, entry: AuditEntry) -> str:
        return str(ACTS.get(entry.act, entry.act))


@admin.register(Role)
class RoleAdmin(_OfModerators):
    list_display = ("person", "kind", "of_channel", "created_at")
    list_filter = ("kind",)
    list_select_related = ("viewer", "channel")
    fields = ("person", "kind", "of_channel", "created_at")


@admin.register(SharedBans)
class SharedBansAdmin(_OfModerators):
    list_display = ("of_channel", "taker", "effect", "created_at")
    list_filter = ("effect",)
    list_select_related = ("channel", "taker")
    fields = list_display

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(Q(taker=id) | Q(channel=id)), False
        if not search_term:
            return queryset, False
        named = namesakes(search_term)
        return queryset.filter(Q(taker__in=named) | Q(channel__in=named)), False


class _StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return [
            ("open", gettext_lazy("open")),
            ("for_site", gettext_lazy("open, for the people of the site")),
            ("settled", gettext_lazy("settled")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Complaint]) -> QuerySet[Complaint]:
        match self.value():
            case "open":
                return queryset.filter(settled_at=None)
            case "for_site":
                return queryset.filter(settled_at=None, is_for_site=True)
            case "settled":
                return queryset.filter(settled_at__isnull=False)
        return queryset


@admin.register(Complaint)
class ComplaintAdmin(_OfModerators):
    list_display = ("what", "person", "reason", "remark", "by", "of_channel", "created_at", "is_settled")
    list_filter = (_StateFilter, "reason", "kind")
    list_select_related = ("viewer", "channel", "reporter")
    fields = (
        "kind",
        "what",
        "person",
        "reason",
        "remark",
        "by",
        "of_channel",
        "video_id",
        "is_for_site",
        "created_at",
        "settled_at",
    )
    actions = ("dismiss",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Complaint]:
        """Not those about oneself."""
        return Complaint.objects.exclude(viewer=request.user.pk)

    @admin.display(description=gettext_lazy("text"))
    def what(self, complaint: Complaint) -> str:
        return format_html("<bdi>{}</bdi>", complaint.text or "–")

    @admin.display(description=gettext_lazy("reported by"))
    def by(self, complaint: Complaint) -> str:
        return format_html("<bdi>{}</bdi>", complaint.reporter)

    @admin.display(description=gettext_lazy("settled"), boolean=True)
    def is_settled(self, complaint: Complaint) -> bool:
        return complaint.settled_at is not None

    @admin.action(permissions=["moderate"], description=gettext_lazy("Dismiss the selected reports"))
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Complaint]) -> None:
        """With all reports about the same thing."""
        found = self.few(request, queryset.filter(settled_at=None), ACTION_MAX) or []
        for (owner_id, about), same in {(row.channel_id, row.about): row for row in found}.items():
            try:
                complaints.dismiss(owner_id, about, staff(request), is_for_site=same.is_for_site)
                messages.success(request, _("Dismissed: %(what)s") % {"what": same})
            except Refused as refusal:
                messages.error(request, f"{same}: {refusal.detail}")
