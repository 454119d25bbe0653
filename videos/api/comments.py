"""Comments in the API: read, write, delete and pin."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router

from accounts.requests import acting_claim, acting_viewer, claim_auth, viewer_auth, viewer_of
from accounts.schemas import TypingIn
from moderation import audit
from moderation.limits import COMPLAINTS
from moderation.schemas import ComplaintIn
from realtime import act_limits
from realtime.answers import ANYBODY, SENDING, answer
from realtime.log.threads import backend_threads
from videos import likes, moderation, purges, reading, schemas, typists
from videos.limits import COMMENTS
from videos.topics import comments_json, visible_video
from web.answers import ACTING, READING, Limit, check_query
from web.moments import to_ms
from web.refusals import NotFound
from web.schemas import Id
from web.text import clean_body

THREAD_MAX = 200
SEQ_MAX = 2**63 - 1  # of a bigint

router = Router()
VideoId = Annotated[Id, Path()]
CommentId = Annotated[Id, Path()]
ViewerId = Annotated[Id, Path()]


@router.post(
    "/videos/{video_id}/comments",
    response={201: schemas.CommentOut, 202: schemas.HeldOut, **SENDING},
    tags=["comments"],
    auth=claim_auth,
    summary="Write a comment",
)
async def create_comment(request: HttpRequest, video_id: VideoId, body: schemas.CommentIn) -> HttpResponse:
    """202: it waits for a moderator, because the rules of the channel say so."""
    who = acting_claim(request)
    clean_body(body.body)
    act_limits.take(COMMENTS, who)
    made = await likes.comment(video_id, who, body.body, reply_to=body.reply_to, client_id=body.client_id)
    return answer(made, 202 if "held" in made else 201)


@router.get(
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


@router.get(
    "/videos/{video_id}/comments/{comment_id}/thread",
    response={200: schemas.CommentThread, **READING},
    tags=["comments"],
    summary="List a comment with its answers, and those of these",
    openapi_extra=ANYBODY,
)
async def read_thread(request: HttpRequest, video_id: VideoId, comment_id: CommentId) -> HttpResponse:
    """The oldest first, 200 at most. An answer leads to the whole thread that it is in."""
    viewer = await viewer_of(request)

    def read() -> list[dict[str, Any]]:
        video = visible_video(video_id, viewer)
        ids = reading.read_thread(video_id, comment_id, THREAD_MAX)
        return comments_json(video, "AND c.deleted_at IS NULL AND c.id = ANY(%s) ORDER BY c.seq", ids) if ids else []

    found = await backend_threads.run(read)
    if all(each["id"] != str(comment_id) for each in found):
        raise NotFound("There is no such comment.")
    return answer({"items": found})


@router.patch(
    "/videos/{video_id}/comments/{comment_id}",
    response={200: schemas.CommentOut, **SENDING},
    tags=["comments"],
    auth=claim_auth,
    summary="Edit a comment of your own, within 5 minutes",
)
async def edit_comment(
    request: HttpRequest, video_id: VideoId, comment_id: CommentId, body: schemas.CommentPatch
) -> HttpResponse:
    """What it said before is kept for moderators. An edit counts as a comment for how often one may act."""
    who = acting_claim(request)
    clean_body(body.body)
    act_limits.take(COMMENTS, who)
    return answer(await likes.edit_comment(video_id, who, comment_id, body.body))


@router.get(
    "/videos/{video_id}/comments/{comment_id}/versions",
    response={200: schemas.VersionPage, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Read what a comment said before it was edited (moderators)",
)
async def list_versions(request: HttpRequest, video_id: VideoId, comment_id: CommentId) -> HttpResponse:
    found = await backend_threads.run(moderation.versions_of, video_id, comment_id, acting_viewer(request))
    return answer({"items": [{"body": each.body, "at_ms": to_ms(each.written_at)} for each in found]})


@router.delete(
    "/videos/{video_id}/comments/{comment_id}",
    response={204: None, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Delete a comment (its author, moderators)",
)
async def delete_comment(
    request: HttpRequest, video_id: VideoId, comment_id: CommentId, reason: Annotated[str, Query()] = ""
) -> HttpResponse:
    """The reason is for the log of those who moderate."""
    check_query(request, "reason")
    await backend_threads.run(moderation.delete_comment, video_id, comment_id, acting_viewer(request), reason=reason)
    return HttpResponse(status=204)


@router.post(
    "/videos/{video_id}/comments/{comment_id}/restore",
    response={204: None, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Bring back a deleted comment, within 30 s (moderators)",
)
async def restore_comment(request: HttpRequest, video_id: VideoId, comment_id: CommentId) -> HttpResponse:
    """Takes the act back that has deleted it, with all comments that went by it. Codes of 409: `too_late`, `undone`."""
    await backend_threads.run(purges.restore_comment, video_id, comment_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.post(
    "/videos/{video_id}/comments/{comment_id}/report",
    response={204: None, **SENDING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Report a comment to the moderators",
)
async def report_comment(
    request: HttpRequest, video_id: VideoId, comment_id: CommentId, body: ComplaintIn
) -> HttpResponse:
    """The second time changes nothing. The author does not learn who has reported it."""
    reporter, remark = acting_viewer(request), audit.clean_reason(body.remark)
    act_limits.take(COMPLAINTS, reporter)
    await backend_threads.run(
        moderation.report_comment, video_id, comment_id, reporter, reason=body.reason, remark=remark
    )
    return HttpResponse(status=204)


@router.delete(
    "/channels/{channel_id}/people/{viewer_id}/comments",
    response={200: schemas.DeletedOut, **ACTING},
    tags=["moderation"],
    auth=viewer_auth,
    summary="Delete all that somebody has written in a channel",
)
async def delete_comments_of(
    request: HttpRequest, channel_id: ViewerId, viewer_id: ViewerId, reason: Annotated[str, Query()] = ""
) -> HttpResponse:
    """The newest 1,000 comments, and all questions; asked again, the next ones. `act` can be taken back within 30 s."""
    check_query(request, "reason")
    actor = acting_viewer(request)
    act, deleted = await backend_threads.run(purges.delete_comments_of, channel_id, viewer_id, actor, reason=reason)
    return answer({"act": str(act.id), "deleted": deleted})


@router.put(
    "/videos/{video_id}/comments/{comment_id}/pin",
    response={204: None, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Pin a comment (moderators)",
)
async def pin_comment(request: HttpRequest, video_id: VideoId, comment_id: CommentId) -> HttpResponse:
    await backend_threads.run(moderation.pin_comment, video_id, comment_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.delete(
    "/videos/{video_id}/comments/{comment_id}/pin",
    response={204: None, **ACTING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Unpin a comment (moderators)",
)
async def unpin_comment(request: HttpRequest, video_id: VideoId, comment_id: CommentId) -> HttpResponse:
    await backend_threads.run(moderation.unpin_comment, video_id, comment_id, acting_viewer(request))
    return HttpResponse(status=204)


@router.post(
    "/videos/{video_id}/typing",
    response={204: None, **SENDING},
    tags=["comments"],
    auth=viewer_auth,
    summary="Say that you are typing a comment",
)
async def type_at_video(request: HttpRequest, video_id: VideoId, body: TypingIn) -> HttpResponse:
    """As in a conversation. In a room of more than 50 viewers nothing is published."""
    await typists.type_at_video(video_id, acting_claim(request), is_typing=body.is_typing)
    return HttpResponse(status=204)
