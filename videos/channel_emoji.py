"""The emoji of a channel: small pictures that stand for `:code:` in what people write at its videos.

What is written stays `:code:`. Pages, and other clients that want to, draw the picture of the code; without a picture
the code is what one reads. Called by the API, the page of the rules, the admin, and by videos.topics for the pages.
Each change is an event on the topics of those videos where somebody may write. Pages of other videos know it when they
are loaded again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from accounts.models import Viewer
from moderation import audit
from realtime.events import TopicName
from realtime.log import writer as log
from videos.models import ChannelEmoji, Video
from videos.rights import may_broadcast
from web.refusals import Conflict, Invalid, NotFound
from web.statements import rows
from web.uploads import as_png

EMOJI_MAX = 50
PIXELS = 72  # each way
VIDEOS_MAX = 100
"""Of those that learn of a change at once, the newest."""
CODE_MIN, CODE_MAX = 2, 32  # characters
CODE = "[0-9_]*[a-z][a-z0-9_]*"
"""A letter at least: `12:00:30` is a time. A pattern for Python, OpenAPI and forms."""
CODES_OF = (
    "CASE WHEN r.emoji_only THEN"
    " (SELECT array_agg(e.code) FROM videos_channelemoji e WHERE e.owner_id = v.owner_id) END AS emoji_codes"
)
"""SQL, of a channel's rules `r` and a video `v`: the codes, where only emoji may be written."""


def urls_of(owner_id: UUID) -> dict[str, str]:
    """Return the address of the picture of each code. One query."""
    found = rows("SELECT code, id FROM videos_channelemoji WHERE owner_id = %s ORDER BY code", [owner_id])
    return {code: url_of(id) for code, id in found}


def url_of(emoji_id: UUID) -> str:
    return f"/api/v1/emoji/{emoji_id}"


def emoji_json(emoji: ChannelEmoji) -> dict[str, str]:
    return {"code": emoji.code, "url": url_of(emoji.id)}


def emoji_of(owner_id: UUID) -> list[dict[str, str]]:
    """Return the emoji of a channel, by their codes. Raises NotFound."""
    _channel(owner_id)
    return [{"code": code, "url": url} for code, url in urls_of(owner_id).items()]


def picture_of(emoji_id: UUID) -> bytes | None:
    found = ChannelEmoji.objects.filter(id=emoji_id, owner__is_active=True).values_list("data", flat=True).first()
    return bytes(found) if found is not None else None


def as_emoji(kind: str, data: bytes) -> bytes:
    """Return a picture as it is kept. Blocks. Raises Invalid."""
    return as_png(kind, data, PIXELS)


def check_code(code: str) -> None:
    """Raises Invalid."""
    if not CODE_MIN <= len(code) <= CODE_MAX or not re.fullmatch(CODE, code):
        raise Invalid("A code has 2 to 32 of these: a to z, 0 to 9, and _. One is a letter.", code="bad_code")


@transaction.atomic
def keep(owner_id: UUID, actor: Viewer, code: str, made: bytes) -> ChannelEmoji:
    """Give a code this picture, as `as_emoji` has made it, in place of the one before.

    Raises NotFound, Forbidden, Invalid (the code), Conflict (there are as many as there may be).
    """
    check_code(code)
    owner = _channel(owner_id)
    heads = _locked(owner_id, actor)
    others = ChannelEmoji.objects.filter(owner=owner)
    others.filter(code=code).delete()
    if others.count() >= EMOJI_MAX:
        raise Conflict(
            "A channel has {most} emoji at most. Delete one first.", code="too_many_emoji", most=str(EMOJI_MAX)
        )
    emoji = ChannelEmoji.objects.create(owner=owner, code=code, data=made)
    _publish(heads, "emoji_added", emoji_json(emoji))
    audit.record(heads, owner_id, "emoji_added", actor, about=emoji.id, text=str(emoji))
    return emoji


@transaction.atomic
def delete(owner_id: UUID, actor: Viewer, code: str) -> None:
    """Take a code's picture away: one reads the code again. Raises NotFound, Forbidden."""
    heads = _locked(owner_id, actor)
    emoji = ChannelEmoji.objects.filter(owner=owner_id, code=code).first()
    if emoji is None:
        raise NotFound("There is no such emoji.")
    ChannelEmoji.objects.filter(id=emoji.id).delete()
    _publish(heads, "emoji_deleted", {"code": code})
    audit.record(heads, owner_id, "emoji_deleted", actor, text=str(emoji))


def topics_of(owner_id: UUID) -> Collection[TopicName]:
    """Return the topics in which a change is published."""
    are_written_at = ~Q(status=Video.Status.ENDED) | Q(comments_after_end=True)
    found = Video.objects.filter(are_written_at, owner=owner_id).order_by("-id")
    return [TopicName(f"video:{id}") for id in found.values_list("id", flat=True)[:VIDEOS_MAX]]


def hand_over(guest: Viewer, account: Viewer) -> None:
    """Give a guest's emoji to an account. Of two with one code the account's stays."""
    own = ChannelEmoji.objects.filter(owner=account).values("code")
    ChannelEmoji.objects.filter(owner=guest).exclude(code__in=own).update(owner=account)


def _locked(owner_id: UUID, actor: Viewer) -> log.LockedHeads:
    return audit.lock_for("emoji", owner_id, actor, *topics_of(owner_id))


def _publish(heads: log.LockedHeads, name: str, emoji: Mapping[str, Any]) -> None:
    videos = [topic for topic in heads if topic.startswith("video:")]
    if videos:
        log.record_many(heads, [(topic, name, {"emoji": emoji}) for topic in videos])


def _channel(owner_id: UUID) -> Viewer:
    owner = Viewer.objects.filter(id=owner_id, is_active=True).first()
    if owner is None or not may_broadcast(owner):
        raise NotFound("There is no such channel.")
    return owner
