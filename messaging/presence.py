"""The topic kind `presence:` (whether a viewer is online, and since when not), and whether a viewer wants to be seen.

Hop: registered with the platform at start (apps.py). The frontend node asks here who may see a viewer. It knows from
the presence table whether the viewer is online (realtime.node.presence). Only people that a viewer has written to may
see it (messaging.contacts).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from accounts.identities import identity_on
from accounts.models import Viewer
from accounts.representation import person
from messaging.contacts import may_see
from messaging.topics import id_of
from realtime.dispatch.publisher import publisher
from realtime.events import TopicName
from realtime.kinds import Access, TopicKind
from realtime.log.threads import backend_threads
from realtime.table.presence import offline, status, topic_of
from realtime.table.redis import presence_table
from realtime.table.scripts import TableUnavailable
from web.moments import to_ms
from web.refusals import NotFound


class PresenceTopics(TopicKind):
    """`presence:<viewer id>`. Its state is in the presence table, not here: a topic that was just loaded is offline.

    A viewer who hides looks offline, without a time. They see themselves so too.
    """

    prefix = "presence"
    is_logged = False
    is_presence = True
    states = frozenset({"presence"})
    kept_events = 0

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        return self.load_all([topic]).get(topic)

    def load_all(self, topics: Sequence[TopicName]) -> Mapping[TopicName, dict[str, Any]]:
        ids = {id: topic for topic in topics if (id := id_of(topic)) is not None}
        viewers = Viewer.objects.filter(id__in=ids, is_active=True)
        allowed = may_see(list(ids))
        return {
            ids[viewer.id]: {
                "viewer": person(viewer),
                "status": "offline",
                "last_active_ms": None if viewer.is_hidden else to_ms(viewer.last_active_at),
                "kept": {"is_hidden": viewer.is_hidden, "last_active_ms": to_ms(viewer.last_active_at)},
                "may_see": allowed[viewer.id],
            }
            for viewer in viewers
        }

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        if name == "presence":
            snapshot.update(status=data["status"], last_active_ms=data["last_active_ms"])

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        return {name: snapshot[name] for name in ("viewer", "status", "last_active_ms")}

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        return Access(viewer_ids=snapshot["may_see"])


async def presence_of(viewer_id: UUID, asker: Viewer) -> dict[str, Any]:
    """Return `{"viewer", "status", "last_active_ms"}` of a viewer, for an asker who may see it.

    While the table is away, all viewers look offline. Raises NotFound, StoreUnavailable.
    """
    kind, topic = PresenceTopics(), topic_of(str(viewer_id))
    snapshot = await backend_threads.run(kind.load, topic)
    if snapshot is None or not kind.access(snapshot).allows(topic, await identity_on(asker)):
        raise NotFound("There is no such viewer.")
    with contextlib.suppress(TableUnavailable):
        look = await presence_table().look([str(viewer_id)])
        if (state := status(look, str(viewer_id), snapshot["kept"], is_known=False)) is not None:
            kind.apply(snapshot, state.name, state.data)
    return kind.shown(snapshot)


async def set_hidden(viewer: Viewer, is_hidden: bool) -> None:
    """Hide a viewer, or show them again. Those who see them now get the event. Raises StoreUnavailable.

    While the table is away, the nodes find it out with their next look at the database.
    """
    await backend_threads.run(Viewer.objects.filter(id=viewer.id).update, is_hidden=is_hidden)
    with contextlib.suppress(TableUnavailable):
        if is_hidden:
            at_ms, _ = await presence_table().hide(str(viewer.id))
            publisher.publish([offline(str(viewer.id), at_ms, None)])
        else:
            await presence_table().show(str(viewer.id))
