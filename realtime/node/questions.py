"""Questions between nodes: a request about a connection may reach any node, and one node holds the connection.

Hop: beside the path. Questions and answers go through the nodes' channels of the layer.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgpack
from redis.exceptions import RedisError

from realtime.background import Spawn
from realtime.events import NodeId
from realtime.node.listening import RESUBSCRIBE_SECONDS
from realtime.table.redis import send_to_nodes

logger = logging.getLogger(__name__)

ASK_SECONDS = 10.0  # fifty snapshots take a busy node some time; a dead node is noticed at once, because nobody listens
ASK_AGAIN_SECONDS = 0.1

NodeAct = Callable[[dict[str, Any]], Awaitable[Any]]


class NodeSilent(Exception):
    """The node that holds the connection did not answer in time."""


class Questions:
    """Asks other nodes, and answers them. `acts`: what a node does for a question, by the type of the message."""

    def __init__(self, id: NodeId, acts: Mapping[str, NodeAct], spawn: Spawn) -> None:
        self._id = id
        self._acts = acts
        self._spawn = spawn
        self._asked: dict[str, asyncio.Future[Any]] = {}

    async def ask(self, node: NodeId, question: str, ask: dict[str, Any]) -> Any:
        """Return the node's answer, or None if it has none or no node has that name. Raises NodeSilent."""
        if node == self._id:
            return await self._acts[question](ask)
        ref = uuid.uuid4().hex
        self._asked[ref] = asyncio.get_running_loop().create_future()
        message = {"type": question, "ask": ask, "ref": ref, "asker": self._id}
        try:
            async with asyncio.timeout(ASK_SECONDS):
                # A node that has just started, or subscribes again, hears nothing for a moment.
                deaf_until = time.monotonic() + RESUBSCRIBE_SECONDS
                while not await send_to_nodes({node: msgpack.packb(message)}):
                    if time.monotonic() > deaf_until:
                        return None
                    await asyncio.sleep(ASK_AGAIN_SECONDS)
                return await self._asked[ref]
        except (TimeoutError, RedisError, OSError) as error:
            raise NodeSilent(node) from error
        finally:
            del self._asked[ref]

    def take(self, message: dict[str, Any]) -> None:
        """Take a message of another node. One that is neither question nor answer changes nothing."""
        match message:
            case {"type": str(question), "ask": dict(ask), "ref": str(ref), "asker": str(asker)} if (
                act := self._acts.get(question)
            ) is not None:
                self._spawn(self._answer(act(ask), ref=ref, asker=NodeId(asker)), name="answer")
            case {"type": "node.answer", "ref": str(ref), "answer": answer}:
                if (waiting := self._asked.get(ref)) is not None and not waiting.done():
                    waiting.set_result(answer)

    async def _answer(self, act: Awaitable[Any], *, ref: str, asker: NodeId) -> None:
        answer = await act
        try:
            await send_to_nodes({asker: msgpack.packb({"type": "node.answer", "ref": ref, "answer": answer})})
        except (RedisError, OSError) as error:
            logger.warning("node %s: a question of another node was not answered: %r", self._id, error)
