"""The topic kinds `conversation:` and `user:` (a viewer's own inbox): how they are read and changed, and who may read.

Hop: registered with the platform at start (apps.py); the frontend node calls them. The rule of it all: snapshot +
events = fresh snapshot, for every event type. Both are for members only: being staff does not open them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from accounts.representation import by_account
from messaging.reading import (
    SNAPSHOT_CONVERSATIONS,
    SNAPSHOT_MESSAGES,
    conversation_snapshot,
    inbox_snapshots,
)
from realtime.events import TopicName
from realtime.kinds import Access, TopicKind
from web.ids import parse_id
from web.tombstones import with_deleted

# Viewers who were away for longer get the snapshot: it is less to read. A node may have an inbox for each viewer.
KEPT_EVENTS = 200
KEPT_INBOX_EVENTS = 50


class MembersTopics(TopicKind):
    """What both have in common."""

    kept_events = KEPT_EVENTS


class ConversationTopics(MembersTopics):
    """`conversation:<id>`: the newest messages, and how far each member has read.

    A deleted message keeps its place in the snapshot. Otherwise an older message would move in, and no event says so.
    `shown` leaves it out.
    """

    prefix = "conversation"
    events = frozenset({"message", "message_edited", "message_deleted", "receipt", "conversation", "merged"})
    signals = frozenset({"typing"})
    takes_back = frozenset({"message_deleted"})
    replaces = frozenset({"message_edited"})

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        id = id_of(topic)
        return None if id is None else conversation_snapshot(id)

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        match name:
            case "message":
                snapshot["messages"] = [*snapshot["messages"], data["message"]][-SNAPSHOT_MESSAGES:]
            case "message_edited":
                edited = data["message"]
                snapshot["messages"] = [
                    edited if message["id"] == edited["id"] and "deleted" not in message else message
                    for message in snapshot["messages"]
                ]
            case "message_deleted":
                snapshot["messages"] = with_deleted(snapshot["messages"], data["message"], most=SNAPSHOT_MESSAGES)
            case "merged":
                snapshot["messages"] = [by_account(message, data["merged"]) for message in snapshot["messages"]]
                snapshot["conversation"] = data["conversation"]
                snapshot["seen"] = data["seen"]
            case "receipt":
                receipt = data["receipt"]
                snapshot["seen"] = {**snapshot["seen"], receipt["viewer_id"]: receipt["seen_seq"]}
            case "conversation":
                snapshot["conversation"] = data["conversation"]
                ids = [member["id"] for member in data["conversation"]["members"]]
                snapshot["seen"] = {id: snapshot["seen"].get(id, 0) for id in ids}

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        return str(data["message"]["id"]) if "message" in data else ""

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        return {**snapshot, "messages": [message for message in snapshot["messages"] if "deleted" not in message]}

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        return _only(member["id"] for member in snapshot["conversation"]["members"])


class InboxPart(Protocol):
    """What an app adds to inboxes: one value in the snapshot, and the event that brings a new one, both by its name."""

    name: str

    def load(self, viewer_ids: Sequence[UUID]) -> Mapping[UUID, Any]:
        """Return the value of each viewer. One query. In a database thread."""
        ...


parts: list[InboxPart] = []
"""Apps add theirs in AppConfig.ready()."""


class UserTopics(MembersTopics):
    """`user:<id>`: a viewer's inbox: their conversations by newest activity, those that they block, parts of apps.

    A conversation that they have left keeps its place in the snapshot, as a deleted message does. An event shows the
    newest message of its conversation, so many of them may hold the text of one that is deleted, or that its viewer may
    not read any more.
    """

    prefix = "user"
    is_logged = False
    kept_events = KEPT_INBOX_EVENTS
    is_inbox = True

    @property
    def events(self) -> frozenset[str]:  # type: ignore[override]
        own = {"message", "message_edited", "message_deleted", "receipt", "conversation", "blocked"}
        return frozenset(own.union(part.name for part in parts))

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        return self.load_all([topic]).get(topic)

    def load_all(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        ids = {id: topic for topic in topics if (id := id_of(topic)) is not None}
        found = inbox_snapshots(list(ids))
        for part in parts:
            for id, value in part.load(list(found)).items():
                found[id][part.name] = value
        return {ids[id]: {"id": str(id), **snapshot} for id, snapshot in found.items()}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        match name:
            case "message" | "conversation":
                changed = data["conversation"]
                others = [known for known in snapshot["conversations"] if known["id"] != changed["id"]]
                snapshot["conversations"] = [changed, *others][:SNAPSHOT_CONVERSATIONS]
            case "message_edited" | "message_deleted" | "receipt":
                changed = data["conversation"]
                snapshot["conversations"] = [
                    changed if known["id"] == changed["id"] else known for known in snapshot["conversations"]
                ]
            case "blocked":
                id = data["viewer"]["id"]
                blocked = {known for known in snapshot["blocked"] if known != id}
                snapshot["blocked"] = sorted(blocked | {id} if data["is_blocked"] else blocked)
            case _ if any(part.name == name for part in parts):
                snapshot[name] = data[name]

    def forgets(self, name: str, data: Mapping[str, Any]) -> bool:
        return name == "message_deleted" or "left" in data.get("conversation", ())

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        conversations = [known for known in snapshot["conversations"] if "left" not in known]
        return {key: value for key, value in snapshot.items() if key != "id"} | {"conversations": conversations}

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        return _only([snapshot["id"]])


def id_of(topic: TopicName) -> UUID | None:
    """Return the id in the topic's name. None if it is not spelled as we spell it: that would be another topic."""
    text = topic.partition(":")[2]
    try:
        id = parse_id(text)
    except ValueError:
        return None
    return id if str(id) == text else None


def _only(viewer_ids: Iterable[str]) -> Access:
    return Access(viewer_ids=frozenset(viewer_ids), staff=False)
