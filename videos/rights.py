"""Who may do what to videos that are not their own: Django's permissions decide, here as in the admin.

Called by interactions, topics, pages, streams and the operator's page; it knows no request. A broadcaster may do
everything to their own videos, a superuser to all. `is_staff` lets people into the admin and gives no right by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission
from django.db.models import BooleanField, F, Func, Q, QuerySet

from accounts.models import Viewer
from videos.models import Video

ADD = "videos.add_video"
CHANGE = "videos.change_video"
DELETE = "videos.delete_video"
MODERATE = "videos.delete_comment"
DELETE_VIEWER = "accounts.delete_viewer"
FIGURES = "realtime.view_figures"
SEE = ("videos.view_video", CHANGE, DELETE, MODERATE)
"""Each of these opens private videos: nobody works on what they do not see."""


def may(right: str, video: Video, viewer: Viewer | None) -> bool:
    return viewer is not None and (video.owner_id == viewer.id or viewer.has_perm(right))


def may_watch(video: Video, viewer: Viewer | None) -> bool:
    return video.visibility != Video.Visibility.PRIVATE or any(may(right, video, viewer) for right in SEE)


def may_moderate(video: Video, viewer: Viewer | None) -> bool:
    return may(MODERATE, video, viewer)


def may_broadcast(viewer: Viewer) -> bool:
    return viewer.is_broadcaster or viewer.has_perm(ADD)


def sees_all(viewer: Viewer) -> bool:
    """Return whether private videos are open to the viewer. One query at most."""
    return viewer.is_superuser or Viewer.objects.filter(holds(*SEE), id=viewer.id).exists()


# The same for many at once, inside their query


def holds(*rights: str, of: str = "") -> Q:
    """Return the condition that a viewer has one of the rights of this app. `of`: the way to them, like `author__`.

    Its SQL is written by hand: to have Django make the same of models took 3 ms a query.
    """
    granted = Func(F(f"{of}pk"), template=_granted_sql(rights, viewer="%(expressions)s"), output_field=BooleanField())
    return Q(**{f"{of}is_superuser": True}) | Q(granted)


def held_sql(*rights: str) -> str:
    """Return `holds` as SQL, for a query of viewers under the name `v`."""
    return f"(v.is_superuser OR {_granted_sql(rights, viewer='v.id')})"


def _granted_sql(rights: Iterable[str], *, viewer: str) -> str:
    names = ", ".join(f"'{right.partition('.')[2]}'" for right in rights)
    return (
        "EXISTS (SELECT FROM ("
        f"SELECT permission_id FROM accounts_viewer_user_permissions WHERE viewer_id = {viewer} UNION ALL"
        " SELECT permission_id FROM accounts_viewer_groups JOIN auth_group_permissions USING (group_id)"
        f" WHERE viewer_id = {viewer}) AS granted JOIN auth_permission p ON p.id = permission_id"
        " JOIN django_content_type t ON t.id = content_type_id"
        f" WHERE t.app_label = 'videos' AND codename IN ({names}))"
    )


def moderators() -> QuerySet[Viewer]:
    """Return the active viewers who may moderate every video; without a walk over all viewers."""
    permission = Permission.objects.filter(content_type__app_label="videos", codename=MODERATE.partition(".")[2])
    granted = Viewer.user_permissions.through.objects.filter(permission__in=permission).values("viewer")
    groups = Group.permissions.through.objects.filter(permission__in=permission).values("group")
    in_group = Viewer.groups.through.objects.filter(group__in=groups).values("viewer")
    superusers = Viewer.objects.filter(is_superuser=True).values("pk")
    return Viewer.objects.filter(pk__in=granted.union(in_group, superusers), is_active=True)
