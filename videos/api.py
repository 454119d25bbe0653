"""The REST API, `/api/v1/`: parse, ask who it is, act, answer. OpenAPI at `openapi.json`, docs at `docs`.

Hop: the first one of a like. Calls interactions; errors are `{"code", "detail"}` with the status that says whose
mistake it was. Answers are built by representation and sent as they are; the schemas document and check the input.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import orjson
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Path, Query
from ninja.errors import HttpError, ValidationError
from ninja.security import APIKeyCookie, HttpBearer
from pydantic import Field

from liveplatform import __version__
from realtime import tickets
from realtime.events import TopicName, now_ms, position_in, topic_name
from realtime.frontend import TOPICS_MAX
from realtime.limits import Limited, even_out
from realtime.process import ConnectionGone, NodeSilent, process
from realtime.store import StoreUnavailable, TopicGone
from realtime.threads import backend_threads
from videos import auth, interactions, schemas
from videos.auth import CsrfFailed, Unauthorized, require_claim, require_viewer, viewer_of
from videos.commands import react
from videos.interactions import Claim
from videos.limits import ANONYMOUS_SUBSCRIPTIONS, COMMENTS, GUESTS, LIKES, SAW, SUBSCRIPTIONS
from videos.models import Video, Viewer
from videos.names import clean_name
from videos.representation import person
from videos.text import check_playlist, clean_title
from videos.topics import comments_json, full_json, visible_video, with_viewers
from videos.watching import viewers_json
from web import limits, parsing
from web.openapi import ANYBODY, TAGS, Api
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused, SignedOut
from web.schemas import Error, Id
from web.text import clean_body, clean_text

logger = logging.getLogger(__name__)

PAGE_MAX = 100
SEQ_MAX = 2**63 - 1  # of a bigint
RETRY_SECONDS = 2


T = TypeVar("T")
Who = Callable[[HttpRequest], Awaitable[Viewer | Claim]]


class Bearer(HttpBearer):
    """For the docs: the check itself is `who`, the same for both ways."""

    def __init__(self, who: Who) -> None:
        super().__init__()
        self._who = who

    async def authenticate(self, request: HttpRequest, token: str) -> Viewer | Claim:
        return await self._who(request)


class Session(APIKeyCookie):
    param_name = "sessionid"

    def __init__(self, who: Who) -> None:
        super().__init__(csrf=False)  # `who` checks it
        self._who = who

    async def authenticate(self, request: HttpRequest, key: str | None) -> Viewer | Claim:
        return await self._who(request)


viewer_auth = [Bearer(require_viewer), Session(require_viewer)]
claim_auth = [Bearer(require_claim), Session(require_claim)]
api = Api(
    title="liveplatform",
    version=__version__,
    description=(
        "Live interactions on live video. Ids are UUIDs, times epoch milliseconds, errors {code, detail}; 429 and 503"
        " carry Retry-After. What happens meanwhile comes over event streams and WebSockets: docs/protocol.md."
    ),
    servers=[{"url": "/", "description": "This site"}],
    openapi_extra={
        "info": {"license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"}},
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
    },
    parser=parsing.StrictParser(),
    urls_namespace="api",
    openapi_url=None,  # liveplatform.urls has views of our own for both
    docs_url=None,
)

VideoId = Annotated[Id, Path()]
CommentId = Annotated[Id, Path()]
Limit = Annotated[int, Field(ge=1, le=PAGE_MAX)]


def _errors(*statuses: int) -> dict[Any, Any]:
    return dict.fromkeys(statuses, Error)


READING = _errors(400, 401, 404, 422, 503)
ACTING = _errors(400, 401, 403, 404, 409, 422, 429, 503)
SENDING = _errors(400, 401, 403, 404, 409, 413, 415, 422, 429, 503)


def answer(data: Any, status: int = 200) -> HttpResponse:
    response = HttpResponse(orjson.dumps(data), content_type="application/json", status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def acting_viewer(request: HttpRequest) -> Viewer:
    """Return who acts, after `viewer_auth`."""
    viewer: Viewer = request.auth  # type: ignore[attr-defined]
    return viewer


def acting_claim(request: HttpRequest) -> Viewer | Claim:
    """Return who acts, after `claim_auth`."""
    who: Viewer | Claim = request.auth  # type: ignore[attr-defined]
    return who


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC)


async def _full(video: Video) -> dict[str, Any]:
    [found] = await with_viewers(await backend_threads.run(full_json, [video]))
    return found


# Viewers


@api.post("/guests", response={201: schemas.GuestOut, **SENDING}, tags=["viewers"], summary="Become a guest")
async def create_guest(request: HttpRequest, body: schemas.GuestIn) -> HttpResponse:
    """Become a viewer with a name: answers a bearer token and sets the session."""
    clean_name(body.name)
    limits.take(GUESTS, limits.network(request))

    def create() -> tuple[Viewer, str]:
        viewer = auth.create_guest(body.name)
        return viewer, auth.sign_in(request, viewer)

    viewer, session = await backend_threads.run(create)
    response = answer({"viewer": person(viewer), "token": auth.issue_token(viewer)}, 201)
    auth.set_session(request, response, session)
    auth.set_device(request, response)
    return response


@api.delete(
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


@api.post(
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
    watcher = await auth.watcher_on(await viewer_of(request))
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


@api.post(
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
            await auth.watcher_on(viewer, session=session),
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
        return topic_name(text)
    except ValueError as error:
        raise Invalid("A topic looks like video:<id>.", code="invalid_topic") from error


@api.get("/time", response={200: schemas.TimeOut}, tags=["viewers"], summary="Read the server's clock")
async def read_time(request: HttpRequest) -> HttpResponse:
    """Tell the time, for clients that say when they have read a frame."""
    return answer({"now_ms": now_ms()})


@api.post("/saw", response={200: schemas.SawOut, **SENDING}, tags=["viewers"], summary="Say what was seen")
async def saw(request: HttpRequest, body: schemas.SawIn) -> HttpResponse:
    """Acknowledge frames, on a stream whose `hello` has asked for it by `sample`. Any node takes the call.

    `seen` is how many of them were waited for: what comes twice, too late, or was never sent there changes nothing.
    """
    limits.take(SAW, limits.network(request))
    try:
        return answer({"seen": await process.saw(body.connection, body.frames)})
    except ConnectionGone as error:
        raise _stream_ended() from error


# Videos


@api.get("/videos", response={200: schemas.VideoPage, **READING}, tags=["videos"], summary="List public videos")
async def list_videos(
    request: HttpRequest,
    status: Literal["upcoming", "live", "ended"] | None = None,
    cursor: Annotated[Id | None, Query()] = None,
    limit: Limit = 20,
) -> HttpResponse:
    """Newest first; `next` is the cursor of the following page."""
    check_query(request, "status", "cursor", "limit")

    def read() -> list[dict[str, Any]]:
        chosen = Q(visibility=Video.Visibility.PUBLIC)
        if status is not None:
            chosen &= Q(status=status)
        if cursor is not None:
            chosen &= Q(id__lt=cursor)
        return full_json(list(Video.objects.filter(chosen).select_related("owner").order_by("-id")[: limit + 1]))

    found = await backend_threads.run(read)
    items = await with_viewers(found[:limit])
    more = len(found) > limit
    return answer({"items": items, "next": items[-1]["id"] if more else None})


def check_query(request: HttpRequest, *names: str) -> None:
    """Raises Invalid for a filter that there is not, or that is given twice: an answer to less would mislead."""
    for name, values in request.GET.lists():
        if name not in names or len(values) > 1:
            raise Invalid(f"Only {', '.join(names)} can be asked for here, each once.", code="unknown_filter")


@api.get(
    "/videos/{video_id}",
    response={200: schemas.VideoOut, **READING},
    tags=["videos"],
    summary="Get a video",
    openapi_extra=ANYBODY,
)
async def get_video(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    viewer = await viewer_of(request)
    return answer(await _full(await backend_threads.run(visible_video, video_id, viewer)))


@api.post(
    "/videos",
    response={201: schemas.VideoOut, **SENDING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Announce a video (broadcasters)",
)
async def create_video(request: HttpRequest, body: schemas.VideoIn) -> HttpResponse:
    fields = _video_fields(body.model_dump())
    video = await backend_threads.run(interactions.create_video, acting_viewer(request), **fields)
    return answer(await _full(video), 201)


@api.patch(
    "/videos/{video_id}",
    response={200: schemas.VideoOut, **SENDING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Change a video (its broadcaster)",
)
async def update_video(request: HttpRequest, video_id: VideoId, body: schemas.VideoPatch) -> HttpResponse:
    fields = _video_fields(body.model_dump(exclude_unset=True))
    video = await backend_threads.run(interactions.update_video, video_id, acting_viewer(request), **fields)
    return answer(await _full(video))


def _video_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return the model's fields of a body. Raises Invalid."""
    fields = dict(given)
    if "starts_at_ms" in fields:
        fields["starts_at"] = _moment(fields.pop("starts_at_ms"))
    for name, clean in (("title", clean_title), ("description", clean_text)):
        if name in fields:
            fields[name] = clean(fields[name])
    check_playlist(fields.get("playlist", ""))
    return fields


@api.post(
    "/videos/{video_id}/start",
    response={200: schemas.VideoOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="Go live (its broadcaster)",
)
async def start_video(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    return answer(await _full(await backend_threads.run(interactions.start_video, video_id, acting_viewer(request))))


@api.post(
    "/videos/{video_id}/end",
    response={200: schemas.VideoOut, **ACTING},
    tags=["videos"],
    auth=viewer_auth,
    summary="End the broadcast (its broadcaster)",
)
async def end_video(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    return answer(await _full(await backend_threads.run(interactions.end_video, video_id, acting_viewer(request))))


@api.get(
    "/videos/{video_id}/viewers",
    response={200: schemas.ViewersOut, **READING},
    tags=["videos"],
    summary="Get who watches a video",
    openapi_extra=ANYBODY,
)
async def get_viewers(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    """How many watch now, at the peak and in all, each viewer counted once; and whom of them you may know.

    `people` is null in a room of more than 50 viewers: there `known` tells how many they are.
    """
    return answer(await viewers_json(video_id, await viewer_of(request)))


# Likes and reactions


@api.put(
    "/videos/{video_id}/like",
    response={200: schemas.MyLike, **SENDING},
    tags=["likes"],
    auth=claim_auth,
    summary="Like a video",
)
async def put_like(request: HttpRequest, video_id: VideoId, body: schemas.LikeIn) -> HttpResponse:
    """One like per viewer and video: repeating changes nothing, another kind replaces it."""
    who = acting_claim(request)
    limits.take(LIKES, who)
    return answer(await interactions.like(video_id, who, body.kind))


@api.delete(
    "/videos/{video_id}/like",
    response={200: schemas.MyLike, **ACTING},
    tags=["likes"],
    auth=claim_auth,
    summary="Take a like back",
)
async def delete_like(request: HttpRequest, video_id: VideoId) -> HttpResponse:
    who = acting_claim(request)
    limits.take(LIKES, who)
    return answer(await interactions.unlike(video_id, who))


@api.post(
    "/videos/{video_id}/reactions",
    response={202: None, **SENDING},
    tags=["likes"],
    auth=viewer_auth,
    summary="Send a burst of taps",
)
async def create_reaction(request: HttpRequest, video_id: VideoId, body: schemas.ReactionIn) -> HttpResponse:
    await react(acting_viewer(request), video_id, body.kind, body.count)
    return HttpResponse(status=202)


# Comments


@api.post(
    "/videos/{video_id}/comments",
    response={201: schemas.CommentOut, **SENDING},
    tags=["comments"],
    auth=claim_auth,
    summary="Write a comment",
)
async def create_comment(request: HttpRequest, video_id: VideoId, body: schemas.CommentIn) -> HttpResponse:
    who = acting_claim(request)
    clean_body(body.body)
    limits.take(COMMENTS, who)
    made = await interactions.comment(video_id, who, body.body, reply_to=body.reply_to, client_id=body.client_id)
    return answer(made, 201)


@api.get(
    "/videos/{video_id}/comments",
    response={200: schemas.CommentPage, **READING},
    tags=["comments"],
    summary="List comments",
    openapi_extra=ANYBODY,
)
async def list_comments(
    request: HttpRequest,
    video_id: VideoId,
    before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    limit: Limit = 50,
) -> HttpResponse:
    """Newest first; `next` is the `before` of the following page."""
    check_query(request, "before", "limit")
    viewer = await viewer_of(request)

    def read() -> list[dict[str, Any]]:
        video = visible_video(video_id, viewer)
        chosen = "AND c.deleted_at IS NULL AND c.seq < %s ORDER BY c.seq DESC LIMIT %s"
        return comments_json(video, chosen, SEQ_MAX if before is None else before, limit + 1)

    found = await backend_threads.run(read)
    items = found[:limit]
    return answer({"items": items, "next": items[-1]["seq"] if len(found) > limit else None})


@api.delete(
    "/videos/{video_id}/comments/{comment_id}",
    response={204: None, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Delete a comment (its author, moderators)",
)
async def delete_comment(request: HttpRequest, video_id: VideoId, comment_id: CommentId) -> HttpResponse:
    await backend_threads.run(interactions.delete_comment, video_id, comment_id, acting_viewer(request))
    return HttpResponse(status=204)


@api.put(
    "/videos/{video_id}/comments/{comment_id}/pin",
    response={204: None, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Pin a comment (moderators)",
)
async def pin_comment(request: HttpRequest, video_id: VideoId, comment_id: CommentId) -> HttpResponse:
    await backend_threads.run(interactions.pin_comment, video_id, comment_id, acting_viewer(request))
    return HttpResponse(status=204)


@api.delete(
    "/videos/{video_id}/comments/{comment_id}/pin",
    response={204: None, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Unpin a comment (moderators)",
)
async def unpin_comment(request: HttpRequest, video_id: VideoId, comment_id: CommentId) -> HttpResponse:
    await backend_threads.run(interactions.unpin_comment, video_id, comment_id, acting_viewer(request))
    return HttpResponse(status=204)


# Errors: one owner each


def error(status: int, code: str, detail: str, *, retry_seconds: int = 0) -> HttpResponse:
    response = answer({"code": code, "detail": detail}, status)
    if retry_seconds:
        response.headers["Retry-After"] = str(retry_seconds)
    return response


STATUSES: dict[type[Refused], int] = {
    SignedOut: 401,
    NotFound: 404,
    Forbidden: 403,
    Conflict: 409,
    Invalid: 422,
    Refused: 400,
}


_handlers: dict[type[Exception], Callable[[Any], HttpResponse]] = {}


def _handle(kind: type[Exception], handler: Callable[[Any], HttpResponse]) -> None:
    _handlers[kind] = handler
    api.add_exception_handler(kind, lambda request, exception: handler(exception))


def _http_error(problem: HttpError) -> HttpResponse:
    """Answer django-ninja's own error; where it only wraps what our parser said, answer that."""
    for kind in type(problem.__cause__).__mro__:
        if kind in _handlers and kind is not Exception:
            return _handlers[kind](problem.__cause__)
    return error(problem.status_code, "error", str(problem))


def _first_problem(problem: ValidationError) -> HttpResponse:
    first = problem.errors[0] if problem.errors else {"loc": (), "msg": "The input is not valid."}
    where = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    if first["loc"][:1] == ("path",):
        return error(404, "not_found", "There is no such thing.")
    if tuple(first["loc"]) == ("body", "body"):
        return error(400, "malformed", "The body is empty.")
    message = str(first["msg"]).removeprefix("Value error, ")
    detail = f"{'.'.join(where)}: {message}" if where else message
    return error(422, "invalid", detail[:300])


def _unexpected(exception: Exception) -> HttpResponse:
    logger.error("API: unexpected error", exc_info=exception)
    return error(500, "internal", "This is our mistake; it has been logged.")


def _unavailable(_: StoreUnavailable) -> HttpResponse:
    limits.give_back()
    return error(503, "unavailable", "The database is away, try again in a moment.", retry_seconds=RETRY_SECONDS)


_handle(Refused, lambda refusal: error(STATUSES[type(refusal)], refusal.code, refusal.detail))
_handle(Unauthorized, lambda problem: error(401, "unauthenticated", str(problem)))
_handle(CsrfFailed, lambda problem: error(403, "csrf", str(problem)))
_handle(parsing.Malformed, lambda problem: error(400, "malformed", str(problem)))
_handle(parsing.UnsupportedMediaType, lambda problem: error(415, "unsupported_media_type", str(problem)))
_handle(ValidationError, _first_problem)
_handle(Http404, lambda _: error(404, "not_found", "There is no such thing."))
_handle(HttpError, _http_error)
_handle(SuspiciousOperation, lambda _: error(400, "bad_request", "The request is not valid."))
_handle(
    Limited,
    lambda limited: error(
        429, "too_often", f"Wait {limited.retry_seconds} s and try again.", retry_seconds=limited.retry_seconds
    ),
)
_handle(StoreUnavailable, _unavailable)
_handle(
    NodeSilent,
    lambda _: error(503, "unavailable", "The stream's node did not answer.", retry_seconds=RETRY_SECONDS),
)
_handle(Exception, _unexpected)
