"""What the admins of the apps have in common. Lists are in web.quick_lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse


def uuid_of(text: str) -> UUID | None:
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def tool(label: str, url: str, *, kind: str = "") -> dict[str, str]:
    """Return a button of the change page, as templates/admin/videos/change_form.html shows it."""
    return {"label": label, "url": url, "kind": kind}


class DeletesInSteps:
    """Deletes through `remove`, in short transactions, without the one long transaction that Django puts around it."""

    remove: Callable[[UUID, Any], None]

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._delete_view(request, object_id, extra_context)  # type: ignore[attr-defined, no-any-return]

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        self.remove(obj.pk, request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for id in list(queryset.values_list("pk", flat=True)):
            self.remove(id, request.user)
