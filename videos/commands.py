"""What a viewer may do to a video on a WebSocket: the hottest calls of the API, without a request around them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from accounts.commands import client_id_of, command, text_of
from accounts.models import Viewer
from accounts.tokens import Claim, viewer_of_claim
from moderation.commands import complaint_in, named
from moderation.limits import COMPLAINTS
from moderation.representation import entry_json
from moderation.restrictions import takes_part
from realtime import act_limits
from realtime.log.threads import backend_threads
from realtime.registry import CommandError, RunCommand
from videos import gate, held, likes, moderation, purges, reactions
from videos.limits import COMMENTS, LIKES, REACTIONS
from videos.models import Video
from videos.topics import visible_video
from web.ids import parse_id
from web.refusals import Refused
from web.text import clean_body

ActOnVideo = Callable[[Claim, UUID, dict[str, Any]], Awaitable[dict[str, Any]]]


def _on_video(act: ActOnVideo) -> RunCommand:
    """Make a command of an act on a video, which the message names."""

    async def run(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
        try:
            named = message["video"] if "video" in message else message["topic"].removeprefix("video:")
            video_id = parse_id(named)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise CommandError("invalid", 'Name the video: "video": "<id>".') from error
        return await act(who, video_id, message)

    return command(run)


async def _like(who: Claim, video_id: UUID, message: dict[str, Any]) -> dict[str, Any]:
    act_limits.take(LIKES, who)
    return await likes.like(video_id, who, text_of({"kind": "like", **message}, "kind"))


async def _unlike(who: Claim, video_id: UUID, message: dict[str, Any]) -> dict[str, Any]:
    act_limits.take(LIKES, who)
    return await likes.unlike(video_id, who)


async def _comment(who: Claim, video_id: UUID, message: dict[str, Any]) -> dict[str, Any]:
    body = clean_body(text_of(message, "body"))
    reply_to = None
    if message.get("reply_to") is not None:
        try:
            reply_to = parse_id(text_of(message, "reply_to"))
        except ValueError as error:
            raise Refused("reply_to is the id of a comment.", code="invalid") from error
    client_id = client_id_of(message)
    act_limits.take(COMMENTS, who)
    made = await likes.comment(video_id, who, body, reply_to=reply_to, client_id=client_id)
    return made if "held" in made else {"comment": made}


async def _delete(who: Claim, video_id: UUID, message: dict[str, Any]) -> dict[str, Any]:
    comment_id, reason = named(message, "comment"), text_of({"reason": "", **message}, "reason")
    entry = await backend_threads.run(
        lambda: moderation.delete_comment(video_id, comment_id, viewer_of_claim(who), reason=reason)
    )
    return {"act": entry_json(entry) if entry is not None else None}


async def _report(who: Claim, video_id: UUID, message: dict[str, Any]) -> dict[str, Any]:
    comment_id, said = named(message, "comment"), complaint_in(message)
    act_limits.take(COMPLAINTS, who)
    await backend_threads.run(lambda: moderation.report_comment(video_id, comment_id, viewer_of_claim(who), **said))
    return {}


async def _delete_all(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    channel, person = named(message, "channel"), named(message, "person")
    reason = text_of({"reason": "", **message}, "reason")
    entry, deleted = await backend_threads.run(
        lambda: purges.delete_comments_of(channel, person, viewer_of_claim(who), reason=reason)
    )
    return {"act": entry_json(entry), "deleted": deleted}


async def _edit_comment(who: Claim, video_id: UUID, message: dict[str, Any]) -> dict[str, Any]:
    body, comment_id = clean_body(text_of(message, "body")), named(message, "comment")
    act_limits.take(COMMENTS, who)
    return {"comment": await likes.edit_comment(video_id, who, comment_id, body)}


async def _react(who: Claim, video_id: UUID, message: dict[str, Any]) -> dict[str, Any]:
    count = message.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool):
        raise Refused("count is a whole number.", code="invalid")
    await react(
        await backend_threads.run(viewer_of_claim, who), video_id, text_of({"kind": "heart", **message}, "kind"), count
    )
    return {}


async def react(viewer: Viewer, video_id: UUID, kind: str, count: int) -> None:
    """Check and publish a burst of taps. Raises Refused, Limited, StoreUnavailable."""
    reactions.check_reaction(kind, count)
    act_limits.take(REACTIONS, viewer, count)

    def read() -> tuple[Video, bool]:
        video = visible_video(video_id, viewer)
        return video, takes_part(video.owner_id, viewer.id)

    video, is_seen = await backend_threads.run(read)
    if is_seen:
        reactions.react(video, kind, count)


async def _approve(who: Claim, video_id: UUID, message: dict[str, Any]) -> dict[str, Any]:
    waiting = named(message, "held")
    approved = await backend_threads.run(lambda: held.approve(video_id, waiting, viewer_of_claim(who)))
    return {approved.kind: approved.data}


async def _deny(who: Claim, video_id: UUID, message: dict[str, Any]) -> dict[str, Any]:
    waiting = named(message, "held")
    await backend_threads.run(lambda: held.deny(video_id, waiting, viewer_of_claim(who)))
    return {}


async def _close_gate(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    channel = named(message, "channel")
    closed, deleted = await backend_threads.run(lambda: gate.close(channel, viewer_of_claim(who)))
    return {"gate": closed, "deleted": deleted}


async def _open_gate(who: Claim, message: dict[str, Any]) -> dict[str, Any]:
    channel = named(message, "channel")
    await backend_threads.run(lambda: gate.open_again(channel, viewer_of_claim(who)))
    return {}


COMMANDS: dict[str, RunCommand] = {
    "like": _on_video(_like),
    "unlike": _on_video(_unlike),
    "comment": _on_video(_comment),
    "edit_comment": _on_video(_edit_comment),
    "react": _on_video(_react),
    "delete": _on_video(_delete),
    "report": _on_video(_report),
    "delete_all": command(_delete_all),
    "approve": _on_video(_approve),
    "deny": _on_video(_deny),
    "close_gate": command(_close_gate),
    "open_gate": command(_open_gate),
}
