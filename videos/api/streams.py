"""The platform's own calls: tickets, what a stream watches, the clock, and what was seen."""

from __future__ import annotations

import time

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts import identities
from accounts.requests import viewer_of
from realtime.edge import tickets
from realtime.events import TopicName, now_ms, position_in
from realtime.limits import even_out
from realtime.log.store import TopicGone
from realtime.node.connections import TOPICS_MAX, ConnectionGone
from realtime.node.process import process
from realtime.registry import registry
from videos import schemas
from videos.limits import ANONYMOUS_SUBSCRIPTIONS, SAW, SUBSCRIPTIONS
from web import limits
from web.answers import SENDING, answer
from web.openapi import ANYBODY
from web.refusals import Invalid, NotFound

router = Router()


@router.post(
    "/tickets",
    response={200: schemas.TicketOut, **SENDING},
    tags=["viewers"],
    summary="Get a ticket",
    openapi_extra=ANYBODY,
)
async def create_ticket(request: HttpRequest, body: schemas.TicketIn) -> HttpResponse:
    """Get a ticket for `EventSource` or `WebSocket` of another origin or client: `?ticket=…`.

    Needs nobody's identity for public topics.
    """
    watcher = await identities.identity_on(await viewer_of(request))
    topics = [_topic(text) for text in dict.fromkeys(body.topics)]
    began = time.monotonic()
    for topic in topics:
        try:
            await process.node().prepare(topic, watcher)
        except TopicGone as error:
            await even_out(began)
            raise NotFound("There is no such topic.") from error
    ticket = tickets.issue(topics, watcher, expires_in_seconds=body.expires_in)
    return answer({"ticket": ticket, "expires_in": body.expires_in})


TOPIC_ERRORS = {
    "not_found": "There is no such topic.",
    "too_many_topics": f"A connection may have {TOPICS_MAX} topics at most.",
    "unavailable": "The database is away, try again in a moment.",
}


@router.post(
    "/subscriptions",
    response={200: schemas.SubscriptionsOut, **SENDING},
    tags=["viewers"],
    summary="Change what an open stream watches",
    openapi_extra=ANYBODY,
)
async def change_subscriptions(request: HttpRequest, body: schemas.SubscriptionsIn) -> HttpResponse:
    """Add topics to an open stream and take topics from it, without reconnecting. Any node takes the call.

    `connection` is what the stream's `hello` said. The stream tells of each new topic by `subscribed`, then what was
    missed since `after`. 404 `connection_gone`: the stream has ended, open another one.

    Topics are taken away first, then added. One that is named twice counts once, as it stands last.
    """
    viewer = await viewer_of(request)
    session = "" if "Authorization" in request.headers else request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    if viewer:
        limits.take(SUBSCRIPTIONS, viewer)
    else:
        limits.take(ANONYMOUS_SUBSCRIPTIONS, limits.network(request))
    subscribe = {(topic := _topic(asked.topic)): position_in(topic, asked.after) for asked in body.subscribe}
    unsubscribe = {_topic(text) for text in body.unsubscribe}
    began = time.monotonic()
    try:
        answers = await process.change_topics(
            body.connection,
            await identities.identity_on(viewer, session=session),
            subscribe=subscribe,
            unsubscribe=list(unsubscribe),
        )
    except ConnectionGone as error:
        raise _stream_ended() from error
    if "not_found" in answers.values():
        await even_out(began)
    topics = {
        topic: {"error": {"code": outcome, "detail": TOPIC_ERRORS[outcome]}}
        if isinstance(outcome, str)
        else {"seq": outcome}
        for topic, outcome in answers.items()
    }
    return answer({"topics": topics})


def _stream_ended() -> NotFound:
    return NotFound("The stream has ended: open another one.", code="connection_gone")


def _topic(text: str) -> TopicName:
    try:
        return registry.topic(text)
    except ValueError as error:
        raise Invalid(f"{error}.".capitalize(), code="invalid_topic") from error


@router.get("/time", response={200: schemas.TimeOut}, tags=["viewers"], summary="Read the server's clock")
async def read_time(request: HttpRequest) -> HttpResponse:
    """Tell the time, for clients that say when they have read a frame."""
    return answer({"now_ms": now_ms()})


@router.post("/saw", response={200: schemas.SawOut, **SENDING}, tags=["viewers"], summary="Say what was seen")
async def saw(request: HttpRequest, body: schemas.SawIn) -> HttpResponse:
    """Acknowledge frames, on a stream whose `hello` has asked for it by `sample`. Any node takes the call.

    `seen` is how many of them were waited for: what comes twice, too late, or was never sent there changes nothing.
    """
    limits.take(SAW, limits.network(request))
    try:
        return answer({"seen": await process.saw(body.connection, body.frames)})
    except ConnectionGone as error:
        raise _stream_ended() from error
