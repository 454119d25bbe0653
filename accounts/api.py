"""Viewers in the API: to become one by a name, and to stop being one."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts import guests, schemas, taken, tokens
from accounts.limits import GUESTS
from accounts.models import Viewer
from accounts.names import clean_name
from accounts.representation import person
from accounts.requests import acting_viewer, viewer_auth
from realtime import act_limits
from realtime.answers import SENDING, answer
from realtime.log.threads import backend_threads
from web import door
from web.answers import ACTING
from web.refusals import Forbidden

router = Router()


@router.post("/guests", response={201: schemas.GuestOut, **SENDING}, tags=["viewers"], summary="Become a guest")
async def create_guest(request: HttpRequest, body: schemas.GuestIn) -> HttpResponse:
    """Become a viewer with a name: answers a bearer token and sets the session.

    The name of an account, or of somebody at the `video`, is 409 `name_taken`, and so is one that looks like it. The
    detail has a name that is free.
    """
    name = clean_name(body.name)
    act_limits.take(GUESTS, act_limits.network(request))
    if body.video is not None:
        await taken.check_at(body.video, name, await backend_threads.run(taken.namesakes, name))

    @transaction.atomic
    def create() -> tuple[Viewer, str]:
        viewer = guests.create_guest(name, came_to=body.video)
        return viewer, guests.sign_in(request, viewer)

    viewer, session = await backend_threads.run(create)
    response = answer({"viewer": person(viewer), "token": tokens.issue_token(viewer)}, 201)
    door.set_session(request, response, session)
    guests.set_device(request, response)
    return response


@router.delete(
    "/guests/me",
    response={204: None, **ACTING},
    tags=["viewers"],
    auth=viewer_auth,
    summary="Stop being a guest",
)
async def delete_guest(request: HttpRequest) -> HttpResponse:
    """End the guest's tokens, sessions and streams everywhere, as logging out does. What they have written stays."""
    viewer = acting_viewer(request)
    if not viewer.is_guest:
        raise Forbidden("This is for guests: an account signs out, or gets a new password.")
    await backend_threads.run(guests.end_guest, viewer)
    return HttpResponse(status=204)
