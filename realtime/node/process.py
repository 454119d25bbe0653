"""This process as a frontend node: the node, its channel of the layer, its limits. Consumers and the server find it.

Hop: beside the path. It puts together what a node is made of (realtime.node.node, .listening, .questions), and does
what a request asks of a connection, on whichever node that is.
"""

from __future__ import annotations

import logging
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import msgpack
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

from realtime import telemetry
from realtime.background import BackgroundTasks
from realtime.dispatch.publisher import publisher
from realtime.events import NodeId, Position, TopicName, event_id, now_ms, position_in
from realtime.identity import Identity
from realtime.limits import ConnectionLimit
from realtime.log.database import DatabaseStore
from realtime.node.acknowledgements import entries_of
from realtime.node.connections import ConnectionGone, parse_public_id
from realtime.node.listening import LayerListener
from realtime.node.node import Node
from realtime.node.presence import Presence
from realtime.node.questions import NodeAct, Questions
from realtime.node.subscribing import change_topics
from realtime.registry import registry
from realtime.relay.batch import HEARTBEAT
from realtime.relay.interest import Interest
from realtime.relay.shared import outbox, relay_table
from realtime.table.counting import viewer_keys
from realtime.table.presence import topic_of
from realtime.table.redis import presence_table, shared_table

logger = logging.getLogger(__name__)

key_of = viewer_keys(settings.SECRET_KEY)


async def _send_remote(viewer_ids: Sequence[str]) -> None:
    """Send heartbeats of viewers to the regions that watch them. Never raises."""
    if (relay := outbox()) is not None:
        topics = [topic_of(viewer_id) for viewer_id in viewer_ids]
        beats = [(topic, msgpack.packb([HEARTBEAT, topic])) for topic in topics]
        await relay.offer(beats, {"region": settings.LIVE_REGION, "published": now_ms()})


def _presence(store: DatabaseStore) -> Presence | None:
    """Return the node's part of presence. None: no kind of topics says who is online, so nothing counts heartbeats."""
    if not registry.presence_prefix:
        return None
    return Presence(
        presence_table(),
        publish=publisher.publish,
        save=store.save_last_active,
        clock=time.monotonic,
        beat_seconds=settings.LIVE_PRESENCE_SECONDS,
        send_remote=_send_remote,
    )


class NodeProcess:
    """Starts with the first connection (Daphne has no ASGI lifespan) or before it, by the server's `on_start`."""

    def __init__(self) -> None:
        self.connection_limit = ConnectionLimit(
            per_address=settings.LIVE_STREAMS_PER_ADDRESS, per_viewer=settings.LIVE_STREAMS_PER_VIEWER
        )
        self._node: Node | None = None
        self._tasks = BackgroundTasks("node process")
        self._questions: Questions | None = None

    def node(self) -> Node:
        """Return the node of this process, started."""
        if self._node is None:
            # The node's id is its channel of the layer, so dispatchers send to what the shared table says. Strangers
            # read the id too, so it names no machine.
            id = NodeId(f"live.node.{settings.LIVE_REGION}.{uuid.uuid4().hex[:12]}")
            replica = "replica" if "replica" in settings.DATABASES else DEFAULT_DB_ALIAS
            store = DatabaseStore(registry, replica=replica)
            neighbours = None
            if settings.LIVE_PEERS:
                neighbours = Interest(id, relay_table(), lambda: self._node.feeds if self._node else ())
            self._node = Node(
                id,
                table=shared_table(),
                store=store,
                neighbours=neighbours,
                kinds=registry.kinds,
                frame_seconds=settings.LIVE_FRAME_MS / 1000,
                renew_seconds=settings.LIVE_RENEW_SECONDS,
                lease_seconds=settings.LIVE_LEASE_SECONDS,
                region=settings.LIVE_REGION,
                sample_share=settings.LIVE_SAMPLE,
                presence=_presence(store),
                count_after_seconds=settings.LIVE_COUNT_AFTER_SECONDS,
                kept_bytes=settings.LIVE_KEPT_MB * 1_000_000,
                key_of=key_of,
            )
            self._node.start()
            acts: dict[str, NodeAct] = {
                "node.change_topics": partial(_change_topics, self._node),
                "node.saw": partial(_saw, self._node),
            }
            self._questions = Questions(id, acts, self._node.tasks.spawn)
            listener = LayerListener(id, deliver=self._node.deliver, other=self._questions.take)
            self._tasks.spawn(listener.run(), name="listen")
            self._tasks.spawn(telemetry.report_forever("node"), name="telemetry")
            logger.info("node %s joined, on %s", id, socket.gethostname())
        return self._node

    @property
    def is_draining(self) -> bool:
        """Whether the node is about to end: who waits for something should go elsewhere."""
        return self._node is not None and self._node.is_draining

    async def start(self) -> None:
        self.node()

    async def drain(self) -> None:
        """Send the connections elsewhere and end the node."""
        if self._node is None:
            return
        node = self._node
        await node.drain(window_seconds=settings.LIVE_DRAIN_SECONDS if node.connections else 0.0)
        await self._tasks.aclose()
        await node.aclose()

    async def change_topics(
        self,
        connection: str,
        identity: Identity,
        *,
        subscribe: Mapping[TopicName, Position | None],
        unsubscribe: Sequence[TopicName],
    ) -> dict[TopicName, int | str]:
        """Change what a connection on any node watches. `connection` is its name in `hello`.

        Returns as realtime.node.subscribing.change_topics does. Raises NodeSilent, ConnectionGone (also when it is
        somebody else's).
        """
        ask = {
            "watcher": {**asdict(identity), "topics": [], "groups": sorted(identity.groups)},
            "subscribe": {topic: after and event_id(topic, after) for topic, after in subscribe.items()},
            "unsubscribe": list(unsubscribe),
        }
        answer: dict[TopicName, int | str] = await self._act("node.change_topics", connection, ask)
        return answer

    async def saw(self, connection: str, frames: Sequence[Sequence[int]]) -> int:
        """Take what the viewer of a connection on any node has read (realtime.node.acknowledgements).

        The name of a connection is a secret of its viewer. Returns for how many of the frames the node was waiting.
        Raises ConnectionGone, NodeSilent.
        """
        seen: int = await self._act("node.saw", connection, {"frames": [list(frame) for frame in frames]})
        return seen

    async def _act(self, question: str, connection: str, ask: dict[str, Any]) -> Any:
        """Do something to a connection on the node that holds it. Raises ConnectionGone, NodeSilent."""
        try:
            id, holder = parse_public_id(connection)
        except ValueError as error:
            raise ConnectionGone(connection) from error
        self.node()
        assert self._questions is not None
        answer = await self._questions.ask(holder, question, {**ask, "connection": id})
        if answer is None:
            raise ConnectionGone(connection)
        return answer


async def _change_topics(node: Node, ask: dict[str, Any]) -> dict[TopicName, int | str] | None:
    """Return the answer; None: there is no such connection, or it is not this identity's."""
    connection = node.connections.get(ask["connection"])
    groups = frozenset(ask["watcher"]["groups"])
    asking = Identity(**{**ask["watcher"], "topics": None, "groups": groups})  # credentials, no ticket
    if connection is None or connection.identity.viewer_id not in ("", asking.viewer_id):
        return None
    known = connection.identity
    is_new = not known.viewer_id or known.topics is not None or known.groups != asking.groups
    if asking.viewer_id and is_new:
        node.identify(connection, asking)
    subscribe = {topic: position_in(topic, after) for topic, after in ask["subscribe"].items()}
    return await change_topics(node, connection, subscribe, ask["unsubscribe"])


async def _saw(node: Node, ask: dict[str, Any]) -> int | None:
    """Return for how many frames the node was waiting. None: there is no such connection."""
    if ask["connection"] not in node.connections:
        return None
    return node.acknowledgements.saw(ask["connection"], entries_of(ask["frames"]))


process = NodeProcess()
