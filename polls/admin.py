"""The admin of boards: polls, viewers' questions, announcements and raids, to look at; and to close and take away,
through acts that publish it.
"""

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
from polls import announcements, goals, polls, questions, raids
from polls.models import Announcement, Goal, Poll, Question, Raid
from videos.rights import MODERATE
from web.admin import uuid_of
from web.quick_lists import LookOnlyMixin
from web.refusals import Refused

ACTION_MAX = 100


class _OfBoards(LookOnlyMixin, admin.ModelAdmin[Any]):
    """Shown to the site's moderators, besides those who may see the table."""

    list_select_related: ClassVar[tuple[str, ...]] = ("video",)
    sortable_by: ClassVar[tuple[str, ...]] = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or self.has_moderate_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm(f"polls.view_{self.opts.model_name}") or self.has_moderate_permission(request)

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(self.with_id(id)), False
        return super().get_search_results(request, queryset, search_term)

    def with_id(self, id: UUID) -> Q:
        return Q(video=id)

    def carry_out(self, request: HttpRequest, chosen: QuerySet[Any], act: Callable[[Any, Viewer], object]) -> None:
        """Do the act to each chosen row, and say how many it was done to."""
        done = 0
        for row in self.few(request, chosen, ACTION_MAX) or []:
            try:
                act(row, staff(request))
                done += 1
            except Refused as refusal:
                messages.error(request, refusal.detail)
        messages.success(request, _("Done: %(count)d.") % {"count": done})


@admin.register(Poll)
class PollAdmin(_OfBoards):
    list_display = ("shown_question", "state", "video", "votes_count", "opened_at")
    search_fields = ("question",)
    search_help_text = gettext_lazy("Words of the question, or the id of a poll or video.")
    fields = ("shown_question", "state", "video", "opener", "result", "opened_at", "ends_at", "withdrawn_at")
    actions = ("close", "withdraw")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Poll]:
        rows: QuerySet[Poll] = super().get_queryset(request)
        return rows.annotate(_votes=Sum("options__votes"))

    def with_id(self, id: UUID) -> Q:
        return Q(pk=id) | Q(video=id)

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
        self.carry_out(request, chosen, lambda poll, actor: polls.close_poll(poll.video_id, poll.id, actor))

    @admin.action(description=gettext_lazy("Withdraw"), permissions=["moderate"])
    def withdraw(self, request: HttpRequest, chosen: QuerySet[Poll]) -> None:
        self.carry_out(request, chosen, lambda poll, actor: polls.withdraw_poll(poll.video_id, poll.id, actor))


@admin.register(Question)
class QuestionAdmin(_OfBoards):
    list_display = ("shown_body", "state", "shown_author", "video", "votes_count", "asked_at")
    list_select_related = ("video", "author")
    search_fields = ("body",)
    search_help_text = gettext_lazy("Words of the question, or the id of its video or author.")
    fields = (
        "shown_body",
        "state",
        "shown_author",
        "video",
        "votes_count",
        "asked_at",
        "answering_at",
        "answered_at",
        "deleted_at",
    )
    actions = ("delete_them",)

    def with_id(self, id: UUID) -> Q:
        return Q(video=id) | Q(author=id)

    @admin.display(description=gettext_lazy("question"))
    def shown_body(self, question: Question) -> str:
        return format_html("<bdi>{}</bdi>", question.body)

    @admin.display(description=gettext_lazy("state"))
    def state(self, question: Question) -> str:
        if question.deleted_at is not None:
            return format_html('<span class="state deleted">{}</span>', _("deleted"))
        return {"open": _("waits"), "answering": _("is being answered"), "answered": _("answered")}[question.state]

    @admin.display(description=gettext_lazy("author"))
    def shown_author(self, question: Question) -> str:
        return format_html("<bdi>{}</bdi>", question.author)

    @admin.display(description=gettext_lazy("votes"))
    def votes_count(self, question: Question) -> str:
        return f"{question.votes:,}"

    @admin.action(description=gettext_lazy("Delete"), permissions=["moderate"])
    def delete_them(self, request: HttpRequest, chosen: QuerySet[Question]) -> None:
        self.carry_out(request, chosen, lambda row, actor: questions.delete(row.video_id, row.id, actor))


@admin.register(Announcement)
class AnnouncementAdmin(_OfBoards):
    list_display = ("shown_text", "state", "video", "author", "made_at")
    list_select_related = ("video", "author")
    search_fields = ("text",)
    search_help_text = gettext_lazy("Words of the text, or the id of a video.")
    fields = ("shown_text", "state", "video", "author", "made_at", "ended_at")
    actions = ("take_away",)

    @admin.display(description=gettext_lazy("text"))
    def shown_text(self, made: Announcement) -> str:
        return format_html("<bdi>{}</bdi>", made.text)

    @admin.display(description=gettext_lazy("state"))
    def state(self, made: Announcement) -> str:
        return _("on the board") if made.ended_at is None else _("taken away")

    @admin.action(description=gettext_lazy("Take away"), permissions=["moderate"])
    def take_away(self, request: HttpRequest, chosen: QuerySet[Announcement]) -> None:
        """Those on a board; the others are gone already."""
        shown = chosen.filter(ended_at=None)
        self.carry_out(request, shown, lambda made, actor: announcements.take_away(made.video_id, actor))


@admin.register(Goal)
class GoalAdmin(_OfBoards):
    list_display = ("video", "kind", "target", "shown_title", "set_at", "reached_at")
    search_fields = ("title",)
    search_help_text = gettext_lazy("Words of the title, or the id of a video.")
    fields = ("video", "kind", "target", "shown_title", "set_at", "reached_at")
    actions = ("take_away",)

    @admin.display(description=gettext_lazy("what happens then"))
    def shown_title(self, goal: Goal) -> str:
        return format_html("<bdi>{}</bdi>", goal.title or "–")

    @admin.action(description=gettext_lazy("Take away"), permissions=["moderate"])
    def take_away(self, request: HttpRequest, chosen: QuerySet[Goal]) -> None:
        self.carry_out(request, chosen, lambda goal, actor: goals.take_goal_away(goal.video_id, actor, goal.kind))


@admin.register(Raid)
class RaidAdmin(_OfBoards):
    list_display = ("shown_name", "shown_target", "viewers", "at")
    ordering = ("-at",)
    search_fields = ("name", "target_name")
    search_help_text = gettext_lazy("A name, or the id of a video.")
    fields = ("video", "shown_name", "shown_target", "viewers", "at", "leaves_at")
    actions = ("call_off",)

    def with_id(self, id: UUID) -> Q:
        return Q(video=id) | Q(target_id=id)

    @admin.display(description=gettext_lazy("broadcaster"))
    def shown_name(self, made: Raid) -> str:
        return format_html("<bdi>{}</bdi>", made.name)

    @admin.display(description=gettext_lazy("to"))
    def shown_target(self, made: Raid) -> str:
        return format_html("<bdi>{}</bdi>: <bdi>{}</bdi>", made.target_name, made.target_title)

    @admin.action(description=gettext_lazy("Call off"), permissions=["moderate"])
    def call_off(self, request: HttpRequest, chosen: QuerySet[Raid]) -> None:
        self.carry_out(request, chosen, lambda made, actor: raids.call_off(made.video_id, actor))
