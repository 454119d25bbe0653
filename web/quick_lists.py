"""Lists of the admin that stay fast on tables with millions of rows, and accept any parameters.

Used by the admins of the apps. No full counts, an order that an index has, a deadline for searches.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db import DataError, OperationalError, connection, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

LIST_MAX_ROWS = 10_000
LIST_DEADLINE_MS = 2_000
QUERY_CANCELED = "57014"  # PostgreSQL's code for a statement that took too long


def bounded_count(rows: QuerySet[Any]) -> int:
    """Return how many rows there are, `LIST_MAX_ROWS` at most: counting millions takes seconds."""
    return rows.order_by().values("pk")[:LIST_MAX_ROWS].count()


def newest(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return the newest `LIST_MAX_ROWS` of the rows, by their ids: for an order that no index has."""
    last = list(rows.order_by("-pk").values_list("pk", flat=True)[LIST_MAX_ROWS - 1 : LIST_MAX_ROWS])
    return rows.filter(pk__gte=last[0]) if last else rows


def found_by(rows: QuerySet[Any], condition: Any) -> QuerySet[Any]:
    """Return the rows of a condition that an index finds, but not in the order of a list.

    Few are found first, and put in order then. Many are looked for in the order of the list: some are near its top.
    """
    ids = list(rows.filter(condition).order_by().values_list("pk", flat=True)[:LIST_MAX_ROWS])
    return rows.filter(condition) if len(ids) == LIST_MAX_ROWS else rows.filter(pk__in=ids)


def at_most(count: int) -> str:
    return f"{count:,}+" if count == LIST_MAX_ROWS else f"{count:,}"


class BoundedPaginator(Paginator[Any]):
    @cached_property
    def count(self) -> int:
        return bounded_count(self.object_list)  # type: ignore[arg-type]


class QuickListMixin:
    """A list that answers in time on a table of any size, and accepts any parameters."""

    paginator: Any = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    ordering: ClassVar[Any] = ("-id",)  # by time: ids are UUIDs of version 7

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list. If the database refuses, or cannot answer in time, show a message instead of an error."""
        try:
            if request.method == "POST":
                return self._rendered(request, extra_context)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {LIST_DEADLINE_MS}")
                # A list that reads all of a large table is late in any case.
                cursor.execute("SET LOCAL enable_seqscan = off")
                return self._rendered(request, extra_context)
        except (ValidationError, DataError):
            messages.error(request, _("This is not something to look for here."))
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != QUERY_CANCELED:
                raise
            messages.error(
                request,
                _("This search takes too long. Filter first, open the comments of one video, or look for an id."),
            )
        return HttpResponseRedirect(request.path if ERROR_FLAG in request.GET else f"{request.path}?{ERROR_FLAG}=1")

    def _rendered(self, request: HttpRequest, extra_context: dict[str, Any] | None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)  # type: ignore[misc]
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            shown = response.context_data.get("cl")
            if shown is not None and shown.result_count == LIST_MAX_ROWS:
                response.context_data["subtitle"] = _("the newest %(count)s") % {"count": f"{LIST_MAX_ROWS:,}"}
            response.render()  # here, within the deadline
        return response

    def few(self, request: HttpRequest, chosen: QuerySet[Any], limit: int) -> list[Any] | None:
        """Return the chosen rows. If there are too many for one request, show the reason and return None."""
        found = list(chosen[: limit + 1])
        if len(found) > limit:
            messages.error(request, _("Choose %(limit)s at most.") % {"limit": f"{limit:,}"})
            return None
        return found


class LookOnlyMixin(QuickListMixin):
    """Everything is changed by those whose it is, through acts that publish it to the others."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
