"""Screening in the API: the rules and words of a channel, and the comments that wait for a moderator."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from accounts.requests import acting_viewer, viewer_auth
from realtime.answers import ANYBODY, SENDING, answer
from realtime.log.threads import backend_threads
from videos import channel_rules, gate, held, schemas
from web.answers import ACTING, READING, Limit, check_query
from web.schemas import Id

router = Router()
VideoId = Annotated[Id, Path()]
HeldId = Annotated[Id, Path()]
ChannelId = Annotated[Id, Path()]


@router.get(
    "/channels/{channel_id}/rules",
    response={200: schemas.RulesOut, **READING},
    tags=["comments"],
    summary="Get the rules for comments of a channel",
    openapi_extra=ANYBODY,
)
async def get_rules(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    """A channel has the id of its broadcaster."""
    return answer(await backend_threads.run(channel_rules.rules_of, channel_id))


@router.patch(
    "/channels/{channel_id}/rules",
    response={200: schemas.RulesOut, **SENDING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Change the rules for comments (the broadcaster, moderators)",
)
async def update_rules(request: HttpRequest, channel_id: ChannelId, body: schemas.RulesIn) -> HttpResponse:
    changes = body.dict(exclude_unset=True)
    return answer(await backend_threads.run(channel_rules.set_rules, channel_id, acting_viewer(request), changes))


@router.get(
    "/channels/{channel_id}/words",
    response={200: schemas.WordsOut, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Get the lists of words of a channel (the broadcaster, moderators)",
)
async def get_words(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    return answer(await backend_threads.run(channel_rules.words_of, channel_id, acting_viewer(request)))


@router.put(
    "/channels/{channel_id}/words",
    response={204: None, **SENDING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Replace the lists of words of a channel (the broadcaster, moderators)",
)
async def set_words(request: HttpRequest, channel_id: ChannelId, body: schemas.WordsIn) -> HttpResponse:
    """One entry a line: `word`, `word*`, `*word*`, a phrase, or `/pattern/` as RE2 has it. Lines with # are none."""
    await backend_threads.run(
        channel_rules.set_words, channel_id, acting_viewer(request), refused=body.refused, held=body.held
    )
    return HttpResponse(status=204)


@router.get(
    "/channels/{channel_id}/gate",
    response={200: schemas.GateOut, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Get whether newcomers may comment (the broadcaster, moderators, helpers)",
)
async def get_gate(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    """Closed if `until_ms` is to come."""
    return answer(await backend_threads.run(gate.read, channel_id, acting_viewer(request)))


@router.put(
    "/channels/{channel_id}/gate",
    response={200: schemas.GateClosed, **SENDING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Close the channel to comments of newcomers (the broadcaster, moderators)",
)
async def close_gate(request: HttpRequest, channel_id: ChannelId, body: schemas.GateIn) -> HttpResponse:
    """Against an attack. What newcomers have written within `back_minutes` is deleted; that can be undone for 30 s."""
    closed, deleted = await backend_threads.run(
        gate.close, channel_id, acting_viewer(request), minutes=body.minutes, back_minutes=body.back_minutes
    )
    return answer({"gate": closed, "deleted": deleted})


@router.delete(
    "/channels/{channel_id}/gate",
    response={204: None, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Let newcomers comment again (the broadcaster, moderators)",
)
async def open_gate(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    await backend_threads.run(gate.open_again, channel_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.get(
    "/videos/{video_id}/held",
    response={200: schemas.HeldPage, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="List what waits (moderators)",
)
async def list_held(request: HttpRequest, video_id: VideoId, limit: Limit = 50) -> HttpResponse:
    """The oldest first."""
    check_query(request, "limit")
    items = await backend_threads.run(held.waiting_at, video_id, acting_viewer(request), limit)
    return answer({"items": items})


@router.post(
    "/videos/{video_id}/held/{held_id}",
    response={201: schemas.CommentOut | schemas.ApprovedQuestion, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Approve what waits (moderators)",
)
async def approve_held(request: HttpRequest, video_id: VideoId, held_id: HeldId) -> HttpResponse:
    """It is published now, and has another id."""
    return answer((await backend_threads.run(held.approve, video_id, held_id, acting_viewer(request))).data, 201)


@router.delete(
    "/videos/{video_id}/held/{held_id}",
    response={204: None, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Deny what waits (moderators)",
)
async def deny_held(request: HttpRequest, video_id: VideoId, held_id: HeldId) -> HttpResponse:
    await backend_threads.run(held.deny, video_id, held_id, acting_viewer(request))
    return HttpResponse(status=204)
