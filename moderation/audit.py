"""The audit log: each act of moderation is a row, and an event for the moderators of its channel.

Hop: called by the acts, in their transaction, under the lock of the channel's topic (`lock`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.models import Viewer
from moderation.models import REASON_MAX, TEXT_MAX, AuditEntry
from moderation.representation import entry_json
from moderation.rights import require
from realtime.events import TopicName
from realtime.log import writer as log
from web.refusals import Invalid
from web.text import clean_text


def topic_of(owner_id: UUID) -> TopicName:
    """Return the topic that the moderators of a channel follow."""
    return TopicName(f"moderation:{owner_id}")


def topics_of(owner_ids: Iterable[UUID]) -> list[TopicName]:
    return [topic_of(owner_id) for owner_id in owner_ids]


def lock(owner_id: UUID, *topics: TopicName) -> log.LockedHeads:
    """Lock the channel's moderation together with other topics, all in the order of names. Two queries.

    Lock all topics of a transaction by one call. Otherwise two transactions could wait for each other for ever.
    """
    return lock_all([owner_id], *topics)


def lock_all(owner_ids: Iterable[UUID], *topics: TopicName) -> log.LockedHeads:
    """Do what `lock` does, for several channels."""
    channels = topics_of(owner_ids)
    log.ensure_topics(channels)
    return log.lock_topics([*channels, *topics])


def lock_for(act: str, owner_id: UUID, actor: Viewer, *topics: TopicName, as_site: bool = False) -> log.LockedHeads:
    """Do what `lock` does, for somebody who may do the act in the channel. Raises Forbidden.

    `as_site`: for the people of the site alone.
    """
    of = None if as_site else owner_id
    require(act, of, actor)
    heads = lock(owner_id, *topics)
    require(act, of, actor)  # The role may have been taken away while we waited.
    return heads


def record(
    heads: log.LockedHeads,
    owner_id: UUID | None,
    act: str,
    actor: Viewer | None,
    *,
    viewer: Viewer | None = None,
    about: UUID | None = None,
    video_id: UUID | None = None,
    text: str = "",
    reason: str = "",
    until: datetime | None = None,
) -> AuditEntry:
    """Write down an act in the channel, and publish it to its moderators after the commit. Three queries.

    `heads`: of `lock`. `actor`: None for what the site does by itself. `viewer`: the person concerned. `about`: the id
    of what the act is about, such as a comment.
    Without an owner the act is of the whole site, and nobody follows it.
    """
    head = heads[topic_of(owner_id)] if owner_id is not None else None
    entry = AuditEntry.objects.create(
        channel_id=owner_id,
        seq=head.seq + 1 if head is not None else 0,
        act=act,
        actor=actor,
        viewer=viewer,
        about=about,
        video_id=video_id,
        text=text[:TEXT_MAX],
        reason=reason,
        until=until,
    )
    if head is not None:
        log.record(head, "act", {"act": entry_json(entry)})
    return entry


def has_done(owner_id: UUID, act: str, **about: Any) -> bool:
    """Return whether the log has such an act: the second press of a button is no mistake.

    `about`: fields of the entry, such as `actor` and `about`.
    """
    return AuditEntry.objects.filter(channel=owner_id, act=act, **about).exists()


def clean_reason(reason: str) -> str:
    """Raises Invalid."""
    reason = " ".join(clean_text(reason).split())
    if len(reason) > REASON_MAX:
        raise Invalid("A reason has 200 characters at most.")
    return reason
