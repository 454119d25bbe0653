"""Django's permissions, for one viewer and for many at once. Each app names its own; it knows no request.

`is_staff` lets people into the admin and gives no right by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import BooleanField, F, Func, Q, QuerySet, TextField

from accounts.models import Viewer

DELETE_VIEWER = "accounts.delete_viewer"

seeing: list[str] = []
"""Each of these rights opens private things, because people must see what they work on. Apps add theirs at start."""


grouping: list[str] = []
"""SQL, each of one column: names of groups of `{viewer}` to which private things are open. Apps add theirs at start."""


def with_openings(viewers: QuerySet[Viewer]) -> Any:
    """Read with each viewer what opens private things to them: `sees_all`, and `open_groups`."""
    found = " UNION ALL ".join(sql.format(viewer="%(expressions)s") for sql in grouping) or "SELECT '' WHERE false"
    names = Func(F("pk"), template=f"ARRAY({found})", output_field=TextField())
    return viewers.annotate(sees_all=holds(*seeing), open_groups=names)


# The same for many at once, inside their query


def holds(*rights: str, of: str = "") -> Q:
    """Return the condition that a viewer has one of the rights. `of`: the lookup that leads to the viewer, like
    `author__`.

    Its SQL is written by hand, because Django took 3 ms a query to make the same from models.
    """
    is_superuser = Q(**{f"{of}is_superuser": True})
    if not rights:
        return is_superuser
    granted = Func(F(f"{of}pk"), template=_granted_sql(rights, viewer="%(expressions)s"), output_field=BooleanField())
    return is_superuser | Q(granted)


def held_sql(*rights: str) -> str:
    """Return `holds` as SQL, for a query of many viewers under the name `v`. Holders are looked up once a query."""
    return (
        "(v.is_superuser OR v.id IN (SELECT viewer_id FROM ("
        "SELECT viewer_id, permission_id FROM accounts_viewer_user_permissions UNION ALL"
        " SELECT viewer_id, permission_id FROM accounts_viewer_groups JOIN auth_group_permissions USING (group_id)"
        ") AS granted JOIN auth_permission p ON p.id = permission_id"
        " JOIN django_content_type t ON t.id = content_type_id"
        f" WHERE (t.app_label, codename) IN ({_names(rights)})))"
    )


def granted_names_sql(*, viewer: str) -> str:
    """Return SQL: the names of all rights that were given to the viewer or to a group of theirs, as an array."""
    return f"ARRAY(SELECT t.app_label || '.' || codename {_granted(viewer)})"


def _names(rights: Iterable[str]) -> str:
    return ", ".join("('{}', '{}')".format(*right.split(".")) for right in rights)


def _granted_sql(rights: Iterable[str], *, viewer: str) -> str:
    return f"EXISTS (SELECT {_granted(viewer)} WHERE (t.app_label, codename) IN ({_names(rights)}))"


def _granted(viewer: str) -> str:
    return (
        f"FROM (SELECT permission_id FROM accounts_viewer_user_permissions WHERE viewer_id = {viewer} UNION ALL"
        " SELECT permission_id FROM accounts_viewer_groups JOIN auth_group_permissions USING (group_id)"
        f" WHERE viewer_id = {viewer}) AS granted JOIN auth_permission p ON p.id = permission_id"
        " JOIN django_content_type t ON t.id = content_type_id"
    )


def holders(right: str) -> QuerySet[Viewer]:
    """Return the active viewers who have the right, without reading all viewers."""
    app, _, codename = right.partition(".")
    permission = Permission.objects.filter(content_type__app_label=app, codename=codename)
    granted = Viewer.user_permissions.through.objects.filter(permission__in=permission).values("viewer")
    groups = Group.permissions.through.objects.filter(permission__in=permission).values("group")
    in_group = Viewer.groups.through.objects.filter(group__in=groups).values("viewer")
    superusers = Viewer.objects.filter(is_superuser=True).values("pk")
    return Viewer.objects.filter(pk__in=granted.union(in_group, superusers), is_active=True)
