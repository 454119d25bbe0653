"""Changes which topics an open connection watches.

Hop: beside the path. Called by the edge for commands of a WebSocket (realtime.edge.session), for a stream that asks for
many topics (realtime.edge.consumers), and by the node's process for the API (realtime.node.process).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from realtime.events import Position, TopicName, frame
from realtime.log.store import StoreUnavailable, TopicGone
from realtime.node.connections import RETRY_MS, Connection, ConnectionGone, TooManyTopics
from realtime.node.node import ROOM_BYTES, AskIdentity, Node
from realtime.node.openings import Opening


async def subscribe(
    node: Node,
    connection: Connection,
    topic: TopicName,
    *,
    after: Position | None = None,
    identify: AskIdentity | None = None,
) -> Opening:
    """Make an open connection a viewer of one topic more, once its viewer has read most of what was written.

    `after` is as in `Node.enter`, `identify` as in `Node.prepare`. The caller writes the opening before it awaits
    anything.
    Raises ConnectionGone, TooManyTopics, TopicGone, StoreUnavailable, what `identify` raises.
    """
    connection.check_room(topic)
    has_read = False
    while not has_read:
        if not await node.has_read(connection):
            raise ConnectionGone(connection.id)
        await node.prepare(topic, connection.identity, after=after, identify=identify)
        has_read = connection.wire.pending_bytes() <= ROOM_BYTES
    if connection.id not in node.connections:
        raise ConnectionGone(connection.id)
    return node.enter(connection, topic, after=after)


async def change_topics(
    node: Node,
    connection: Connection,
    subscribe: Mapping[TopicName, Position | None],
    unsubscribe: Iterable[TopicName],
) -> dict[TopicName, int | str]:
    """Change what an open connection watches. The stream then brings `subscribed` and the missed events.

    `subscribe` maps each topic to how far the viewer has followed it, None: not at all. Returns the seq of each new
    topic, or the reason of a failure: not_found, too_many_topics, unavailable.
    """
    for topic in unsubscribe:
        node.unsubscribe(connection, topic)
    answers = await asyncio.gather(*(_announce(node, connection, *item) for item in subscribe.items()))
    return dict(zip(subscribe, answers, strict=True))


def enter_later(node: Node, connection: Connection, topics: Mapping[TopicName, Position | None]) -> None:
    """Make the connection a viewer of more topics, one by one as it reads. Each comes with `subscribed`."""
    node.tasks.spawn(_enter_all(node, connection, topics), name="more topics")


async def _enter_all(node: Node, connection: Connection, topics: Mapping[TopicName, Position | None]) -> None:
    for topic, after in topics.items():
        while (answer := await _announce(node, connection, topic, after)) == "unavailable":  # noqa: ASYNC110
            await asyncio.sleep(RETRY_MS / 1000)
        if isinstance(answer, str) and connection.id in node.connections:
            connection.write([frame("unsubscribed", {"topic": topic, "reason": "gone"})])


async def _announce(node: Node, connection: Connection, topic: TopicName, after: Position | None) -> int | str:
    """Subscribe, and announce it on the stream. Return the seq of the topic, or the reason of a failure."""
    try:
        opening = await subscribe(node, connection, topic, after=after)
    except (ConnectionGone, TopicGone):
        return "not_found"
    except TooManyTopics:
        return "too_many_topics"
    except StoreUnavailable:
        return "unavailable"
    connection.write(opening.subscribed())
    return node.feeds[topic].seq
