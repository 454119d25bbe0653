"""The topic kind `moderation:<id of the owner>`: what the moderators of a channel see happen. No viewer is counted.

Hop: registered with the platform at start (apps.py); the frontend node calls it. The rule of it all: snapshot + events
= fresh snapshot, for every event type. Apps above add parts of their own (`parts`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from accounts.models import Viewer
from accounts.representation import person
from moderation.models import AuditEntry, Role
from moderation.representation import entry_json, role_json
from realtime.events import TopicName
from realtime.kinds import Access, TopicKind
from web.ids import parse_id

SNAPSHOT_ACTS = 50


class TopicPart(Protocol):
    """What an app adds to the topic: a part of the snapshot, and the events that change it."""

    events: frozenset[str]
    takes_back: frozenset[str]
    """As a kind of topics says it (realtime.kinds.TopicKind), and `thing` too."""

    def load(self, owner_id: UUID) -> dict[str, Any]:
        """Return the part. Its names must be free. In a database thread."""
        ...

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        """Change the whole snapshot as one of `events` says."""
        ...

    def thing(self, name: str, data: Mapping[str, Any]) -> str: ...


parts: list[TopicPart] = []
"""Apps add theirs in AppConfig.ready()."""


class ModerationTopics(TopicKind):
    """The snapshot holds who moderates and the newest `SNAPSHOT_ACTS` acts, the newest last."""

    prefix = "moderation"
    is_logged = False
    kept_events = 200
    replaces = frozenset({"reported"})  # what an erased person has reported goes from the earlier ones

    @property
    def events(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset({"act", "act_undone", "role", "person"}).union(*(part.events for part in parts))

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        owner_id = owner_of(topic)
        if owner_id is None:
            return None
        owner = Viewer.objects.filter(id=owner_id, is_active=True).only("id", "name").first()
        if owner is None:
            return None
        roles = Role.objects.filter(channel=owner_id).select_related("viewer").order_by("viewer_id")
        acts = AuditEntry.objects.filter(channel=owner_id).select_related("actor", "viewer", "undone_by")
        snapshot = {
            "channel": person(owner),
            "roles": [role_json(role) for role in roles],
            "acts": [entry_json(entry) for entry in acts.order_by("-seq")[:SNAPSHOT_ACTS]][::-1],
        }
        for part in parts:
            snapshot.update(part.load(owner_id))
        return snapshot

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        match name:
            case "act":
                snapshot["acts"] = [*snapshot["acts"], data["act"]][-SNAPSHOT_ACTS:]
            case "act_undone":
                undone = data["act"]
                snapshot["acts"] = [undone if act["id"] == undone["id"] else act for act in snapshot["acts"]]
            case "role":
                changed = data["role"]
                roles = [role for role in snapshot["roles"] if role["viewer"]["id"] != changed["viewer"]["id"]]
                roles += [changed] if changed["role"] else []
                snapshot["roles"] = sorted(roles, key=lambda role: str(role["viewer"]["id"]))
            case "person":
                former, now = data["person"]["from"], data["person"]["to"]
                snapshot["acts"] = [_with_person(act, former, now) for act in snapshot["acts"]]
            case _:
                next(part for part in parts if name in part.events).apply(snapshot, name, data)

    @property
    def takes_back(self) -> frozenset[str]:  # type: ignore[override]
        return frozenset[str]().union(*(part.takes_back for part in parts))

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return next((part.thing(name, data) for part in parts if name in part.events), "")

    def forgets(self, name: str, data: Mapping[str, Any]) -> bool:
        return name == "person"  # an erased person's words are in acts, and in what was done about those

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        return dict(snapshot)

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        """Those with a role, the owner, and the people of the site who may see all."""
        members = (snapshot["channel"]["id"], *(role["viewer"]["id"] for role in snapshot["roles"]))
        return Access(viewer_ids=frozenset(members))


def _with_person(act: Mapping[str, Any], former_id: str, now: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the act as it reads when a person has become another account, or none: then without their words."""

    def named(viewer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return now if viewer is not None and viewer["id"] == former_id else viewer

    changed = {**act, "by": named(act["by"]), "viewer": named(act["viewer"])}
    if changed["viewer"] is None and act["viewer"] is not None:
        changed["text"] = ""
    if act["undone"] is not None:
        changed["undone"] = {**act["undone"], "by": named(act["undone"]["by"])}
    return changed


def owner_of(topic: TopicName) -> UUID | None:
    """Return the owner of the channel. None if it is not spelled as we spell it: that would be another topic."""
    text = topic.partition(":")[2]
    try:
        id = parse_id(text)
    except ValueError:
        return None
    return id if str(id) == text else None
