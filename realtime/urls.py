"""The platform's paths, for a site without an API of its own. Its streams are realtime.routing's."""

from __future__ import annotations

from django.urls import path
from ninja import NinjaAPI

from realtime import health
from realtime.answers import answer_errors
from realtime.api import router

api = NinjaAPI(title="realtime", urls_namespace="realtime", openapi_url=None, docs_url=None)
answer_errors(api)
api.add_router("", router)

urlpatterns = [*health.urlpatterns, path("api/v1/", api.urls)]
