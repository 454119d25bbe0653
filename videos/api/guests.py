"""Guests in the API: to become one by a name, and to stop being one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts.models import Viewer
from realtime.log.threads import backend_threads
from videos import auth, schemas
from videos.auth import acting_viewer, viewer_auth
from videos.limits import GUESTS
from videos.names import clean_name
from videos.representation import person
from web import door, limits
from web.answers import ACTING, SENDING, answer
from web.refusals import Forbidden

router = Router()


@router.post("/guests", response={201: schemas.GuestOut, **SENDING}, tags=["viewers"], summary="Become a guest")
async def create_guest(request: HttpRequest, body: schemas.GuestIn) -> HttpResponse:
    """Become a viewer with a name: answers a bearer token and sets the session."""
    clean_name(body.name)
    limits.take(GUESTS, limits.network(request))

    def create() -> tuple[Viewer, str]:
        viewer = auth.create_guest(body.name)
        return viewer, auth.sign_in(request, viewer)

    viewer, session = await backend_threads.run(create)
    response = answer({"viewer": person(viewer), "token": auth.issue_token(viewer)}, 201)
    door.set_session(request, response, session)
    auth.set_device(request, response)
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
    await backend_threads.run(auth.end_guest, viewer)
    return HttpResponse(status=204)
