"""The admin of polls: to look at, with their votes; to close and to withdraw, through acts that publish it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Model, Q, QuerySet, Sum
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Viewer
from accounts.requests import staff
from polls import polls
from polls.models import Poll
from videos.rights import MODERATE
from web.admin import uuid_of
from web.quick_lists import LookOnlyMixin
from web.refusals import Refused

ACTION_MAX = 100


@admin.register(Poll)
class PollAdmin(LookOnlyMixin, admin.ModelAdmin[Poll]):
    list_display = ("shown_question", "state", "video", "votes_count", "opened_at")
    list_select_related = ("video",)
    sortable_by: ClassVar[tuple[str, ...]] = ()
    search_fields = ("question",)
    search_help_text = gettext_lazy("Words of the question, or the id of a poll or video.")
    fields = ("shown_question", "state", "video", "opener", "result", "opened_at", "ends_at", "withdrawn_at")
    actions = ("close", "withdraw")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or self.has_moderate_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("polls.view_poll") or self.has_moderate_permission(request)

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Poll]:
        return super().get_queryset(request).annotate(_votes=Sum("options__votes"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Poll], search_term: str
    ) -> tuple[QuerySet[Poll], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(Q(pk=id) | Q(video=id)), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=gettext_lazy("question"))
    def shown_question(self, poll: Poll) -> str:
        return format_html("<bdi>{}</bdi>", poll.question)

    @admin.display(description=gettext_lazy("state"))
    def state(self, poll: Poll) -> str:
        if poll.withdrawn_at is not None:
            return format_html('<span class="state deleted">{}</span>', _("withdrawn"))
        return _("open") if poll.is_open else _("over")

    @admin.display(description=gettext_lazy("votes"))
    def votes_count(self, poll: Any) -> str:
        return f"{poll._votes or 0:,}"

    @admin.display(description=gettext_lazy("result"))
    def result(self, poll: Poll) -> str:
        rows = ((option.text, f"{option.votes:,}") for option in poll.options.order_by("place"))
        return format_html_join("", "<div><bdi>{}</bdi>: {}</div>", rows)

    @admin.action(description=gettext_lazy("Close"), permissions=["moderate"])
    def close(self, request: HttpRequest, chosen: QuerySet[Poll]) -> None:
        self._act(request, chosen, polls.close_poll)

    @admin.action(description=gettext_lazy("Withdraw"), permissions=["moderate"])
    def withdraw(self, request: HttpRequest, chosen: QuerySet[Poll]) -> None:
        self._act(request, chosen, polls.withdraw_poll)

    def _act(self, request: HttpRequest, chosen: QuerySet[Poll], act: Callable[[UUID, UUID, Viewer], object]) -> None:
        done = 0
        for video_id, poll_id in list(chosen.values_list("video_id", "pk")[:ACTION_MAX]):
            try:
                act(video_id, poll_id, staff(request))
                done += 1
            except Refused as refusal:
                messages.error(request, refusal.detail)
        messages.success(request, _("Done: %(count)d.") % {"count": done})
