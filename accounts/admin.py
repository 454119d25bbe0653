"""Viewers in the admin: accounts, their names and their rights. Also invitations, and mail that waits."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected as confirm_deletion
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import removal
from accounts.belongings import belongings
from accounts.models import Erasure, Invitation, Mail, Viewer
from accounts.profiles import allowed_name
from accounts.requests import staff
from web.admin import DeletesInSteps, uuid_of
from web.forms import as_form_errors
from web.quick_lists import LookOnlyMixin, QuickListMixin, found_by
from web.searching import has_words

ACTION_MAX_VIEWERS = 50
WORDS = "accounts_viewer.username || ' ' || accounts_viewer.name || ' ' || accounts_viewer.email"


class _NameRules:
    """A display name by the same rules as for everybody."""

    cleaned_data: dict[str, Any]
    changed_data: list[str]
    instance: Viewer

    def clean_name(self) -> str:
        name: str = self.cleaned_data.get("name", "")
        if not name or "name" not in self.changed_data:
            return name
        with as_form_errors():
            return allowed_name(self.instance, name)


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
    search_fields = ("username",)  # in fact what an index has: WORDS
    search_help_text = gettext_lazy("Words of a username, name or e-mail address, or an id.")
    actions = ("delete_selected",)
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (gettext_lazy("Person"), {"fields": ("name", "email", "language", "is_guest", "activity")}),
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
        """Links to what the account has made. While it is deleted: what is left of that."""
        if Erasure.objects.filter(viewer=viewer).exists():
            counts = [f"{count} {name}" for kept in belongings for name, count in kept.counts([viewer]).items()]
            return format_html("{}: {}", _("is being deleted, and still has"), ", ".join(counts))
        links = [link for kept in belongings for link in kept.links(viewer)]
        return format_html_join(" · ", '<a href="{}">{}</a>', links)

    def get_readonly_fields(self, request: HttpRequest, obj: Viewer | None = None) -> tuple[str, ...]:
        """Only superusers give rights. Otherwise people who may edit accounts could make themselves superusers."""
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
        found = found_by(queryset, has_words(WORDS, search_term)) if search_term else queryset
        return found, False

    # Deletion

    def remove(self, viewer_id: UUID, actor: Any) -> None:
        removal.delete_by_staff([viewer_id], actor)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Viewer]) -> None:
        removal.delete_by_staff(list(queryset.values_list("pk", flat=True)), staff(request))

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: Any) -> HttpResponse:
        if not Viewer.objects.filter(pk=obj_id).exists():
            return super().response_delete(request, obj_display, obj_id)
        messages.info(request, _("%(name)s has so much that a job goes on with it.") % {"name": obj_display})
        return HttpResponseRedirect(reverse("admin:accounts_viewer_changelist"))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Say how much will be deleted, without reading it all, and what prevents it."""
        viewers = list(objs)
        protected = [shown for kept in belongings for shown in kept.in_the_way(viewers)]
        needed = set() if all(self.has_delete_permission(request, viewer) for viewer in viewers) else {_("viewer")}
        counts = {_("viewers"): f"{len(viewers):,}"}
        for kept in belongings:
            counts.update(kept.counts(viewers))
        return [str(viewer) for viewer in viewers], counts, needed, protected

    @admin.action(permissions=["delete"], description=gettext_lazy("Delete the selected viewers"))
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Viewer]) -> HttpResponse | None:
        few = self.few(request, queryset, ACTION_MAX_VIEWERS)
        return None if few is None else confirm_deletion(self, request, queryset)


@admin.register(Invitation)
class InvitationAdmin(QuickListMixin, admin.ModelAdmin[Invitation]):
    list_display = ("__str__", "made_by", "expires_at", "used_by")
    list_select_related = ("made_by", "used_by")
    sortable_by: ClassVar[tuple[str, ...]] = ()
    ordering: ClassVar[Any] = ("-made_at",)
    readonly_fields = ("link", "used_by")

    def get_fields(self, request: HttpRequest, obj: Invitation | None = None) -> tuple[str, ...]:
        return ("note", "expires_at", "link", "used_by") if obj else ("note", "expires_at")

    @admin.display(description=gettext_lazy("link for one person"))
    def link(self, invitation: Invitation) -> str:
        address = f"{reverse('account_signup')}?invitation={invitation.code}"
        return format_html('<a href="{}">{}</a>', address, address)

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:
        obj.made_by = obj.made_by or staff(request)
        super().save_model(request, obj, form, change)


@admin.register(Mail)
class MailAdmin(QuickListMixin, admin.ModelAdmin[Mail]):
    """Nobody reads what it says: a link in it may open an account. If it is deleted, it is not sent."""

    list_display = ("subject", "to", "made_at", "tries", "next_try_at", "error")
    sortable_by: ClassVar[tuple[str, ...]] = ()
    fields = ("to", "subject", "made_at", "tries", "next_try_at", "error")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Mail | None = None) -> bool:
        return False


# Of django-allauth: its own pages show secrets, and let people write what only a sign-in may write.

for _model in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken):
    admin.site.unregister(_model)


class _SignInAdmin(LookOnlyMixin, admin.ModelAdmin[Any]):
    """A way to sign in or to be reached. It can be taken away, such as a lost passkey. Accounts add it themselves."""

    sortable_by: ClassVar[tuple[str, ...]] = ()
    search_fields: ClassVar[tuple[str, ...]] = ("user__username", "user__name")
    list_select_related = ("user",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(EmailAddress)
class EmailAddressAdmin(_SignInAdmin):
    list_display = fields = ("user", "email", "primary", "verified")
    search_fields = ("email", "user__username", "user__name")


@admin.register(Authenticator)
class PasskeyAdmin(_SignInAdmin):
    list_display = fields = ("user", "type", "created_at", "last_used_at")


@admin.register(SocialAccount)
class SocialAccountAdmin(_SignInAdmin):
    list_display = fields = ("user", "provider", "uid", "date_joined", "last_login")
