"""This process as a frontend node: the node, its channel of the layer, its limits. Found by consumers and the server.

Hop: between the channel layer and realtime.node.node. Nodes also ask each other through it: a request about a
connection lands on any node, the connection is held by one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgpack
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from redis.exceptions import RedisError

from realtime import metrics
from realtime import telemetry as figures
from realtime.background import BackgroundTasks, end
from realtime.dispatch.publisher import publisher
from realtime.events import NodeId, Position, TopicName, event_id, now_ms, position_in
from realtime.identity import Identity
from realtime.limits import ConnectionLimit
from realtime.log.database import DatabaseStore
from realtime.node.acknowledgements import entries_of
from realtime.node.connections import ConnectionGone, parse_public_id
from realtime.node.node import Node
from realtime.node.presence import Presence
from realtime.registry import registry
from realtime.relay.batch import HEARTBEAT
from realtime.relay.interest import Interest
from realtime.relay.shared import outbox, relay_table
from realtime.stamps import is_spoken
from realtime.table.counting import viewer_keys
from realtime.table.presence import PREFIX
from realtime.table.redis import presence_table, send_to_nodes, shared_table

logger = logging.getLogger(__name__)

CANARY = msgpack.packb({"type": "node.canary"})
CANARY_SECONDS = 5.0
DEAF_SECONDS = 12.0
RESUBSCRIBE_SECONDS = 1.0
ASK_SECONDS = 10.0  # fifty snapshots take a busy node some; a dead one is noticed at once: nobody listens
ASK_AGAIN_SECONDS = 0.1


class NodeSilent(Exception):
    """The node that holds the connection did not answer in time."""


key_of = viewer_keys(settings.SECRET_KEY)


async def _send_remote(viewer_ids: Sequence[str]) -> None:
    """Send heartbeats of viewers to the regions that watch them. Never raises."""
    if (relay := outbox()) is not None:
        topics = [PREFIX + viewer_id for viewer_id in viewer_ids]
        beats = [(topic, msgpack.packb([HEARTBEAT, topic])) for topic in topics]
        await relay.offer(beats, {"region": settings.LIVE_REGION, "published": now_ms()})


class NodeProcess:
    """Starts with the first connection (Daphne has no ASGI lifespan) or before it, by the server's `on_start`."""

    def __init__(self) -> None:
        self.connection_limit = ConnectionLimit(
            per_address=settings.LIVE_STREAMS_PER_ADDRESS, per_viewer=settings.LIVE_STREAMS_PER_VIEWER
        )
        self._node: Node | None = None
        self._tasks = BackgroundTasks("node process")
        self._heard_at = 0.0
        self._asked: dict[str, asyncio.Future[Any]] = {}

    def node(self) -> Node:
        """Return the node of this process, started."""
        if self._node is None:
            # The node's id is its channel of the layer: what the shared table says is where dispatchers send. Strangers
            # read it too, so it names no machine.
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
                presence=Presence(
                    presence_table(),
                    publish=publisher.publish,
                    save=store.save_last_active,
                    clock=time.monotonic,
                    beat_seconds=settings.LIVE_PRESENCE_SECONDS,
                    send_remote=_send_remote,
                ),
                count_after_seconds=settings.LIVE_COUNT_AFTER_SECONDS,
                key_of=key_of,
            )
            self._node.start()
            self._tasks.spawn(self._listen(self._node), name="listen")
            self._tasks.spawn(figures.tell_forever("node"), name="figures")
            logger.info("node %s joined, on %s", id, socket.gethostname())
        return self._node

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

    async def _listen(self, node: Node) -> None:
        """Hear the layer for as long as the node lives.

        The layer reconnects in silence and does not say when a subscription is lost: a canary, sent to ourselves
        through Redis, tells. Events missed meanwhile come from the node's reconcile.
        """
        layer = get_channel_layer()
        while True:
            listened_at = self._heard_at = time.monotonic()
            receiving = asyncio.create_task(self._receive(layer, node), name="receive")
            try:
                while time.monotonic() - self._heard_at < DEAF_SECONDS:
                    done, _ = await asyncio.wait([receiving], timeout=CANARY_SECONDS)
                    if done:
                        break
                    try:
                        async with asyncio.timeout(CANARY_SECONDS):
                            await send_to_nodes({node.id: CANARY})
                    except Exception as error:  # Redis away: redis-py, socket and asyncio each say it their way
                        logger.debug("node %s: layer away: %s", node.id, error)
            finally:
                await end(receiving)
            # A connection to a Redis that vanished without a word looks open for a quarter of an hour, while sentinels
            # have long named another: give all up.
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                await layer.flush()
            # Said once: while Redis is away this comes round every few seconds.
            if self._heard_at > listened_at:
                logger.warning("node %s: the channel layer is silent, subscribing again", node.id)
            await asyncio.sleep(RESUBSCRIBE_SECONDS)

    async def _receive(self, layer: Any, node: Node) -> None:
        while True:
            message = await layer.receive(node.id)
            self._heard_at = time.monotonic()
            # A newer version's message is not ours to understand: it must not end the node's hearing.
            match message:
                case {"type": "node.deliver"} if not is_spoken(message.get("stamps")):
                    metrics.wire_refused.inc()  # the node's next look finds what is durable
                case {"type": "node.deliver"}:
                    items = message.get("events")
                    node.deliver(items if isinstance(items, list) else (), message.get("stamps"))
                case {"type": str(question), "ask": dict(ask), "ref": str(ref), "asker": str(asker)} if (
                    act := self._acts.get(question)
                ) is not None:
                    node.tasks.spawn(self._answer(node, act(node, ask), ref=ref, asker=NodeId(asker)), name="answer")
                case {"type": "node.answer", "ref": str(ref), "answer": answer}:
                    if (waiting := self._asked.get(ref)) is not None and not waiting.done():
                        waiting.set_result(answer)

    async def change_topics(
        self,
        connection: str,
        identity: Identity,
        *,
        subscribe: Mapping[TopicName, Position | None],
        unsubscribe: Sequence[TopicName],
    ) -> dict[TopicName, int | str]:
        """Change what a connection watches, on whichever node it is; `connection` as its `hello` said.

        Returns as Node.change_topics does. Raises ConnectionGone (also when it is somebody else's), NodeSilent.
        """
        ask = {
            "watcher": {**asdict(identity), "topics": []},
            "subscribe": {topic: after and event_id(topic, after) for topic, after in subscribe.items()},
            "unsubscribe": list(unsubscribe),
        }
        answer: dict[TopicName, int | str] = await self._act("node.change_topics", connection, ask)
        return answer

    async def saw(self, connection: str, frames: Sequence[Sequence[int]]) -> int:
        """Take what the viewer of a connection, on whichever node it is, has seen (realtime.node.acknowledgements).

        The name of a connection is a secret of its viewer. Returns how many of the frames
        were waited for. Raises ConnectionGone, NodeSilent.
        """
        seen: int = await self._act("node.saw", connection, {"frames": [list(frame) for frame in frames]})
        return seen

    async def _act(self, question: str, connection: str, ask: dict[str, Any]) -> Any:
        """Do something to a connection where it is. Raises ConnectionGone, NodeSilent."""
        try:
            id, holder = parse_public_id(connection)
        except ValueError as error:
            raise ConnectionGone(connection) from error
        node = self.node()
        ask["connection"] = id
        here = holder == node.id
        answer = await (self._acts[question](node, ask) if here else self._ask(node, holder, question, ask))
        if answer is None:
            raise ConnectionGone(connection)
        return answer

    async def _ask(self, node: Node, holder: NodeId, question: str, ask: dict[str, Any]) -> Any:
        ref = uuid.uuid4().hex
        self._asked[ref] = asyncio.get_running_loop().create_future()
        message = {"type": question, "ask": ask, "ref": ref, "asker": node.id}
        try:
            async with asyncio.timeout(ASK_SECONDS):
                # A node that has just started, or subscribes again, is deaf for a moment.
                deaf_until = time.monotonic() + RESUBSCRIBE_SECONDS
                while not await send_to_nodes({holder: msgpack.packb(message)}):
                    if time.monotonic() > deaf_until:
                        return None
                    await asyncio.sleep(ASK_AGAIN_SECONDS)
                return await self._asked[ref]
        except (TimeoutError, RedisError, OSError) as error:
            raise NodeSilent(holder) from error
        finally:
            del self._asked[ref]

    async def _answer(self, node: Node, act: Awaitable[Any], *, ref: str, asker: NodeId) -> None:
        answer = await act
        try:
            await send_to_nodes({asker: msgpack.packb({"type": "node.answer", "ref": ref, "answer": answer})})
        except (RedisError, OSError) as error:
            logger.warning("node %s: a question of another node was not answered: %r", node.id, error)

    @staticmethod
    async def _change_topics(node: Node, ask: dict[str, Any]) -> dict[TopicName, int | str] | None:
        """Return the answer; None: there is no such connection, or it is not this identity's."""
        connection = node.connections.get(ask["connection"])
        asking = Identity(**{**ask["watcher"], "topics": None})  # credentials, no ticket
        if connection is None or connection.identity.viewer_id not in ("", asking.viewer_id):
            return None
        known = connection.identity
        if asking.viewer_id and (not known.viewer_id or known.topics is not None):
            node.identify(connection, asking)
        subscribe = {topic: position_in(topic, after) for topic, after in ask["subscribe"].items()}
        return await node.change_topics(connection, subscribe, ask["unsubscribe"])

    @staticmethod
    async def _saw(node: Node, ask: dict[str, Any]) -> int | None:
        """Return how many frames were waited for; None: there is no such connection."""
        if ask["connection"] not in node.connections:
            return None
        return node.acknowledgements.saw(ask["connection"], entries_of(ask["frames"]))

    # What nodes ask each other to do, by the type of the layer's message.
    _acts: Mapping[str, Callable[[Node, dict[str, Any]], Awaitable[Any]]] = {
        "node.change_topics": _change_topics,
        "node.saw": _saw,
    }


process = NodeProcess()
