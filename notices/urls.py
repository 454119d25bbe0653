"""The pages of notices. Included below `/notices/` by liveplatform.urls."""

from __future__ import annotations

from django.urls import path

from accounts.pages import in_our_look
from notices import pages

urlpatterns = [
    path("", pages.notices, name="notices"),
    path("choices/", in_our_look(pages.choose), name="notice-choices"),
]
