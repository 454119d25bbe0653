"""Videos in the admin: to look at, to change, to start, to end, to delete."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as confirm_deletion
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ORDER_VAR
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import CharField, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Viewer
from accounts.requests import staff
from accounts.taken import namesakes
from realtime.models import Topic
from videos import broadcasts, removal
from videos.models import Comment, LikeCount, LikeKind, Video
from videos.rights import may_broadcast
from videos.text import check_playlist, clean_title
from web.admin import DeletesInSteps, HasTools, tool, uuid_of
from web.forms import as_form_errors
from web.quick_lists import QuickListMixin, at_most, bounded_count, found_by, newest
from web.refusals import Refused
from web.searching import has_words
from web.text import clean_text

ACTION_MAX_VIDEOS = 50
WORDS = "videos_video.title"

VideoAct = Callable[[UUID, Viewer], object]


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
        with as_form_errors():
            return clean_title(self.cleaned_data["title"])

    def clean_description(self) -> str:
        return clean_text(self.cleaned_data["description"])

    def clean_playlist(self) -> str:
        playlist: str = self.cleaned_data["playlist"]
        with as_form_errors():
            check_playlist(playlist)
        return playlist

    def clean_owner(self) -> Viewer:
        owner: Viewer = self.cleaned_data["owner"]
        if not may_broadcast(owner):
            raise ValidationError(_("Only broadcasters have videos. Make this account one first."))
        return owner


@admin.register(Video)
class VideoAdmin(HasTools, DeletesInSteps, QuickListMixin, admin.ModelAdmin[Video]):
    form = VideoForm
    change_form_template = "admin/videos/change_form.html"
    list_display = ("title", "state", "owner", "visibility", "likes_total", "viewers_peak", "created_at")
    list_filter = ("status", "visibility", "comments_enabled")
    list_select_related = ("owner",)
    sortable_by = ("title", "likes_total", "viewers_peak")
    search_fields = ("title",)  # in fact what an index has: WORDS
    search_help_text = gettext_lazy("Words of the title, the whole name of the broadcaster, or an id.")
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
        if ORDER_VAR in request.GET:  # by likes, for example
            queryset = newest(queryset)
        if (id := uuid_of(search_term)) is not None:
            return queryset.filter(pk=id) | queryset.filter(owner=id), False
        if not search_term:
            return queryset, False
        owners = [*namesakes(search_term), *Viewer.objects.filter(username=search_term).values_list("pk", flat=True)]
        return found_by(queryset, Q(has_words(WORDS, search_term)) | Q(owner__in=owners)), False

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
        own = ("title", "description", "visibility", "comments_enabled", "comments_after_end", "playlist", "starts_at")
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
        """Save through broadcasts: viewers get a `video` event, a new video its topic and its counters."""
        fields = {name: form.cleaned_data[name] for name in (form.changed_data if change else form.cleaned_data)}
        if change:
            broadcasts.update_video(obj.pk, staff(request), **fields)
        else:
            obj.pk = broadcasts.create_video(**fields).pk
            obj._state.adding = False

    def view_on_site(self, obj: Video) -> str:
        return reverse("watch", args=[obj.pk])

    def tools(self, request: HttpRequest, video: Video) -> list[dict[str, str]]:
        if not self.has_change_permission(request, video):
            return []

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
        return self._run(request, object_id, broadcasts.start_video, _("Started."))

    def end_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._run(request, object_id, broadcasts.end_video, _("Ended."))

    def _run(self, request: HttpRequest, object_id: str, act: VideoAct, done: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        video = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, video):
            raise PermissionDenied
        if video is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined, no-any-return]
        self._act(request, [video], act, done)
        return HttpResponseRedirect(reverse("admin:videos_video_change", args=[video.pk]))

    def _act(self, request: HttpRequest, videos: Iterable[Video], act: VideoAct, done: str) -> None:
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
        self._act(request, self.few(request, queryset, ACTION_MAX_VIDEOS) or (), broadcasts.start_video, _("Started."))

    @admin.action(permissions=["change"], description=gettext_lazy("End the selected videos"))
    def end(self, request: HttpRequest, queryset: QuerySet[Video]) -> None:
        self._act(request, self.few(request, queryset, ACTION_MAX_VIDEOS) or (), broadcasts.end_video, _("Ended."))

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
