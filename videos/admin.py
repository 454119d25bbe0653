"""The admin: staff run videos, moderate comments and look after viewers. Included at `/admin/`.

Everything that viewers see change goes through interactions and removal, so that it is published; likes, counters
and `seq` are shown and cannot be written here. Lists stay quick on large tables (quick_lists). No inline script or
style: the Content-Security-Policy forbids both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as confirm_deletion
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import CharField, F, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Viewer
from realtime.models import Topic
from videos import interactions, removal
from videos.models import Comment, LikeCount, LikeKind, Video
from videos.names import clean_name
from videos.rights import MODERATE, may_broadcast
from videos.text import check_playlist, clean_title
from web.quick_lists import QuickListMixin, at_most, bounded_count
from web.refusals import Invalid, Refused
from web.text import clean_text

ACTION_MAX_VIDEOS = 50
ACTION_MAX_VIEWERS = 50
ACTION_MAX_COMMENTS = 2_000
BODY_SHOWN = 120

Act = Callable[[UUID, Viewer], object]


def staff(request: HttpRequest) -> Viewer:
    """Return who is signed in; the admin let nobody else in."""
    assert isinstance(request.user, Viewer)
    return request.user


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def tool(label: str, url: str, *, kind: str = "") -> dict[str, str]:
    """Return a button of the change page, as templates/admin/videos/change_form.html shows it."""
    return {"label": label, "url": url, "kind": kind}


# Videos


class VideoForm(forms.ModelForm[Video]):
    """What people type, by the same rules as over REST."""

    class Meta:
        # Django shows a help text as HTML.
        help_texts: ClassVar[dict[str, Any]] = {
            "playlist": gettext_lazy("Path on this site, like /media/&lt;id&gt;/live.m3u8; empty: no picture.")
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Two fields under one label of Django's: each needs its own name.
        if (starts_at := self.fields.get("starts_at")) is not None:
            for widget, name in zip(starts_at.widget.widgets, (_("Date"), _("Time")), strict=True):
                widget.attrs["aria-label"] = name

    def clean_title(self) -> str:
        try:
            return clean_title(self.cleaned_data["title"])
        except Invalid as error:
            raise ValidationError(error.detail) from error

    def clean_description(self) -> str:
        return clean_text(self.cleaned_data["description"])

    def clean_playlist(self) -> str:
        playlist: str = self.cleaned_data["playlist"]
        try:
            check_playlist(playlist)
        except Invalid as error:
            raise ValidationError(error.detail) from error
        return playlist

    def clean_owner(self) -> Viewer:
        owner: Viewer = self.cleaned_data["owner"]
        if not may_broadcast(owner):
            raise ValidationError(_("Only broadcasters have videos. Make this account one first."))
        return owner


class DeletesInSteps:
    """Deletes through `remove`, in short transactions, without the one long transaction that Django puts around it."""

    remove: Callable[[UUID, Viewer], None]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined, no-any-return]

    def delete_model(self, request: HttpRequest, obj: Video | Viewer) -> None:
        self.remove(obj.pk, staff(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for id in list(queryset.values_list("pk", flat=True)):
            self.remove(id, staff(request))


@admin.register(Video)
class VideoAdmin(DeletesInSteps, QuickListMixin, admin.ModelAdmin[Video]):
    form = VideoForm
    change_form_template = "admin/videos/change_form.html"
    list_display = ("title", "state", "owner", "visibility", "likes_total", "viewers_peak", "topic_seq", "created_at")
    list_filter = ("status", "visibility", "comments_enabled")
    list_select_related = ("owner",)
    sortable_by = ("title", "likes_total", "viewers_peak")
    search_fields = ("title", "owner__name", "owner__username")
    search_help_text = gettext_lazy("Title, name of the broadcaster, or an id.")
    autocomplete_fields = ("owner",)
    actions = ("start", "end", "delete_selected")
    TOTALS = ("likes_total", "likes_by_kind", "comments_shown", "viewers_peak", "topic_seq")
    TIMES = ("started_at", "ended_at", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Video]:
        topic = Topic.objects.filter(name=Concat(Value("video:"), Cast(OuterRef("pk"), CharField())))
        likes = LikeCount.objects.filter(video=OuterRef("pk")).values("video").annotate(n=Sum("count")).values("n")
        return (
            super()
            .get_queryset(request)
            .annotate(
                _likes=Subquery(likes), _seq=Subquery(topic.values("seq")), _peak=Subquery(topic.values("viewers_peak"))
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Video], search_term: str
    ) -> tuple[QuerySet[Video], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(pk=id) | queryset.filter(owner=id), False
        return super().get_search_results(request, queryset, search_term)

    # Totals

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def state(self, video: Video) -> str:
        return format_html('<span class="state {}">{}</span>', video.status, video.get_status_display())

    @admin.display(description=gettext_lazy("likes"), ordering=F("_likes").desc(nulls_last=True))
    def likes_total(self, video: Any) -> str:
        return f"{video._likes or 0:,}"

    @admin.display(description=gettext_lazy("viewers, peak"), ordering=F("_peak").desc(nulls_last=True))
    def viewers_peak(self, video: Any) -> str:
        return f"{video._peak or 0:,}"

    @admin.display(description=gettext_lazy("seq of the topic"))
    def topic_seq(self, video: Any) -> str:
        return f"{video._seq or 0:,}"

    @admin.display(description=gettext_lazy("likes by kind"))
    def likes_by_kind(self, video: Video) -> str:
        counts = dict(LikeCount.objects.filter(video=video).values_list("kind", "count"))
        return " · ".join(f"{kind.label} {counts.get(kind.value, 0):,}" for kind in LikeKind)

    @admin.display(description=gettext_lazy("comments"))
    def comments_shown(self, video: Video) -> str:
        count = bounded_count(Comment.objects.filter(video=video, deleted_at=None))
        url = reverse("admin:videos_comment_changelist")
        return format_html('<a href="{}?video={}">{}</a>', url, video.pk, at_most(count))

    # The form

    def get_readonly_fields(self, request: HttpRequest, obj: Video | None = None) -> tuple[str, ...]:
        return () if obj is None else ("state", "owner", *self.TIMES, *self.TOTALS)

    def get_fieldsets(self, request: HttpRequest, obj: Video | None = None) -> Any:
        own = ("title", "description", "visibility", "comments_enabled", "playlist", "starts_at")
        if obj is None:
            return ((None, {"fields": ("owner", *own)}),)
        return (
            (None, {"fields": ("state", "owner", *own)}),
            (_("Totals"), {"fields": self.TOTALS}),
            (_("Times"), {"fields": self.TIMES}),
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        return {"owner": staff(request).pk, **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Video, form: Any, change: bool) -> None:
        """Save through interactions: viewers get a `video` event, a new video its topic and its counters."""
        fields = {name: form.cleaned_data[name] for name in (form.changed_data if change else form.cleaned_data)}
        if change:
            interactions.update_video(obj.pk, staff(request), **fields)
        else:
            obj.pk = interactions.create_video(**fields).pk
            obj._state.adding = False

    def view_on_site(self, obj: Video) -> str:
        return reverse("watch", args=[obj.pk])

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context["tools"] = self._tools(obj) if obj is not None and self.has_change_permission(request, obj) else []
        return super().render_change_form(request, context, add, change, form_url, obj)

    @staticmethod
    def _tools(video: Video) -> list[dict[str, str]]:
        def url(name: str) -> str:
            return reverse(f"admin:videos_video_{name}", args=[video.pk])

        match video.status:
            case Video.Status.UPCOMING:
                return [tool(_("Start"), url("start"), kind="main"), tool(_("End"), url("end"))]
            case Video.Status.LIVE:
                return [tool(_("End"), url("end"), kind="main")]
        return []

    # Start and end

    def get_urls(self) -> list[Any]:
        views = [
            path(f"<path:object_id>/{name}/", self.admin_site.admin_view(view), name=f"videos_video_{name}")
            for name, view in (("start", self.start_view), ("end", self.end_view))
        ]
        return views + super().get_urls()

    def start_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, interactions.start_video, _("Started."))

    def end_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, interactions.end_video, _("Ended."))

    def _run(self, request: HttpRequest, object_id: str, act: Act, done: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        video = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, video):
            raise PermissionDenied
        if video is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        self._act(request, [video], act, done)
        return HttpResponseRedirect(reverse("admin:videos_video_change", args=[video.pk]))

    def _act(self, request: HttpRequest, videos: Iterable[Video], act: Act, done: str) -> None:
        acted: list[Video] = []
        for video in videos:
            try:
                act(video.pk, staff(request))
                acted.append(video)
            except Refused as refusal:
                messages.error(request, f"{video}: {refusal.detail}")
        if acted:
            self._log(request, acted, done)
            messages.success(request, f"{done} ({', '.join(map(str, acted[:5]))}{' …' if len(acted) > 5 else ''})")

    def _log(self, request: HttpRequest, objects: list[Video], message: str) -> None:
        for video in objects:
            self.log_change(request, video, message)

    @admin.action(permissions=["change"], description=gettext_lazy("Start the selected videos"))
    def start(self, request: HttpRequest, queryset: QuerySet[Video]) -> None:
        self._act(
            request, self.few(request, queryset, ACTION_MAX_VIDEOS) or (), interactions.start_video, _("Started.")
        )

    @admin.action(permissions=["change"], description=gettext_lazy("End the selected videos"))
    def end(self, request: HttpRequest, queryset: QuerySet[Video]) -> None:
        self._act(request, self.few(request, queryset, ACTION_MAX_VIDEOS) or (), interactions.end_video, _("Ended."))

    # Deletion

    remove = staticmethod(removal.delete_video)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say how much goes, without reading it all."""
        videos = list(objs)
        comments = bounded_count(Comment.objects.filter(video__in=videos))
        likes = LikeCount.objects.filter(video__in=videos).aggregate(n=Sum("count"))["n"] or 0
        counts = {_("videos"): f"{len(videos):,}", _("comments"): at_most(comments), _("likes"): f"{likes:,}"}
        return [str(video) for video in videos], counts, set(), []

    @admin.action(permissions=["delete"], description=gettext_lazy("Delete the selected videos"))
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Video]) -> HttpResponse | None:
        few = self.few(request, queryset, ACTION_MAX_VIDEOS)
        return None if few is None else confirm_deletion(self, request, queryset)


# Comments


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
class CommentAdmin(QuickListMixin, admin.ModelAdmin[Comment]):
    """Comments are written by viewers. Here they are deleted and pinned; a deleted one stays, marked."""

    change_form_template = "admin/videos/change_form.html"
    list_display = ("text", "state", "author", "video", "created_at")
    list_filter = (StateFilter, OneVideoFilter)
    list_select_related = ("author", "video")
    sortable_by = ()
    search_fields = ("body", "author__name")
    search_help_text = gettext_lazy("Words of the comment, a name, or the id of a comment, viewer or video.")
    actions = ("delete_comments", "pin", "unpin")
    FIELDS = ("whole_text", "state", "author", "video", "answers")
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
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description=gettext_lazy("comment"))
    def text(self, comment: Comment) -> str:
        cut = comment.body if len(comment.body) <= BODY_SHOWN else f"{comment.body[:BODY_SHOWN]}…"
        return format_html('<bdi class="{}">{}</bdi>', "struck" if comment.deleted_at else "", cut)

    @admin.display(description=gettext_lazy("comment"))
    def whole_text(self, comment: Comment) -> str:
        return format_html('<bdi class="body">{}</bdi>', comment.body)

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

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context["tools"] = self._tools(request, obj) if obj is not None else []
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _tools(self, request: HttpRequest, comment: Comment) -> list[dict[str, str]]:
        if comment.deleted_at is not None or not self.has_moderate_permission(request):
            return []

        def url(name: str) -> str:
            return reverse(f"admin:videos_comment_{name}", args=[comment.pk])

        pin = tool(_("Pin"), url("pin")) if comment.pinned_at is None else tool(_("Unpin"), url("unpin"))
        return [pin, tool(_("Delete"), url("remove"), kind="danger")]

    def get_urls(self) -> list[Any]:
        acts = (
            ("remove", interactions.delete_comment, _("Deleted.")),
            ("pin", interactions.pin_comment, _("Pinned.")),
            ("unpin", interactions.unpin_comment, _("Unpinned.")),
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

    def _moderation_view(self, act: Callable[[UUID, UUID, Viewer], None], done: str) -> Callable[..., HttpResponse]:
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
        act: Callable[[UUID, UUID, Viewer], None],
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
                    deleted += interactions.delete_comments(video_id, some, staff(request))
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
        self._act(request, found, interactions.pin_comment, _("Pinned."))

    @admin.action(permissions=["moderate"], description=gettext_lazy("Unpin the selected comments"))
    def unpin(self, request: HttpRequest, queryset: QuerySet[Comment]) -> None:
        pinned = self.few(request, queryset.filter(pinned_at__isnull=False), ACTION_MAX_VIDEOS) or []
        self._act(request, pinned, interactions.unpin_comment, _("Unpinned."))


# Viewers


class _NameRules:
    """A display name by the rules that guests have too; only staff may bear a reserved one."""

    cleaned_data: dict[str, Any]
    changed_data: list[str]
    instance: Viewer

    def clean_name(self) -> str:
        name: str = self.cleaned_data.get("name", "")
        if not name or "name" not in self.changed_data:
            return name
        try:
            return clean_name(name)
        except Invalid as error:
            if error.code == "reserved" and self.instance.is_staff:
                return name
            raise ValidationError(error.detail) from error


class ViewerForm(_NameRules, UserChangeForm[Viewer]):
    pass


class NewViewerForm(_NameRules, AdminUserCreationForm[Viewer]):
    class Meta:
        model = Viewer
        fields = ("username", "name", "is_broadcaster")


@admin.register(Viewer)
class ViewerAdmin(DeletesInSteps, QuickListMixin, UserAdmin[Viewer]):
    form = ViewerForm
    add_form = NewViewerForm
    list_display = ("username", "shown_name", "is_guest", "is_broadcaster", "is_staff", "is_active", "date_joined")
    list_filter = ("is_guest", "is_broadcaster", "is_staff", "is_superuser", "is_active")
    sortable_by = ("username",)
    search_fields = ("username", "name", "email")
    search_help_text = gettext_lazy("Username, name, e-mail address, or an id.")
    actions = ("delete_selected",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (gettext_lazy("Person"), {"fields": ("name", "email", "is_guest", "activity")}),
        (
            gettext_lazy("Permissions"),
            {"fields": ("is_active", "is_broadcaster", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        (gettext_lazy("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("username", "name", "is_broadcaster", "usable_password", "password1", "password2"),
            },
        ),
    )
    RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def shown_name(self, viewer: Viewer) -> str:
        return format_html("<bdi>{}</bdi>", viewer.name)

    @admin.display(description=gettext_lazy("activity"))
    def activity(self, viewer: Viewer) -> str:
        """Links to what the account has made."""
        videos, comments = viewer.videos.count(), bounded_count(viewer.comments.all())
        return format_html(
            '<a href="{}?q={}">{}</a> · <a href="{}?q={}">{}</a>',
            reverse("admin:videos_video_changelist"),
            viewer.pk,
            ngettext("%(count)s video", "%(count)s videos", videos) % {"count": f"{videos:,}"},
            reverse("admin:videos_comment_changelist"),
            viewer.pk,
            ngettext("%(count)s comment", "%(count)s comments", comments) % {"count": at_most(comments)},
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Viewer | None = None) -> tuple[str, ...]:
        """Rights are given by superusers only: else whoever may edit accounts could make himself one."""
        own = ("is_guest", "activity", "last_login", "date_joined")
        return own if staff(request).is_superuser else (*own, *self.RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: Viewer | None = None) -> bool:
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Viewer | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    @staticmethod
    def _may_touch(request: HttpRequest, obj: Viewer | None) -> bool:
        return (
            obj is None
            or staff(request).is_superuser
            or not (obj.is_superuser or (obj.is_staff and obj != request.user))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Viewer], search_term: str
    ) -> tuple[QuerySet[Viewer], bool]:
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(pk=id), False
        return super().get_search_results(request, queryset, search_term)

    # Deletion

    remove = staticmethod(removal.delete_viewer)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say how much goes, without reading it all; videos stand in the way."""
        viewers = list(objs)
        videos = Video.objects.filter(owner__in=viewers).select_related("owner")[:20]
        protected = [self._protecting(video) for video in videos]
        comments = bounded_count(Comment.objects.filter(author__in=viewers))
        needed = set() if all(self.has_delete_permission(request, viewer) for viewer in viewers) else {_("viewer")}
        counts = {_("viewers"): f"{len(viewers):,}", _("comments"): at_most(comments)}
        return [str(viewer) for viewer in viewers], counts, needed, protected

    @staticmethod
    def _protecting(video: Video) -> str:
        url = reverse("admin:videos_video_change", args=[video.pk])
        return format_html('{}: <a href="{}">{}</a>', video.owner, url, video)

    @admin.action(permissions=["delete"], description=gettext_lazy("Delete the selected viewers"))
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Viewer]) -> HttpResponse | None:
        few = self.few(request, queryset, ACTION_MAX_VIEWERS)
        return None if few is None else confirm_deletion(self, request, queryset)
