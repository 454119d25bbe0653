"""The REST API of moderation, below `/api/v1/`: parse, ask who it is, act, answer. A channel has its owner's id.

Calls acts, undoing and reading; errors are answered by web.errors. What is about comments is in the API of videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router

from accounts.models import Viewer
from accounts.requests import acting_viewer, viewer_auth
from moderation import acts, audit, complaints, reading, schemas, sharing, undoing
from moderation.limits import COMPLAINTS, SHARES
from moderation.representation import entry_json, note_json, restriction_json, role_json
from realtime import act_limits
from realtime.answers import SENDING, answer
from realtime.log.threads import backend_threads
from web.answers import ACTING, Limit, check_query
from web.schemas import Id

router = Router(tags=["moderation"], auth=viewer_auth)
ChannelId = Annotated[Id, Path()]
ViewerId = Annotated[Id, Path()]
ActId = Annotated[Id, Path()]
ReportedId = Annotated[Id, Path()]
Cursor = Annotated[Id | None, Query()]


# Roles


@router.get("/channels/{channel_id}/roles", response={200: schemas.RoleList, **ACTING}, summary="List who moderates")
async def list_roles(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    return answer({"items": await backend_threads.run(reading.roles, channel_id, acting_viewer(request))})


@router.put(
    "/channels/{channel_id}/roles/{viewer_id}",
    response={200: schemas.RoleOut, **SENDING},
    summary="Make somebody a moderator or helper (the broadcaster)",
)
async def give_role(
    request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId, body: schemas.RoleIn
) -> HttpResponse:
    """409 `kept_out`: they are kept out of the channel. Let them in first."""
    actor = acting_viewer(request)
    return answer(role_json(await backend_threads.run(acts.give_role, channel_id, viewer_id, actor, body.role)))


@router.delete(
    "/channels/{channel_id}/roles/{viewer_id}",
    response={204: None, **ACTING},
    summary="Take a role away (the broadcaster), or give up your own",
)
async def take_role(request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId) -> HttpResponse:
    await backend_threads.run(acts.take_role, channel_id, viewer_id, acting_viewer(request))
    return HttpResponse(status=204)


def _page(found: Sequence[dict[str, Any]], limit: int, *, by: str) -> HttpResponse:
    """Answer with a page of what was found, which is one more where another page follows."""
    items = found[:limit]
    return answer({"items": items, "next": items[-1][by] if len(found) > limit else None})


# Who is kept out


async def _restrictions(request: HttpRequest, owner_id: UUID | None, cursor: UUID | None, limit: int) -> HttpResponse:
    check_query(request, "cursor", "limit")
    actor = acting_viewer(request)
    found = await backend_threads.run(reading.restrictions, owner_id, actor, cursor, limit + 1)
    return _page(found, limit, by="id")


async def _restrict(owner_id: UUID | None, viewer_id: UUID, actor: Viewer, body: schemas.RestrictionIn) -> HttpResponse:
    made, entry = await backend_threads.run(acts.restrict, owner_id, viewer_id, actor, **body.model_dump())
    return answer({**restriction_json(made), "act": str(entry.id)})


@router.get(
    "/channels/{channel_id}/restrictions",
    response={200: schemas.RestrictionPage, **ACTING},
    summary="List who is kept out of a channel",
)
async def list_restrictions(
    request: HttpRequest, channel_id: ChannelId, cursor: Cursor = None, limit: Limit = 50
) -> HttpResponse:
    """Newest first; `next` is the cursor of the following page."""
    return await _restrictions(request, channel_id, cursor, limit)


@router.put(
    "/channels/{channel_id}/restrictions/{viewer_id}",
    response={200: schemas.RestrictionMade, **SENDING},
    summary="Keep somebody out of a channel: time-out, ban or shadow",
)
async def restrict_person(
    request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId, body: schemas.RestrictionIn
) -> HttpResponse:
    """It takes the place of what kept them out before. Under a shadow nobody else sees what they do."""
    return await _restrict(channel_id, viewer_id, acting_viewer(request), body)


@router.delete(
    "/channels/{channel_id}/restrictions/{viewer_id}",
    response={204: None, **ACTING},
    summary="Let somebody take part again",
)
async def lift_restriction(request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId) -> HttpResponse:
    await backend_threads.run(acts.lift, channel_id, viewer_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.get(
    "/restrictions", response={200: schemas.RestrictionPage, **ACTING}, summary="List who is kept out of the site"
)
async def list_site_restrictions(request: HttpRequest, cursor: Cursor = None, limit: Limit = 50) -> HttpResponse:
    """Newest first; `next` is the cursor of the following page."""
    return await _restrictions(request, None, cursor, limit)


@router.put(
    "/restrictions/{viewer_id}",
    response={200: schemas.RestrictionMade, **SENDING},
    summary="Keep somebody out of the whole site (moderators of the site)",
)
async def restrict_on_site(request: HttpRequest, viewer_id: ViewerId, body: schemas.RestrictionIn) -> HttpResponse:
    """A ban ends their sessions, tokens and streams within some seconds."""
    return await _restrict(None, viewer_id, acting_viewer(request), body)


@router.delete(
    "/restrictions/{viewer_id}",
    response={204: None, **ACTING},
    summary="Let somebody into the site again (moderators of the site)",
)
async def lift_on_site(request: HttpRequest, viewer_id: ViewerId) -> HttpResponse:
    await backend_threads.run(acts.lift, None, viewer_id, acting_viewer(request))
    return HttpResponse(status=204)


# Shared bans


@router.get(
    "/channels/{channel_id}/shares", response={200: schemas.Shares, **ACTING}, summary="List who shares bans with whom"
)
async def list_shares(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    return answer(await backend_threads.run(sharing.shares_of, channel_id, acting_viewer(request)))


@router.put(
    "/channels/{channel_id}/shares/to/{viewer_id}",
    response={204: None, **ACTING},
    summary="Share your bans with another channel (the broadcaster)",
)
async def share_bans(request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId) -> HttpResponse:
    """They count there when that channel takes them. 409 `too_many_shares`: one of you has 20."""
    actor = acting_viewer(request)
    act_limits.take(SHARES, actor)
    await backend_threads.run(sharing.share, channel_id, viewer_id, actor)
    return HttpResponse(status=204)


@router.delete(
    "/channels/{channel_id}/shares/to/{viewer_id}",
    response={204: None, **ACTING},
    summary="Share your bans with another channel no more (the broadcaster)",
)
async def stop_sharing(request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId) -> HttpResponse:
    """Your bans are over there at once. Its own stay."""
    await backend_threads.run(sharing.stop_sharing, channel_id, viewer_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.put(
    "/channels/{channel_id}/shares/by/{viewer_id}",
    response={204: None, **SENDING},
    summary="Take the bans that another channel shares (the broadcaster)",
)
async def take_bans(
    request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId, body: schemas.TakeIn
) -> HttpResponse:
    """Who is banned there is banned here, too, or in the shadow: what they write waits for review."""
    await backend_threads.run(sharing.take, channel_id, viewer_id, acting_viewer(request), body.effect)
    return HttpResponse(status=204)


@router.delete(
    "/channels/{channel_id}/shares/by/{viewer_id}",
    response={204: None, **ACTING},
    summary="Take the bans of another channel no more (the broadcaster)",
)
async def leave_bans(request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId) -> HttpResponse:
    """The other channel goes on to offer them."""
    await backend_threads.run(sharing.take, channel_id, viewer_id, acting_viewer(request), "")
    return HttpResponse(status=204)


@router.get(
    "/channels/{channel_id}/shares/people",
    response={200: schemas.SharedBanPage, **ACTING},
    summary="List who is kept out by the bans of other channels",
)
async def list_shared_bans(
    request: HttpRequest, channel_id: ChannelId, cursor: Cursor = None, limit: Limit = 50
) -> HttpResponse:
    """Newest first; `next` is the cursor of the following page. `DELETE …/restrictions/{id}` lets somebody in."""
    check_query(request, "cursor", "limit")
    found = await backend_threads.run(sharing.people_of, channel_id, acting_viewer(request), cursor, limit + 1)
    return _page(found, limit, by="id")


@router.get(
    "/channels/{channel_id}/shares/let-in",
    response={200: schemas.LetInPage, **ACTING},
    summary="List who was let in although another channel has banned them",
)
async def list_let_in(
    request: HttpRequest,
    channel_id: ChannelId,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Limit = 50,
) -> HttpResponse:
    """Earliest first; `next` is the `after` of the following page."""
    check_query(request, "after", "limit")
    found = await backend_threads.run(sharing.let_in_of, channel_id, acting_viewer(request), after, limit + 1)
    return _page(found, limit, by="id")


@router.delete(
    "/channels/{channel_id}/shares/let-in/{viewer_id}",
    response={204: None, **ACTING},
    summary="Let the bans of other channels count again for somebody",
)
async def let_in_no_more(request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId) -> HttpResponse:
    """404 `not_let_in`: nobody has let them in."""
    await backend_threads.run(sharing.let_in_no_more, channel_id, viewer_id, acting_viewer(request))
    return HttpResponse(status=204)


# What was done


@router.get(
    "/channels/{channel_id}/acts", response={200: schemas.ActPage, **ACTING}, summary="List the acts of moderation"
)
async def list_acts(
    request: HttpRequest,
    channel_id: ChannelId,
    before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    limit: Limit = 50,
) -> HttpResponse:
    """Newest first; `next` is the `before` of the following page."""
    check_query(request, "before", "limit")
    found = await backend_threads.run(reading.acts, channel_id, acting_viewer(request), before, limit + 1)
    return _page(found, limit, by="seq")


@router.post(
    "/channels/{channel_id}/acts/{act_id}/undo",
    response={200: schemas.ActOut, **ACTING},
    summary="Take an act back, within 30 s",
)
async def undo_act(request: HttpRequest, channel_id: ChannelId, act_id: ActId) -> HttpResponse:
    """Deletions, time-outs, bans, shadows and dismissals. Codes of 409: `too_late`, `undone`, `cannot_undo`."""
    return answer(entry_json(await backend_threads.run(undoing.undo, channel_id, act_id, acting_viewer(request))))


# What viewers report


@router.post(
    "/channels/{channel_id}/people/{viewer_id}/report",
    response={204: None, **SENDING},
    summary="Report somebody to those who moderate a channel",
)
async def report_person(
    request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId, body: schemas.ComplaintIn
) -> HttpResponse:
    """The second time changes nothing. They do not learn who has reported them."""
    reporter, remark = acting_viewer(request), audit.clean_reason(body.remark)
    act_limits.take(COMPLAINTS, reporter)
    await backend_threads.run(
        complaints.report_person, channel_id, viewer_id, reporter, reason=body.reason, remark=remark
    )
    return HttpResponse(status=204)


@router.get(
    "/channels/{channel_id}/reported",
    response={200: schemas.ReportedList, **ACTING},
    summary="List what viewers have reported",
)
async def list_reported(request: HttpRequest, channel_id: ChannelId) -> HttpResponse:
    """What waits for those who moderate, the newest first."""
    return answer({"items": await backend_threads.run(complaints.reported_in, channel_id, acting_viewer(request))})


@router.delete(
    "/channels/{channel_id}/reported/{reported_id}",
    response={200: schemas.ActOut, **ACTING},
    summary="Dismiss what viewers have reported",
)
async def dismiss_reported(request: HttpRequest, channel_id: ChannelId, reported_id: ReportedId) -> HttpResponse:
    """It stays as it is, and does not wait any more. The act can be taken back within 30 s."""
    actor = acting_viewer(request)
    return answer(entry_json(await backend_threads.run(complaints.dismiss, channel_id, reported_id, actor)))


# People


@router.get(
    "/channels/{channel_id}/people/{viewer_id}",
    response={200: schemas.PersonOut, **ACTING},
    summary="Get somebody's history in a channel",
)
async def get_person(request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId) -> HttpResponse:
    return answer(await backend_threads.run(reading.history, channel_id, viewer_id, acting_viewer(request)))


@router.post(
    "/channels/{channel_id}/people/{viewer_id}/notes",
    response={201: schemas.NoteOut, **SENDING},
    summary="Keep a note on somebody",
)
async def write_note(
    request: HttpRequest, channel_id: ChannelId, viewer_id: ViewerId, body: schemas.NoteIn
) -> HttpResponse:
    """Those who moderate the channel read it; the person does not."""
    actor = acting_viewer(request)
    made = await backend_threads.run(acts.write_note, channel_id, viewer_id, actor, body.body)
    return answer(note_json(made), 201)
