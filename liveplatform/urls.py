"""The site's URLs. `/events`, `/ws`, `/static/` never come here: liveplatform.asgi takes them first."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from accounts import sign_in
from liveplatform import error_pages, operations
from liveplatform.api import api, docs_page
from realtime import health
from web.openapi import openapi_json

admin.site.site_header = "liveplatform"
admin.site.site_title = "liveplatform"

OFTEN = ("videos/<video_id>/like", "videos/<video_id>/reactions", "videos/<video_id>/comments")
"""The calls that a crowd makes. Django tries one path after the other: of a like it tried 65."""

_calls, _app, _namespace = api.urls
urlpatterns = [
    path("api/v1/openapi.json", openapi_json(api)),
    path("api/v1/docs", docs_page),
    path("api/v1/", (sorted(_calls, key=lambda call: str(call.pattern) not in OFTEN), _app, _namespace)),
    path("", include("following.urls")),
    path("", include("moderation.urls")),
    path("", include("polls.urls")),
    path("messages/", include("messaging.urls")),
    path("notices/", include("notices.urls")),
    path("", include("videos.urls")),
    path("accounts/", include("accounts.urls")),
    path("admin/login/", sign_in.guarded(admin.site.login)),
    path("admin/", admin.site.urls),
    path("operator/", operations.page, name="operator"),
    path("operator/figures", operations.figures, name="operator-figures"),
    *health.urlpatterns,
]
handler400 = error_pages.bad_request
handler404 = error_pages.page_not_found
