"""The auction's pages, the platform's calls, and the admin of the auctioneers."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("lots.urls")),
    path("", include("realtime.urls")),  # tickets, subscriptions, health, metrics
    path("admin/", admin.site.urls),
]
