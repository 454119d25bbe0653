"""The pages of moderation. Included at the root by liveplatform.urls."""

from __future__ import annotations

from django.urls import path

from moderation import people_page, tools_page

urlpatterns = [
    path("people/<uuid:channel_id>/", people_page.people, name="people"),
    path("moderation/tools/", tools_page.tools, name="moderation-tools"),
]
