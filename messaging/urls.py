"""The pages of messages, below /messages/."""

from __future__ import annotations

from django.urls import path

from messaging import pages

urlpatterns = [
    path("", pages.messages, name="messages"),
    path("<uuid:conversation_id>/", pages.messages, name="conversation"),
]
