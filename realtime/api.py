"""The platform's own calls: tickets, what a stream watches, the clock, and what was seen.

A site has them below `/api/v1/` (realtime.urls), or adds `router` to an API of its own.
"""

from __future__ import annotations

import time
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import Field

from realtime import act_limits
from realtime.answers import ANYBODY, SENDING, Error, In, answer
from realtime.edge import tickets
from realtime.edge.admission import identify
from realtime.edge.csrf import check_csrf
from realtime.edge.handshake import Refusal
from realtime.edge.tickets import EXPIRES_MAX_SECONDS, EXPIRES_MIN_SECONDS, EXPIRES_SECONDS
from realtime.events import MS_MAX, POSITION, TopicName, now_ms, position_in
from realtime.identity import ANONYMOUS, Identity
from realtime.limits import RateLimit, even_out
from realtime.log.store import TopicGone
from realtime.node.acknowledgements import ENTRIES_MAX
from realtime.node.connections import NODE_ID, TOPICS_MAX, ConnectionGone
from realtime.node.process import process
from realtime.registry import registry

SUBSCRIPTIONS = RateLimit(burst=60, per_second=5)  # per viewer
ANONYMOUS_SUBSCRIPTIONS = RateLimit(burst=300, per_second=25)  # per address
SAW = RateLimit(burst=200, per_second=50)  # per address; each of the 200 viewers of a node's sample sends one every 5 s
_POSITION = f"^{registry.topic_pattern}{POSITION}$"
_CONNECTION = f"^[A-Za-z0-9_-]{{1,64}}@{NODE_ID.pattern}$"

TopicField = Annotated[str, Field(json_schema_extra={"pattern": f"^{registry.topic_pattern}$"})]

ConnectionField = Annotated[
    str,
    Field(
        max_length=200,
        description="What the stream's `hello` said.",
        json_schema_extra={"pattern": _CONNECTION},
    ),
]


class TicketIn(In):
    topics: Annotated[list[TopicField], Field(min_length=1, max_length=TOPICS_MAX)] = Field(
        examples=[[f"{next(iter(registry.kinds))}:01a20c4b-3598-7508-8132-5e721642feef"]]
    )
    expires_in: Annotated[int, Field(ge=EXPIRES_MIN_SECONDS, le=EXPIRES_MAX_SECONDS)] = Field(
        EXPIRES_SECONDS, description="Seconds for which the ticket opens streams, and lets them come back."
    )


class SubscribeIn(In):
    topic: TopicField
    after: Annotated[str, Field(pattern=_POSITION)] | Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        None,
        description="How far the topic was followed: `<topic>@<epoch>.<seq>`. A bare seq is one of an unknown epoch.",
    )


class SubscriptionsIn(In):
    connection: ConnectionField
    subscribe: Annotated[list[SubscribeIn], Field(max_length=TOPICS_MAX, default_factory=list)]
    unsubscribe: Annotated[list[TopicField], Field(max_length=TOPICS_MAX, default_factory=list)]


Sighting = Annotated[list[Annotated[int, Field(ge=0, le=MS_MAX)]], Field(min_length=2, max_length=2)]


class SawIn(In):
    connection: ConnectionField
    frames: Annotated[list[Sighting], Field(max_length=ENTRIES_MAX)] = Field(
        description="Of each frame the `n` of its `hops`, and when it was read, by the server's clock, in epoch ms."
    )


class SawOut(Schema):
    seen: int


class TimeOut(Schema):
    now_ms: int


class Subscribed(Schema):
    seq: int | None = None
    error: Error | None = None


class SubscriptionsOut(Schema):
    topics: dict[str, Subscribed]


class TicketOut(Schema):
    ticket: str
    expires_in: int


router = Router()


@router.post(
    "/tickets",
    response={200: TicketOut, **SENDING},
    tags=["viewers"],
    summary="Get a ticket",
    openapi_extra=ANYBODY,
)
async def create_ticket(request: HttpRequest, body: TicketIn) -> HttpResponse:
    """Get a ticket for `EventSource` or `WebSocket` of another origin or client: `?ticket=…`.

    Needs nobody's identity for public topics.
    """
    identity = await _identity_of(request)
    topics = [_topic(text) for text in dict.fromkeys(body.topics)]
    began = time.monotonic()
    for topic in topics:
        try:
            await process.node().prepare(topic, identity)
        except TopicGone as error:
            await even_out(began)
            raise Refusal(404, "not_found", "There is no such topic.") from error
    ticket = tickets.issue(topics, identity, expires_in_seconds=body.expires_in)
    return answer({"ticket": ticket, "expires_in": body.expires_in})


TOPIC_ERRORS = {
    "not_found": "There is no such topic.",
    "too_many_topics": f"A connection may have {TOPICS_MAX} topics at most.",
    "unavailable": "The database is away, try again in a moment.",
}


@router.post(
    "/subscriptions",
    response={200: SubscriptionsOut, **SENDING},
    tags=["viewers"],
    summary="Change what an open stream watches",
    openapi_extra=ANYBODY,
)
async def change_subscriptions(request: HttpRequest, body: SubscriptionsIn) -> HttpResponse:
    """Add topics to an open stream and take topics from it, without reconnecting. Any node takes the call.

    `connection` is what the stream's `hello` said. The stream gets `subscribed` for each new topic, then what was
    missed since `after`. 404 `connection_gone`: the stream has ended, open another one.

    Topics are taken away first, then added. One that is named twice counts once, as it stands last.
    """
    identity = await _identity_of(request)
    if identity.viewer_id:
        act_limits.take(SUBSCRIPTIONS, identity.viewer_id)
    else:
        act_limits.take(ANONYMOUS_SUBSCRIPTIONS, act_limits.network(request))
    subscribe = {(topic := _topic(asked.topic)): position_in(topic, asked.after) for asked in body.subscribe}
    unsubscribe = {_topic(text) for text in body.unsubscribe}
    began = time.monotonic()
    try:
        answers = await process.change_topics(
            body.connection, identity, subscribe=subscribe, unsubscribe=list(unsubscribe)
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


@router.get("/time", response={200: TimeOut}, tags=["viewers"], summary="Read the server's clock")
async def read_time(request: HttpRequest) -> HttpResponse:
    """Tell the time, for clients that say when they have read a frame."""
    return answer({"now_ms": now_ms()})


@router.post("/saw", response={200: SawOut, **SENDING}, tags=["viewers"], summary="Say what was seen")
async def saw(request: HttpRequest, body: SawIn) -> HttpResponse:
    """Acknowledge frames, on a stream whose `hello` has asked for it by `sample`. Any node takes the call.

    `seen` is how many of them were waited for: what comes twice, too late, or was never sent there changes nothing.
    """
    act_limits.take(SAW, act_limits.network(request))
    try:
        return answer({"seen": await process.saw(body.connection, body.frames)})
    except ConnectionGone as error:
        raise _stream_ended() from error


async def _identity_of(request: HttpRequest) -> Identity:
    """Return the identity that the request comes for. A session counts only together with its CSRF token.

    Raises Refusal.
    """
    sent = {b"cookie": request.META.get("HTTP_COOKIE"), b"authorization": request.META.get("HTTP_AUTHORIZATION")}
    headers = {name: value.encode("latin1") for name, value in sent.items() if value}
    identity = await identify(headers) if headers else ANONYMOUS
    if identity.session:
        check_csrf(request)
    return identity


def _stream_ended() -> Refusal:
    return Refusal(404, "connection_gone", "The stream has ended: open another one.")


def _topic(text: str) -> TopicName:
    try:
        return registry.topic(text)
    except ValueError as error:
        raise Refusal(422, "invalid_topic", f"{error}.".capitalize()) from error
