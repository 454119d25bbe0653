"""What an app declares of its topics: how a topic is read and changed, and who may read it.

Hop: beside the path. An app registers its kinds at start (realtime.registry). The node (realtime.node) and the store
(realtime.log.database) ask them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from realtime.events import TopicName
from realtime.identity import Identity


class Effect(NamedTuple):
    """What a durable event does to earlier ones: in the event log (realtime.log.things), on nodes (realtime.node.ring).

    `holds`: the thing whose content it holds. `changes`: the thing whose earlier events get its content, and become the
    same event if `is_gone`. Both "": of none. `forgets`: earlier events are deleted.
    """

    holds: str
    changes: str
    is_gone: bool
    forgets: bool


@dataclass(frozen=True, slots=True)
class Access:
    """Who may watch a topic: these viewers, those in one of the groups, and staff if `staff` is True."""

    public: bool = False
    viewer_ids: frozenset[str] = frozenset()
    staff: bool = True
    groups: frozenset[str] = frozenset()

    def allows(self, topic: TopicName, identity: Identity) -> bool:
        """Whether the identity may read the topic now. A ticket gives its viewer no new right. It is good for its
        topics only.
        """
        if self.public:
            return True
        if not identity.viewer_id or (identity.topics is not None and topic not in identity.topics):
            return False
        if self.staff and identity.is_staff:
            return True
        return identity.viewer_id in self.viewer_ids or not self.groups.isdisjoint(identity.groups)


@dataclass(frozen=True, slots=True)
class Review:
    """What has changed about identities since they came.

    `signed_out`: identities that would not be recognized any more (signed out, banned, a new password). `changed`: the
    same viewers in other groups, by the identity that they came with. `hidden`: the ids of viewers who do not want to
    be seen online.
    """

    signed_out: frozenset[Identity] = frozenset()
    hidden: frozenset[str] = frozenset()
    changed: Mapping[Identity, Identity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rechecks:
    """What has changed since a look, so that identities may have: these viewers and sessions, or anybody's (`is_all`).

    `until`: where the next look begins.
    """

    until: str = ""
    viewer_ids: frozenset[str] = frozenset()
    sessions: frozenset[str] = frozenset()
    is_all: bool = False

    def __bool__(self) -> bool:
        return self.is_all or bool(self.viewer_ids) or bool(self.sessions)

    def names(self, identity: Identity) -> bool:
        """Whether the identity may have changed."""
        return self.is_all or identity.viewer_id in self.viewer_ids or identity.session in self.sessions


class TopicKind(Protocol):
    """What the owner of a topic prefix registers: how its topics are read, what events change, and who may read them.

    A kind inherits from this, and names what its topics have. What it does not name cannot be published to them
    (`Registry.check`): nothing would read it.
    """

    prefix: str
    events: frozenset[str] = frozenset()
    """The names of its durable events: rows of the event log, each delivered in order."""
    states: frozenset[str] = frozenset()
    """The names of its states, of which the newest counts and which no row keeps."""
    signals: frozenset[str] = frozenset()
    """The names of what is only true for a moment, such as "typing"."""
    is_logged: bool = True
    """If True, a topic has a row in the event log from the start, and without a row it is gone. If False, the row comes
    with the first durable event, and `load` says whether the topic exists.
    """
    counter: str = ""
    """The name of a number that rows of the app add up to, such as "likes": of its event, and in the snapshot. It is
    read whole and by kinds of rows, `{"total", "kinds"}`. "": topics have none."""
    burst: str = ""
    """The name of acts that are summed up, delivered once and stored nowhere, such as "reactions". "": topics have
    none."""
    counts_viewers: bool = False
    """How many viewers a topic has is a part of it."""
    is_inbox: bool = False
    """The topic is one viewer's own, `<prefix>:<viewer id>`. They are online while they watch it.
    Nobody else comes back to it, and what is in it is in other rows. So its events have no rows in the event log: where
    some are missing, the viewer gets the snapshot."""
    is_presence: bool = False
    """The topic says whether a viewer is online, `<prefix>:<viewer id>`. Its state `presence` is in the presence table.
    Its snapshot holds as `kept` what the database keeps of it: `{"is_hidden", "last_active_ms"}`. A site has one such
    kind, or none: then nodes send no heartbeats."""
    kept_events: int = 1_000
    """How many durable events a node keeps for those who come back; 0: there are no durable events."""
    takes_back: frozenset[str] = frozenset()
    """Durable events after which the content of a thing is gone. Earlier events that hold it (`thing`) become the same
    event, each with its own seq and time: in the event log, and on the nodes. So clients may get it several times, also
    for a thing that they do not know."""
    replaces: frozenset[str] = frozenset()
    """Durable events that give a thing another content. Earlier events that hold it keep their names and get it."""

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        """Return the topic's snapshot, without counter and viewers; None: no such topic. In a database thread."""
        ...

    def load_all(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        """Return the snapshots of several topics, those that are gone left out. In a database thread."""
        return {topic: snapshot for topic in topics if (snapshot := self.load(topic)) is not None}

    def counters(self, topics: Sequence[TopicName], database: str = "default") -> Mapping[TopicName, Mapping[str, int]]:
        """Return each topic's counter by kinds of rows, in one query. In a database thread."""
        return {}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        """Change the snapshot as the event says: it then equals one loaded after the event."""
        ...

    def thing(self, name: str, data: Mapping[str, Any]) -> str:
        """Return the id, within the topic, of the thing whose content a durable event holds, takes back or replaces.
        "": of none.
        """
        return ""

    def forgets(self, name: str, data: Mapping[str, Any]) -> bool:
        """Whether nobody goes on from before a durable event: earlier ones are deleted, in the event log and on the
        nodes. Those who missed it get the snapshot.
        """
        return False

    def effect(self, name: str, data: Mapping[str, Any]) -> Effect:
        """Return what a durable event does, by `takes_back`, `replaces`, `thing` and `forgets`."""
        thing, is_gone = self.thing(name, data), name in self.takes_back
        changes = thing if is_gone or name in self.replaces else ""
        return Effect("" if is_gone else thing, changes, is_gone, self.forgets(name, data))

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        """Return what viewers read of the snapshot, as a dictionary of its own."""
        ...

    def has_viewers(self, snapshot: Mapping[str, Any]) -> bool:
        """Whether those who are here now count as viewers, in the number, its peak and the number of all."""
        return self.counts_viewers

    def access(self, snapshot: Mapping[str, Any]) -> Access: ...
