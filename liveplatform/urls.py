"""The site's URLs. `/events`, `/ws`, `/static/` never come here: liveplatform.asgi takes them first."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from liveplatform import health, logins, operations
from liveplatform.api import api
from videos.docs import docs_page
from web.openapi import openapi_json

admin.site.site_header = "liveplatform"
admin.site.site_title = "liveplatform"

urlpatterns = [
    path("", include("videos.urls")),
    path("api/v1/openapi.json", openapi_json(api)),
    path("api/v1/docs", docs_page(api)),
    path("api/v1/", api.urls),
    path(
        "accounts/login/",
        logins.guarded(logins.SignIn.as_view()),
        name="login",
    ),
    path("accounts/logout/", logins.SignOut.as_view(), name="logout"),
    path("admin/login/", logins.guarded(admin.site.login)),
    path("admin/", admin.site.urls),
    path("operator/", operations.page, name="operator"),
    path("operator/figures", operations.figures, name="operator-figures"),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
    path("metrics/region", health.region_metrics),
]
handler400 = health.bad_request
handler404 = health.page_not_found
