"""The rules and words of a channel: read and changed by its people. Called by the API, the studio and the admin.

They bind the next comment: videos.screened reads them in the transaction that stores it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Viewer
from moderation import audit, rights
from screening import followers
from screening.models import ChannelRules, ChannelWords, wordlist_of
from videos.rights import may_broadcast
from web.refusals import Invalid, NotFound

FIELDS = (
    "slow_seconds", "account_minutes", "follow_minutes", "emoji_only", "links_off", "capitals_off", "repeats_off",
    "shield", "raids_off",
)  # fmt: skip


def rules_of(owner_id: UUID) -> dict[str, Any]:
    """Return the rules of a channel, for everybody. Raises NotFound."""
    return _rules_json(ChannelRules.objects.filter(owner=_channel(owner_id)).first() or ChannelRules())


def words_of(owner_id: UUID, actor: Viewer) -> dict[str, str]:
    """Return the lists of a channel, for its people. Raises NotFound, Forbidden."""
    rights.require("rules", _channel(owner_id).id, actor)
    found = ChannelWords.objects.filter(owner=owner_id).first() or ChannelWords()
    return {"refused": found.refused, "held": found.held}


@transaction.atomic
def set_rules(owner_id: UUID, actor: Viewer, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Change some of the rules of a channel; return all. Raises NotFound, Forbidden, Invalid."""
    owner = _channel(owner_id)
    heads = audit.lock_for("rules", owner_id, actor)
    if changes.get("follow_minutes") is not None and not followers.readers:
        raise Invalid("Nobody can follow a channel on this site.", code="no_followers")
    rules, _ = ChannelRules.objects.get_or_create(owner=owner)
    for name, value in changes.items():
        setattr(rules, name, value)
    try:
        rules.clean_fields()
    except ValidationError as problem:
        raise Invalid(" ".join(problem.messages)) from problem
    rules.save()
    said = ", ".join(f"{name}: {value}" for name, value in sorted(changes.items()))
    audit.record(heads, owner_id, "rules", actor, text=said)
    return _rules_json(rules)


@transaction.atomic
def set_words(owner_id: UUID, actor: Viewer, *, refused: str, held: str) -> None:
    """Replace the lists of a channel. Raises NotFound, Forbidden, Invalid (an entry that is none)."""
    owner = _channel(owner_id)
    rights.require("rules", owner_id, actor)
    wordlist_of(refused, held)
    heads = audit.lock_for("rules", owner_id, actor)
    words, _ = ChannelWords.objects.get_or_create(owner=owner)
    words.refused, words.held = refused, held
    words.save()
    said = f"lines refused: {len(refused.splitlines())}, held: {len(held.splitlines())}"
    audit.record(heads, owner_id, "words", actor, text=said)


def _channel(owner_id: UUID) -> Viewer:
    owner = Viewer.objects.filter(id=owner_id, is_active=True).first()
    if owner is None or not may_broadcast(owner):
        raise NotFound("There is no such channel.")
    return owner


def _rules_json(rules: ChannelRules) -> dict[str, Any]:
    return {name: getattr(rules, name) for name in FIELDS}
