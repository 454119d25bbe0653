"""The pages of the site and the segments of its broadcasts. Included at the root by liveplatform.urls."""

from __future__ import annotations

from django.urls import path, re_path
from django.views.generic import RedirectView

from videos import emoji_page, report_pages, rules_page, syndication, views

# The pattern admits no separator and no leading dot: a path outside the video's folder cannot be written.
VIDEO = r"^media/(?P<video_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"

urlpatterns = [
    path("videos/", RedirectView.as_view(url="/videos/live/"), name="videos"),
    path("videos/<uuid:video_id>/", views.watch, name="watch"),
    path("videos/<uuid:video_id>/later/", views.watch_later, name="watch_later"),
    re_path(
        r"^videos/(?P<video_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/captions/(?P<language>[A-Za-z0-9-]{2,20})\.vtt$",
        views.captions,
        name="captions",
    ),
    path("videos/<uuid:video_id>/calendar.ics", syndication.calendar, name="calendar"),
    path("feed.xml", syndication.feed, name="feed"),
    path("oembed", syndication.oembed, name="oembed"),
    path("emoji/", emoji_page.picker, name="emoji"),
    path("studio/", views.studio, name="studio"),
    path("rules/<uuid:channel_id>/", rules_page.rules, name="rules"),
    path("studio/<uuid:video_id>/report/", report_pages.report, name="report"),
    path("studio/<uuid:video_id>/minutes.csv", report_pages.minutes, name="minutes"),
    path("studio/<uuid:video_id>/comments.csv", report_pages.comments, name="comments"),
    re_path(rf"{VIDEO}/(?P<name>[A-Za-z0-9_-]{{1,64}}\.(?:m3u8|ts|mp4|m4s|aac|vtt|jpg))$", views.media, name="media"),
    re_path(rf"{VIDEO}/$", views.media_right, name="media-right"),
]
