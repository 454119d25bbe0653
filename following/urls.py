"""The pages of channels. Included at the root by liveplatform.urls, before those of videos."""

from __future__ import annotations

from django.urls import path, re_path

from following import pages

urlpatterns = [
    path("", pages.home, name="home"),
    re_path(r"^channels/(?P<name>[A-Za-z0-9-]{3,36})/$", pages.channel, name="channel"),
    re_path(r"^channels/(?P<name>[A-Za-z0-9-]{3,36})/feed\.xml$", pages.feed, name="channel-feed"),
    path("search/", pages.search, name="search"),
]
