"""The page of messages: the list of conversations, and the one that the address names.

Called by the URLs. Its scripts alone draw it, from topics and REST. So the page asks for no more than who looks, and
the address of others' conversation answers like any other.
"""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse

from accounts.pages import page, render_page, viewer_on
from accounts.representation import person
from web.text import BODY_MAX, BODY_MAX_BYTES


@page
async def messages(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponse:
    viewer = await viewer_on(request)
    state = {"viewer": None if viewer is None else {**person(viewer), "is_guest": viewer.is_guest}}
    context = {"state": state, "comment_max": BODY_MAX, "comment_max_bytes": BODY_MAX_BYTES}
    return render_page(request, "messaging/messages.html", viewer, context)
