"""The REST API of reminders and messages to browsers, below `/api/v1/`.

Calls reminders; errors are answered by web.errors.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from accounts.models import Viewer
from accounts.requests import acting_viewer, viewer_auth
from following import reminders, schemas
from following.limits import FOLLOWS
from following.models import PushDevice
from following.push import public_key
from realtime import act_limits
from realtime.answers import SENDING, answer
from realtime.log.threads import backend_threads
from web.answers import ACTING
from web.schemas import Id

router = Router()
VideoId = Annotated[Id, Path()]


@router.get(
    "/videos/{video_id}/reminder",
    response={200: schemas.ReminderOut, **ACTING},
    tags=["channels"],
    auth=viewer_auth,
    summary="Get whether you get a message before a video starts",
)
async def get_reminder(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    return answer({"reminds": await backend_threads.run(reminders.is_reminded, video_id, acting_viewer(request))})


@router.put(
    "/videos/{video_id}/reminder",
    response={204: None, **ACTING},
    tags=["channels"],
    auth=viewer_auth,
    summary="Get a message before a video starts",
)
async def set_reminder(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """Ten minutes before, and when it is live; by the browsers of `PUT /me/push`. 409 `not_upcoming`: it has begun."""
    viewer = acting_viewer(request)
    act_limits.take(FOLLOWS, viewer)
    await backend_threads.run(reminders.remind, video_id, viewer)
    return HttpResponse(status=204)


@router.delete(
    "/videos/{video_id}/reminder",
    response={204: None, **ACTING},
    tags=["channels"],
    auth=viewer_auth,
    summary="Get no message any more",
)
async def delete_reminder(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    viewer = acting_viewer(request)
    act_limits.take(FOLLOWS, viewer)
    await backend_threads.run(reminders.forget_reminder, video_id, viewer)
    return HttpResponse(status=204)


@router.get(
    "/me/push",
    response={200: schemas.PushOut, **ACTING},
    tags=["channels"],
    auth=viewer_auth,
    summary="Get what a browser needs to show you messages",
)
async def get_push(request: HttpRequest) -> HttpResponse:
    def read(viewer: Viewer) -> dict[str, Any]:
        devices = PushDevice.objects.filter(viewer=viewer).count()
        return {"key": public_key(), "devices": devices, "mail": reminders.takes_mail(viewer)}

    return answer(await backend_threads.run(read, acting_viewer(request)))


@router.put(
    "/me/push",
    response={204: None, **SENDING},
    tags=["channels"],
    auth=viewer_auth,
    summary="Have a browser show you messages",
)
async def put_push(request: HttpRequest, body: schemas.PushIn) -> HttpResponse:
    """As long as you are signed in with it. The push service must be one of `LIVE_PUSH_ORIGINS`."""
    viewer = acting_viewer(request)
    act_limits.take(FOLLOWS, viewer)
    by_token = "Authorization" in request.headers
    await backend_threads.run(
        reminders.keep_device,
        viewer,
        endpoint=body.endpoint,
        p256dh=body.keys.p256dh,
        auth=body.keys.auth,
        session_key="" if by_token else request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""),
    )
    return HttpResponse(status=204)


@router.delete(
    "/me/push",
    response={204: None, **ACTING},
    tags=["channels"],
    auth=viewer_auth,
    summary="Have no browser show you messages",
)
async def delete_push(request: HttpRequest) -> HttpResponse:
    await backend_threads.run(reminders.forget_devices, acting_viewer(request))
    return HttpResponse(status=204)
