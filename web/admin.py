"""What the admins of all apps have in common. Lists are in web.quick_lists."""

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


class HasTools:
    """Shows the buttons that `tools` gives on the change page of a row."""

    tools: Callable[[HttpRequest, Any], list[dict[str, str]]]

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context["tools"] = self.tools(request, obj) if obj is not None else []
        rendered: HttpResponse = super().render_change_form(  # type: ignore[misc]
            request, context, add, change, form_url, obj
        )
        return rendered


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
