"""Redis flushed, killed, frozen, its connections cut, its messages poisoned: it only makes the site fast.

Nobody reconnects, and nothing is lost, doubled or out of order.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from typing import Any

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer

from realtime.events import Burst, TopicName, now_ms, to_wire
from tests.faults.conftest import Talk, fast_path_works
from tests.rooms import Room
from tests.sites import Site
from tests.watching import HANG_SECONDS, Watcher, check, crowd, each, eventually, watching


async def all_is_well(room: Room, viewers: Sequence[Watcher], talk: Talk) -> None:
    """The last comment has been seen by all, the table names both nodes, the numbers are right."""
    await talk.goes_on()
    await each(viewers, lambda viewer: fast_path_works(room, viewer))
    await eventually(lambda: len(room.leases()) == 2, "both nodes to be in the shared table")
    await each(viewers, lambda viewer: viewer.sees_viewers(len(viewers)))


async def end(room: Room, viewers: Sequence[Watcher], talk: Talk) -> None:
    """Check everything at rest. To be called when the talk is over."""
    await each(viewers, lambda viewer: viewer.sees_comment(talk.said[-1]))
    check(viewers)
    assert viewers[0].comments == room.comments_kept() == talk.said
    assert talk.refused == []


async def test_flushed_three_times_in_mid_stream(site: Site, room: Room) -> None:
    async with watching(*crowd(site.urls, room.topic, 6)) as viewers:
        async with Talk(room) as talk:
            for _ in range(3):
                await talk.goes_on()
                with contextlib.closing(site.redis()) as client:
                    client.flushall()
                await all_is_well(room, viewers, talk)
        await end(room, viewers, talk)


async def test_killed_and_started_again_with_nothing_in_it(site: Site, room: Room) -> None:
    async with watching(*crowd(site.urls, room.topic, 6)) as viewers:
        async with Talk(room) as talk:
            await talk.goes_on()
            site.valkey.kill()
            await talk.goes_on()
            likes = await room.like(kind="love")
            assert likes["mine"] == "love"
            said = talk.said[-1]
            await each(viewers, lambda viewer: viewer.sees_comment(said))
            await each(viewers, lambda viewer: viewer.sees_likes(1))
            site.start_valkey()
            await all_is_well(room, viewers, talk)
        await end(room, viewers, talk)


async def test_frozen_until_everybody_has_noticed(site: Site, room: Room) -> None:
    """Both nodes have failed to renew their leases, and the publisher to reach the broker."""

    async def noticed() -> bool:
        errors = [await room.metric("live_table_errors_total", node=node) for node in (0, 1)]
        return min(errors) >= 2 and await room.metric("live_publish_drops_total") > 0

    async with watching(*crowd(site.urls, room.topic, 6)) as viewers:
        async with Talk(room) as talk:
            await talk.goes_on()
            site.valkey.send(signal.SIGSTOP)
            await talk.goes_on()
            await room.like()
            assert (await room.call("GET", f"/videos/{room.video_id}")).status_code == 200
            said = talk.said[-1]
            await each(viewers, lambda viewer: viewer.sees_comment(said))
            await each(viewers, lambda viewer: viewer.sees_likes(1))
            await eventually(noticed, "nodes and publisher to notice")
            site.valkey.send(signal.SIGCONT)
            await all_is_well(room, viewers, talk)
        await end(room, viewers, talk)


async def test_subscriptions_cut_behind_the_nodes_back(site: Site, room: Room) -> None:
    """L8. Stock: the layer reconnects in silence, its callbacks are never called, and what was sent meanwhile is
    lost while all sockets stay open.
    """
    async with watching(*crowd(site.urls, room.topic, 4)) as viewers:
        async with Talk(room) as talk:
            for _ in range(3):
                await talk.goes_on()
                with contextlib.closing(site.redis()) as client:
                    client.client_kill_filter(_type="pubsub")
                await all_is_well(room, viewers, talk)
        await end(room, viewers, talk)


# What comes through the layer


@pytest.fixture
def layer(site: Site) -> RedisPubSubChannelLayer:
    return RedisPubSubChannelLayer(hosts=[{"address": site.redis_url}], prefix="live.")


POISON: list[Any] = [
    {"type": "node.of_the_future", "events": [1]},
    {"type": "node.deliver"},
    {"type": "node.deliver", "events": {"not": "a list"}},
    {"type": "node.deliver", "events": [None, 7, ["d"], ["d", "video:1", "one", "comment", "{}"], ["z", 1], {}]},
    {"type": "websocket.close"},
    {"no": "type"},
    "no dictionary",
    None,
]


async def test_messages_of_the_layer_that_are_not_understood_disconnect_nobody(
    site: Site, room: Room, layer: RedisPubSubChannelLayer
) -> None:
    """L7. Stock: one message of an unknown type, as every rolling upgrade sends, or bytes that cannot be read,
    end the consumer of every viewer of the group.
    """
    async with watching(*crowd(site.urls, room.topic, 4)) as viewers:
        node = viewers[0].named("hello")[0].data["node"]
        with contextlib.closing(site.redis()) as client:
            for message in POISON:
                await layer.send(node, message)
            client.publish(node, b"\xc1 is no msgpack")
            await layer.send(node, {"type": "node.deliver", "events": [["d"] * 100_000]})
        await each(viewers, lambda viewer: fast_path_works(room, viewer))
        await room.comment("still here")
        await each(viewers, lambda viewer: viewer.sees_comment("still here"))
        check(viewers)
        await layer.flush()


async def test_burst_of_messages_reaches_a_node_whole(site: Site, room: Room, layer: RedisPubSubChannelLayer) -> None:
    """L9. Stock, core layer: of 300 messages 101 were delivered, the rest is over capacity and told at INFO only."""
    async with watching(*crowd(site.urls, room.topic, 2)) as viewers:
        await fast_path_works(room, viewers[0])
        node = viewers[0].named("hello")[0].data["node"]
        # Of a time to come: on a busy machine the last are read when taps of now are worthless.
        wire = to_wire(Burst(TopicName(room.topic), {"wow": 1}, now_ms() + round(HANG_SECONDS * 1000)))
        await asyncio.gather(*(layer.send(node, {"type": "node.deliver", "events": [wire]}) for _ in range(300)))

        def all_counted() -> bool:
            counted: int = sum(seen.data["counts"].get("wow", 0) for seen in viewers[0].named("reactions"))
            return counted == 300

        await viewers[0].wait_for(all_counted, "300 taps")
        await layer.flush()
