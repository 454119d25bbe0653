"""What moderators read about roles and acts: one JSON form for REST, events and snapshots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accounts.models import Viewer
from accounts.representation import person
from moderation.models import AuditEntry, Complaint, PersonNote, Restriction, Role
from web.moments import to_ms


def role_json(role: Role) -> dict[str, Any]:
    """Needs `role.viewer`."""
    return {"viewer": person(role.viewer), "role": role.kind}


def entry_json(entry: AuditEntry) -> dict[str, Any]:
    """Needs `actor`, `viewer` and `undone_by` of the entry."""
    undone = {"at_ms": to_ms(entry.undone_at), "by": _person_or_none(entry.undone_by)}
    return {
        "id": str(entry.id),
        "seq": entry.seq,
        "act": entry.act,
        "at_ms": to_ms(entry.created_at),
        "by": _person_or_none(entry.actor),
        "viewer": _person_or_none(entry.viewer),
        "about": str(entry.about) if entry.about else None,
        "video_id": str(entry.video_id) if entry.video_id else None,
        "text": entry.text,
        "reason": entry.reason,
        "until_ms": to_ms(entry.until),
        "undone": undone if entry.undone_at else None,
    }


def restriction_json(restriction: Restriction) -> dict[str, Any]:
    """Needs `viewer` and `given_by` of the restriction."""
    return {
        "id": str(restriction.id),
        "viewer": person(restriction.viewer),
        "kind": restriction.kind,
        "reason": restriction.reason,
        "at_ms": to_ms(restriction.created_at),
        "until_ms": to_ms(restriction.until),
        "by": _person_or_none(restriction.given_by),
        "is_inherited": restriction.source_id is not None,
    }


def reported_json(complaints: Sequence[Complaint], reasons: Mapping[str, int]) -> dict[str, Any]:
    """What is reported: the newest complaints, and how many there are by reason. Needs `viewer` and `reporter`."""
    newest = complaints[0]
    return {
        "id": str(newest.about),
        "kind": newest.kind,
        "video_id": str(newest.video_id) if newest.video_id else None,
        "question": newest.about.int if newest.kind == Complaint.Kind.QUESTION else None,
        "viewer": person(newest.viewer),
        "text": newest.text,
        "count": sum(reasons.values()),
        "reasons": dict(reasons),
        "complaints": [
            {
                "id": str(each.id),
                "by": person(each.reporter),
                "reason": each.reason,
                "remark": each.remark,
                "at_ms": to_ms(each.created_at),
            }
            for each in complaints
        ],
    }


def note_json(note: PersonNote) -> dict[str, Any]:
    """Needs `note.author`."""
    return {
        "id": str(note.id),
        "author": _person_or_none(note.author),
        "body": note.body,
        "at_ms": to_ms(note.created_at),
    }


def _person_or_none(viewer: Viewer | None) -> dict[str, Any] | None:
    return person(viewer) if viewer is not None else None
