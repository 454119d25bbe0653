"""The admin of direct messages: conversations, their members, and blocks. To look at only, never what is written."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy

from accounts.taken import namesakes
from messaging.models import Block, Conversation, Member, Message
from messaging.reading import members_of
from web.admin import uuid_of
from web.quick_lists import LookOnlyMixin, at_most, bounded_count


@admin.register(Conversation)
class ConversationAdmin(LookOnlyMixin, admin.ModelAdmin[Conversation]):
    list_display = ("shown_title", "creator", "people_count", "created_at", "active_at")
    list_select_related = ("creator",)
    sortable_by: ClassVar[tuple[str, ...]] = ()
    search_fields = ("title",)
    search_help_text = gettext_lazy("Title, or the id of a conversation or of a member.")
    fields = ("shown_title", "creator", "people", "messages_count", "created_at", "active_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        members = Member.objects.filter(conversation=OuterRef("pk"), left_at=None).values("conversation")
        people = Subquery(members.annotate(n=Count("viewer")).values("n"))
        return super().get_queryset(request).annotate(_people=people)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Conversation], search_term: str
    ) -> tuple[QuerySet[Conversation], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(Q(pk=id) | Q(pk__in=Conversation.objects.filter(members__viewer=id))), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=gettext_lazy("title"))
    def shown_title(self, conversation: Conversation) -> str:
        return format_html("<bdi>{}</bdi>", conversation)

    @admin.display(description=gettext_lazy("members"))
    def people_count(self, conversation: Any) -> int:
        return int(conversation._people or 0)

    @admin.display(description=gettext_lazy("members"))
    def people(self, conversation: Conversation) -> str:
        members = members_of([conversation.id])[conversation.id].values()
        return format_html_join(" · ", "<bdi>{}</bdi>", ((member.name,) for member in members))

    @admin.display(description=gettext_lazy("messages"))
    def messages_count(self, conversation: Conversation) -> str:
        return at_most(bounded_count(Message.objects.filter(conversation=conversation, deleted_at=None)))


@admin.register(Block)
class BlockAdmin(LookOnlyMixin, admin.ModelAdmin[Block]):
    list_display = ("blocker", "blocked", "created_at")
    list_select_related = ("blocker", "blocked")
    sortable_by: ClassVar[tuple[str, ...]] = ()
    search_fields = ("blocker",)  # in fact whole names, which have an index
    search_help_text = gettext_lazy("The whole name or the id of one of the two.")
    fields = ("blocker", "blocked", "created_at")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Block], search_term: str
    ) -> tuple[QuerySet[Block], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(Q(blocker=id) | Q(blocked=id)), False
        if not search_term:
            return queryset, False
        people = namesakes(search_term)
        return queryset.filter(Q(blocker__in=people) | Q(blocked__in=people)), False
