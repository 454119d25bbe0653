"""The part of a page that boards have. Included at the root by liveplatform.urls."""

from __future__ import annotations

from django.urls import path

from polls import pages

urlpatterns = [path("board/", pages.parts, name="board")]
