"""The auction's paths."""

from __future__ import annotations

from django.urls import path

from lots import views

urlpatterns = [
    path("", views.home, name="home"),
    path("join", views.join, name="join"),
    path("lots/<uuid:id>/", views.page, name="lot"),
    path("lots/<uuid:id>/bids", views.bid),
    path("lots/<uuid:id>/star", views.star),
]
