"""The pages of channels. Included at the root by liveplatform.urls, before those of videos."""

from __future__ import annotations

from django.urls import path, re_path

from following import pages

CHANNEL = "channels/(?P<name>[A-Za-z0-9-]{3,36})"
LIST = "(?P<status>live|upcoming|ended)"

urlpatterns = [
    path("", pages.home, name="home"),
    re_path(rf"^videos/{LIST}/$", pages.listed, name="listed"),
    re_path(rf"^{CHANNEL}/$", pages.channel, name="channel"),
    re_path(rf"^{CHANNEL}/{LIST}/$", pages.listed, name="channel-listed"),
    re_path(rf"^{CHANNEL}/feed\.xml$", pages.feed, name="channel-feed"),
    path("search/", pages.search, name="search"),
]
