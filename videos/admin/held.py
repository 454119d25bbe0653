"""Comments that wait for a moderator, in the admin: to approve or to deny."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Viewer
from accounts.requests import staff
from videos import held
from videos.models import HeldComment
from videos.rights import MODERATE
from web.quick_lists import QuickListMixin
from web.refusals import Refused

ACTION_MAX = 100


@admin.register(HeldComment)
class HeldCommentAdmin(QuickListMixin, admin.ModelAdmin[HeldComment]):
    list_display = ("text", "kind", "reason", "author", "video", "created_at")
    list_select_related = ("author", "video")
    sortable_by = ()
    actions = ("approve", "deny")
    readonly_fields = ("body", "kind", "reason", "author", "video", "reply_to", "created_at")
    fields = readonly_fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: HeldComment | None = None) -> bool:
        """`deny` does it, and writes it down."""
        return False

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    @admin.display(description=gettext_lazy("text"))
    def text(self, comment: HeldComment) -> str:
        return format_html("<bdi>{}</bdi>", comment)

    @admin.action(permissions=["moderate"], description=gettext_lazy("Approve what is selected"))
    def approve(self, request: HttpRequest, queryset: QuerySet[HeldComment]) -> None:
        self._decide(request, queryset, held.approve, _("Approved."))

    @admin.action(permissions=["moderate"], description=gettext_lazy("Deny what is selected"))
    def deny(self, request: HttpRequest, queryset: QuerySet[HeldComment]) -> None:
        self._decide(request, queryset, held.deny, _("Denied."))

    def _decide(
        self,
        request: HttpRequest,
        queryset: QuerySet[HeldComment],
        decide: Callable[[UUID, UUID, Viewer], Any],
        done: str,
    ) -> None:
        decided = 0
        for comment in reversed(self.few(request, queryset, ACTION_MAX) or []):  # the oldest first
            try:
                decide(comment.video_id, comment.pk, staff(request))
                self.log_change(request, comment, done)
                decided += 1
            except Refused as refusal:
                messages.error(request, f"{comment}: {refusal.detail}")
        if decided:
            messages.success(request, f"{done} ({decided})")
