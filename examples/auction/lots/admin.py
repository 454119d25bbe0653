"""The auctioneer's desk: offer lots, invite people, call, sell."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from lots import acts
from lots.models import Lot


@admin.register(Lot)
class LotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("title", "start", "is_private", "is_closed")
    actions = ("going_once", "going_twice", "sell")

    def save_model(self, request: HttpRequest, obj: Lot, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            acts.offer(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Lot | None = None) -> bool:
        return False  # what was bid stays

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        acts.invite(form.instance)

    @admin.action(description="Going once …")
    def going_once(self, request: HttpRequest, lots: QuerySet[Lot]) -> None:
        for lot in lots:
            acts.call(lot, "Going once …")

    @admin.action(description="Going twice …")
    def going_twice(self, request: HttpRequest, lots: QuerySet[Lot]) -> None:
        for lot in lots:
            acts.call(lot, "Going twice …")

    @admin.action(description="Sold!")
    def sell(self, request: HttpRequest, lots: QuerySet[Lot]) -> None:
        for lot in lots:
            acts.close(lot)
