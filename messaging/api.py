"""The REST API of direct messages, below `/api/v1/`: parse, ask who it is, act, answer.

Calls acts and reading; errors are answered by web.errors. A conversation of others and one that
there is not look the same.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router

from accounts.models import Viewer
from accounts.representation import person
from accounts.requests import acting_claim, acting_viewer, claim_auth, viewer_auth
from accounts.schemas import TypingIn
from messaging import acts, reading, schemas, typists
from messaging.limits import CONVERSATIONS, MESSAGES
from messaging.presence import presence_of, set_hidden
from realtime.act_limits import take
from realtime.answers import SENDING, answer
from realtime.log.database import one_moment
from realtime.log.threads import backend_threads
from web.answers import ACTING, READING, Limit, check_query
from web.moments import to_ms
from web.schemas import Id
from web.text import clean_body

PLACE = r"^[0-9]{1,16}\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
"""A cursor: when the last conversation of a page was active, in epoch microseconds, and its id."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

router = Router()
ConversationId = Annotated[Id, Path()]
MessageId = Annotated[Id, Path()]
ViewerId = Annotated[Id, Path()]


# Conversations


@router.post(
    "/conversations",
    response={200: schemas.ConversationSummary, 201: schemas.ConversationSummary, **SENDING},
    tags=["messages"],
    auth=claim_auth,
    summary="Start a conversation",
)
async def start_conversation(request: HttpRequest, body: schemas.ConversationIn) -> HttpResponse:
    """Two people have one conversation: it is answered with 200 when it is there already. More make a new group."""
    who = acting_claim(request)
    take(CONVERSATIONS, who)
    started = await backend_threads.run(acts.start, who, body.members, title=body.title)
    return answer(started.summary, 201 if started.is_new else 200)


@router.get(
    "/conversations",
    response={200: schemas.ConversationPage, **READING},
    tags=["messages"],
    auth=viewer_auth,
    summary="List your conversations",
)
async def list_conversations(
    request: HttpRequest,
    before: Annotated[str | None, Query(pattern=PLACE)] = None,
    limit: Limit = 20,
) -> HttpResponse:
    """Newest activity first; `next` is the `before` of the following page."""
    check_query(request, "before", "limit")
    viewer_id = acting_claim(request).id
    place = None if before is None else _place(before)
    items, last = await backend_threads.run(reading.inbox_page, viewer_id, before=place, limit=limit)
    return answer({"items": items, "next": None if last is None else _cursor(*last)})


def _cursor(moment: datetime, id: UUID) -> str:
    return f"{(moment - EPOCH) // timedelta(microseconds=1)}.{id}"


def _place(cursor: str) -> tuple[datetime, UUID]:
    microseconds, _, id = cursor.partition(".")
    return EPOCH + timedelta(microseconds=int(microseconds)), UUID(id)


@router.get(
    "/conversations/{conversation_id}",
    response={200: schemas.ConversationSummary, **READING},
    tags=["messages"],
    auth=viewer_auth,
    summary="Get a conversation",
)
async def get_conversation(request: HttpRequest, conversation_id: ConversationId) -> HttpResponse:
    viewer_id = acting_claim(request).id

    def read() -> dict[str, Any]:
        with one_moment():
            return reading.summary(conversation_id, viewer_id)

    return answer(await backend_threads.run(read))


@router.patch(
    "/conversations/{conversation_id}",
    response={200: schemas.ConversationSummary, **SENDING},
    tags=["messages"],
    auth=claim_auth,
    summary="Rename a group",
)
async def rename_conversation(
    request: HttpRequest, conversation_id: ConversationId, body: schemas.ConversationPatch
) -> HttpResponse:
    """Any member may. 409 `not_a_group`: a conversation of two has no title."""
    who = acting_claim(request)
    take(CONVERSATIONS, who)
    return answer(await backend_threads.run(acts.rename, conversation_id, who, body.title))


@router.post(
    "/conversations/{conversation_id}/members",
    response={200: schemas.ConversationSummary, **SENDING},
    tags=["messages"],
    auth=claim_auth,
    summary="Bring somebody into a group",
)
async def add_member(request: HttpRequest, conversation_id: ConversationId, body: schemas.MemberIn) -> HttpResponse:
    """Any member may. Who is a member already stays one."""
    who = acting_claim(request)
    take(CONVERSATIONS, who)
    return answer(await backend_threads.run(acts.add_member, conversation_id, who, body.viewer_id))


@router.delete(
    "/conversations/{conversation_id}/members/{viewer_id}",
    response={204: None, **ACTING},
    tags=["messages"],
    auth=claim_auth,
    summary="Leave a group, or send a member away (who started it)",
)
async def remove_member(request: HttpRequest, conversation_id: ConversationId, viewer_id: ViewerId) -> HttpResponse:
    who = acting_claim(request)
    take(CONVERSATIONS, who)
    await backend_threads.run(acts.remove_member, conversation_id, who, viewer_id)
    return HttpResponse(status=204)


# Messages


@router.get(
    "/conversations/{conversation_id}/messages",
    response={200: schemas.MessagePage, **READING},
    tags=["messages"],
    auth=viewer_auth,
    summary="List messages",
)
async def list_messages(
    request: HttpRequest,
    conversation_id: ConversationId,
    before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    limit: Limit = 50,
) -> HttpResponse:
    """Newest first; `next` is the `before` of the following page."""
    check_query(request, "before", "limit")
    viewer_id = acting_claim(request).id
    items, following = await backend_threads.run(
        reading.message_page, conversation_id, viewer_id, before=before, limit=limit
    )
    return answer({"items": items, "next": following})


@router.post(
    "/conversations/{conversation_id}/messages",
    response={201: schemas.MessageOut, **SENDING},
    tags=["messages"],
    auth=claim_auth,
    summary="Write a message",
)
async def send_message(request: HttpRequest, conversation_id: ConversationId, body: schemas.MessageIn) -> HttpResponse:
    who = acting_claim(request)
    clean_body(body.body, what="message")
    take(MESSAGES, who)
    sent = await backend_threads.run(acts.send, conversation_id, who, body.body, client_id=body.client_id)
    return answer(sent, 201)


@router.patch(
    "/conversations/{conversation_id}/messages/{message_id}",
    response={200: schemas.MessageOut, **SENDING},
    tags=["messages"],
    auth=claim_auth,
    summary="Edit a message of your own, within 5 minutes",
)
async def edit_message(
    request: HttpRequest, conversation_id: ConversationId, message_id: MessageId, body: schemas.MessagePatch
) -> HttpResponse:
    """The members can read what it said before. An edit counts as a message for how often one may act."""
    who = acting_claim(request)
    clean_body(body.body, what="message")
    take(MESSAGES, who)
    return answer(await backend_threads.run(acts.edit, conversation_id, who, message_id, body.body))


@router.get(
    "/conversations/{conversation_id}/messages/{message_id}/versions",
    response={200: schemas.MessageVersions, **READING},
    tags=["messages"],
    auth=viewer_auth,
    summary="Read what a message said before it was edited",
)
async def list_message_versions(
    request: HttpRequest, conversation_id: ConversationId, message_id: MessageId
) -> HttpResponse:
    viewer_id = acting_claim(request).id
    found = await backend_threads.run(reading.versions_of, conversation_id, viewer_id, message_id)
    return answer({"items": [{"body": each.body, "at_ms": to_ms(each.written_at)} for each in found]})


@router.delete(
    "/conversations/{conversation_id}/messages/{message_id}",
    response={204: None, **ACTING},
    tags=["messages"],
    auth=claim_auth,
    summary="Take a message back (its author)",
)
async def delete_message(request: HttpRequest, conversation_id: ConversationId, message_id: MessageId) -> HttpResponse:
    who = acting_claim(request)
    take(MESSAGES, who)
    await backend_threads.run(acts.delete, conversation_id, who, message_id)
    return HttpResponse(status=204)


@router.put(
    "/conversations/{conversation_id}/seen",
    response={200: schemas.SeenOut, **SENDING},
    tags=["messages"],
    auth=claim_auth,
    summary="Say how far you have read",
)
async def see(request: HttpRequest, conversation_id: ConversationId, body: schemas.SeenIn) -> HttpResponse:
    """It only moves on: late or again it changes nothing."""
    return answer(await backend_threads.run(acts.see, conversation_id, acting_claim(request), body.seq))


# Typing


@router.post(
    "/conversations/{conversation_id}/typing",
    response={204: None, **SENDING},
    tags=["messages"],
    auth=viewer_auth,
    summary="Say that you are typing a message",
)
async def type_in_conversation(request: HttpRequest, conversation_id: ConversationId, body: TypingIn) -> HttpResponse:
    """Say it every few seconds while it lasts: it expires by itself. More than once in 2 s is not passed on."""
    await typists.type_in_conversation(conversation_id, acting_claim(request), is_typing=body.is_typing)
    return HttpResponse(status=204)


# Blocks


@router.get(
    "/blocks",
    response={200: schemas.People, **READING},
    tags=["messages"],
    auth=viewer_auth,
    summary="List your blocks",
)
async def list_blocks(request: HttpRequest) -> HttpResponse:
    """The viewers that you have blocked, the newest first."""
    return answer({"items": await backend_threads.run(reading.blocked_people, acting_claim(request).id)})


@router.put(
    "/blocks/{viewer_id}", response={204: None, **ACTING}, tags=["messages"], auth=claim_auth, summary="Block a viewer"
)
async def put_block(request: HttpRequest, viewer_id: ViewerId) -> HttpResponse:
    """Neither of you can write to the other alone, nor bring the other into a group. Groups that you share stay."""
    who = acting_claim(request)
    take(CONVERSATIONS, who)
    await backend_threads.run(acts.block, who, viewer_id)
    return HttpResponse(status=204)


@router.delete(
    "/blocks/{viewer_id}",
    response={204: None, **ACTING},
    tags=["messages"],
    auth=claim_auth,
    summary="Take a block back",
)
async def delete_block(request: HttpRequest, viewer_id: ViewerId) -> HttpResponse:
    who = acting_claim(request)
    take(CONVERSATIONS, who)
    await backend_threads.run(acts.unblock, who, viewer_id)
    return HttpResponse(status=204)


# Presence


def _me(viewer: Viewer, *, is_hidden: bool) -> HttpResponse:
    return answer({"viewer": person(viewer), "is_hidden": is_hidden})


@router.get("/me", response={200: schemas.Me, **READING}, tags=["viewers"], auth=viewer_auth, summary="Who you are")
async def get_me(request: HttpRequest) -> HttpResponse:
    viewer = acting_viewer(request)
    return _me(viewer, is_hidden=viewer.is_hidden)


@router.put(
    "/me/presence",
    response={200: schemas.Me, **SENDING},
    tags=["viewers"],
    auth=viewer_auth,
    summary="Be seen online, or not",
)
async def put_presence(request: HttpRequest, body: schemas.PresenceIn) -> HttpResponse:
    """Who hides looks offline to everybody, without a time, and stands in no list of who watches."""
    viewer = acting_viewer(request)
    take(CONVERSATIONS, viewer)
    await set_hidden(viewer, body.is_hidden)
    return _me(viewer, is_hidden=body.is_hidden)


@router.get(
    "/viewers/{viewer_id}/presence",
    response={200: schemas.PresenceOut, **READING},
    tags=["viewers"],
    auth=viewer_auth,
    summary="Whether a viewer is online",
)
async def get_presence(request: HttpRequest, viewer_id: ViewerId) -> HttpResponse:
    """For the viewer and for those that the viewer has written to, or started a conversation with, unless one blocks
    the other. For others there is no such viewer. `presence:<id>` has the changes.
    """
    return answer(await presence_of(viewer_id, acting_viewer(request)))
