"""What viewers and broadcasters do with channels: follow, describe. Committed when they return.

Called by the API, the WebSocket commands and the admin. Nothing of it is an event: a number of followers is read anew.
"""

from __future__ import annotations

import logging
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.models import Viewer
from following.models import Channel, Follow
from following.reading import ChannelFacts, read_channel
from following.text import clean_about, clean_handle
from videos.rights import may_broadcast
from web.refusals import Conflict, Forbidden

logger = logging.getLogger(__name__)

CHANGE = "following.change_channel"
FOLLOWS_MAX = 2_000


@transaction.atomic
def follow(channel_id: UUID, viewer: Viewer, *, alerts: bool) -> ChannelFacts:
    """Follow a channel, or change whether one hears of it. Again it changes nothing. Raises NotFound, Conflict."""
    channel = read_channel(channel_id)
    if channel_id == viewer.id:
        raise Conflict("This is your own channel.", code="own_channel")
    Channel.objects.get_or_create(owner_id=channel_id)
    # Its row is held first, and then the follows: so no two of these wait for each other.
    Channel.objects.select_for_update().get(owner_id=channel_id)
    if Follow.objects.filter(viewer=viewer, channel_id=channel_id).update(alerts=alerts):
        return channel
    if Follow.objects.filter(viewer=viewer).count() >= FOLLOWS_MAX:
        raise Conflict(f"You follow {FOLLOWS_MAX:,} channels. Leave one first.", code="too_many")
    Follow.objects.create(viewer=viewer, channel_id=channel_id, alerts=alerts)
    Channel.objects.filter(owner_id=channel_id).update(followers=F("followers") + 1)
    return read_channel(channel_id)


@transaction.atomic
def unfollow(channel_id: UUID, viewer: Viewer) -> None:
    """Follow a channel no longer. One that is not followed stays so."""
    if Channel.objects.select_for_update().filter(owner_id=channel_id).exists():
        gone, _ = Follow.objects.filter(viewer=viewer, channel_id=channel_id).delete()
        Channel.objects.filter(owner_id=channel_id).update(followers=F("followers") - gone)


def describe(channel_id: UUID, actor: Viewer, *, handle: str | None = None, about: str | None = None) -> ChannelFacts:
    """Change what a channel says of itself; None: as it is. Raises NotFound, Forbidden, Invalid, Conflict (taken)."""
    is_own = actor.id == channel_id and may_broadcast(actor)
    if not is_own:
        read_channel(channel_id)
        if not actor.has_perm(CHANGE):
            raise Forbidden("Only its broadcaster can change a channel.")
    changed: dict[str, str | None] = {}
    if handle is not None:
        changed["handle"] = clean_handle(handle)
    if about is not None:
        changed["about"] = clean_about(about)
    try:
        with transaction.atomic():
            Channel.objects.update_or_create(owner_id=channel_id, defaults=changed)
    except IntegrityError:
        raise Conflict("Another channel has this handle.", code="handle_taken") from None
    logger.info("channel %s described by %s", channel_id, actor.id)
    return read_channel(channel_id)
