"""Comments in the admin: to look at, to pin, to delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Viewer
from accounts.requests import staff
from accounts.taken import namesakes
from videos import moderation, removal
from videos.models import Comment, Video
from videos.rights import MODERATE
from web.admin import HasTools, tool, uuid_of
from web.quick_lists import QuickListMixin, found_by
from web.refusals import Refused
from web.searching import has_words

ACTION_MAX_VIDEOS = 50
ACTION_MAX_COMMENTS = 2_000
BODY_SHOWN = 120
WORDS = "videos_comment.body"


class StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("shown", _("Shown")), ("pinned", _("Pinned")), ("deleted", _("Deleted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Comment]) -> QuerySet[Comment]:
        match self.value():
            case "shown":
                return queryset.filter(deleted_at=None)
            case "pinned":
                return queryset.filter(pinned_at__isnull=False)
            case "deleted":
                return queryset.filter(deleted_at__isnull=False)
        return queryset


class OneVideoFilter(admin.SimpleListFilter):
    """The comments of one video; reached by links, so that it lists no other."""

    title = gettext_lazy("video")
    parameter_name = "video"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        id = uuid_of(request.GET.get(self.parameter_name, ""))
        video = Video.objects.filter(pk=id).first() if id is not None else None
        return [(str(video.pk), video.title)] if video is not None else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Comment]) -> QuerySet[Comment]:
        if self.value() is None:
            return queryset
        # By the index that the video's comments have.
        return queryset.filter(video=uuid_of(str(self.value()))).order_by("-seq")


@admin.register(Comment)
class CommentAdmin(HasTools, QuickListMixin, admin.ModelAdmin[Comment]):
    """Comments are written by viewers. Here they are deleted and pinned; a deleted one stays, marked."""

    change_form_template = "admin/videos/change_form.html"
    list_display = ("text", "state", "author", "video", "created_at")
    list_filter = (StateFilter, OneVideoFilter)
    list_select_related = ("author", "video")
    sortable_by = ()
    search_fields = ("body",)  # in fact what an index has: WORDS
    search_help_text = gettext_lazy("Words of the comment, a whole name, or the id of a comment, viewer or video.")
    actions = ("delete_comments", "pin", "unpin")
    FIELDS = ("whole_text", "before", "state", "author", "video", "answers")
    DETAILS = ("created_at", "deleted_at", "pinned_at", "seq", "client_id", "id")
    readonly_fields = FIELDS + DETAILS
    fieldsets = ((None, {"fields": FIELDS}), (gettext_lazy("Details"), {"fields": DETAILS}))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Comment | None = None) -> bool:
        """Rows are not deleted here: `delete_comments` takes the comment from the viewers and keeps it for us."""
        return False

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Comment], search_term: str
    ) -> tuple[QuerySet[Comment], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(pk=id) | queryset.filter(author=id) | queryset.filter(video=id), False
        if not search_term:
            return queryset, False
        return found_by(queryset, Q(has_words(WORDS, search_term)) | Q(author__in=namesakes(search_term))), False

    @admin.display(description=gettext_lazy("comment"))
    def text(self, comment: Comment) -> str:
        cut = comment.body if len(comment.body) <= BODY_SHOWN else f"{comment.body[:BODY_SHOWN]}…"
        return format_html('<bdi class="{}">{}</bdi>', "struck" if comment.deleted_at else "", cut)

    @admin.display(description=gettext_lazy("comment"))
    def whole_text(self, comment: Comment) -> str:
        return format_html('<bdi class="body">{}</bdi>', comment.body)

    @admin.display(description=gettext_lazy("said before"), empty_value="-")
    def before(self, comment: Comment) -> str:
        said = comment.versions.order_by("id").values_list("body")
        return format_html_join("", '<p><bdi class="body">{}</bdi></p>', said)

    @admin.display(description=gettext_lazy("state"))
    def state(self, comment: Comment) -> str:
        if comment.deleted_at is not None:
            return format_html('<span class="state deleted">{}</span>', _("deleted"))
        if comment.pinned_at is not None:
            return format_html('<span class="state pinned">{}</span>', _("pinned"))
        return _("shown")

    @admin.display(description=gettext_lazy("answers"))
    def answers(self, comment: Comment) -> str:
        if comment.reply_to is None:
            return "-"
        url = reverse("admin:videos_comment_change", args=[comment.reply_to.pk])
        return format_html('<a href="{}"><bdi>{}</bdi></a>', url, comment.reply_to)

    # Buttons of the change page

    def tools(self, request: HttpRequest, comment: Comment) -> list[dict[str, str]]:
        if comment.deleted_at is not None or not self.has_moderate_permission(request):
            return []

        def url(name: str) -> str:
            return reverse(f"admin:videos_comment_{name}", args=[comment.pk])

        pin = tool(_("Pin"), url("pin")) if comment.pinned_at is None else tool(_("Unpin"), url("unpin"))
        return [pin, tool(_("Delete"), url("remove"), kind="danger")]

    def get_urls(self) -> list[Any]:
        acts = (
            ("remove", moderation.delete_comment, _("Deleted.")),
            ("pin", moderation.pin_comment, _("Pinned.")),
            ("unpin", moderation.unpin_comment, _("Unpinned.")),
        )
        views = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(self._moderation_view(act, done)),
                name=f"videos_comment_{name}",
            )
            for name, act, done in acts
        ]
        return views + super().get_urls()

    def _moderation_view(self, act: Callable[[UUID, UUID, Viewer], object], done: str) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            if not self.has_moderate_permission(request):
                raise PermissionDenied
            comment = self.get_object(request, unquote(object_id))
            if comment is None:
                return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
            self._act(request, [comment], act, done)
            return HttpResponseRedirect(reverse("admin:videos_comment_change", args=[comment.pk]))

        return view

    def _act(
        self,
        request: HttpRequest,
        comments: Iterable[Comment],
        act: Callable[[UUID, UUID, Viewer], object],
        done: str,
    ) -> None:
        acted = 0
        for comment in comments:
            try:
                act(comment.video_id, comment.pk, staff(request))
                self.log_change(request, comment, done)
                acted += 1
            except Refused as refusal:
                messages.error(request, f"{comment}: {refusal.detail}")
        if acted:
            messages.success(request, f"{done} ({acted})")

    # Actions

    @admin.action(permissions=["moderate"], description=gettext_lazy("Delete the selected comments"))
    def delete_comments(self, request: HttpRequest, queryset: QuerySet[Comment]) -> None:
        """Delete up to `ACTION_MAX_COMMENTS` at once, in a few statements for each video."""
        chosen = queryset.filter(deleted_at=None)
        found = list(chosen.select_related(None).only("video_id", "body")[: ACTION_MAX_COMMENTS + 1])
        by_video: dict[UUID, list[UUID]] = {}
        for comment in reversed(found[:ACTION_MAX_COMMENTS]):  # the oldest first
            by_video.setdefault(comment.video_id, []).append(comment.pk)
        deleted = 0
        for video_id, ids in by_video.items():
            try:
                for start in range(0, len(ids), removal.COMMENTS_MAX):
                    some = ids[start : start + removal.COMMENTS_MAX]
                    deleted += moderation.delete_comments(video_id, some, staff(request))
            except Refused as refusal:
                messages.error(request, refusal.detail)
        if deleted:
            self.log_deletions(request, found[:ACTION_MAX_COMMENTS])  # type: ignore[arg-type]
        said = ngettext("%(count)s comment deleted.", "%(count)s comments deleted.", deleted)
        messages.success(request, said % {"count": f"{deleted:,}"})
        if len(found) > ACTION_MAX_COMMENTS:
            messages.warning(request, _("That is as many as go at once; there are more. Do it again."))

    @admin.action(permissions=["moderate"], description=gettext_lazy("Pin the selected comment"))
    def pin(self, request: HttpRequest, queryset: QuerySet[Comment]) -> None:
        found = self.few(request, queryset, ACTION_MAX_VIDEOS) or []
        if len({comment.video_id for comment in found}) < len(found):
            messages.error(request, _("A video has one pinned comment: choose one of each video."))
            return
        self._act(request, found, moderation.pin_comment, _("Pinned."))

    @admin.action(permissions=["moderate"], description=gettext_lazy("Unpin the selected comments"))
    def unpin(self, request: HttpRequest, queryset: QuerySet[Comment]) -> None:
        pinned = self.few(request, queryset.filter(pinned_at__isnull=False), ACTION_MAX_VIDEOS) or []
        self._act(request, pinned, moderation.unpin_comment, _("Unpinned."))
