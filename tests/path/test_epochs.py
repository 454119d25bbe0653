"""A backup is restored below a running site: nobody goes on as if nothing had happened."""

from __future__ import annotations

import psycopg
import pytest

from tests.rooms import Room, open_room
from tests.sites import Site
from tests.watching import SseWatcher, Watcher, WebSocketWatcher, each, watching


@pytest.mark.parametrize("kind", [SseWatcher, WebSocketWatcher])
async def test_restored_log_that_has_grown_again_is_another_one(
    site: Site, kind: type[SseWatcher] | type[WebSocketWatcher]
) -> None:
    """Seen up to 7, restored to 3, grown to 9: who came back with 7 read two of six new comments and kept four that
    do not exist; who had never left was told nothing.
    """
    async with open_room(site) as room:
        watchers: list[Watcher] = [kind(site.urls[node], room.topic) for node in (0, 1)]
        async with watching(*watchers) as (stays, leaves):
            for number in range(6):
                await room.comment(f"before {number}")
            await each(watchers, lambda watcher: watcher.sees_comment("before 5"))
            await leaves.close()
            assert leaves.seq == 7
            restore(room, to_seq=3)
            await stays.wait_for(lambda: len(stays.resets) == 1, "a reset")
            for number in range(6):
                await room.comment(f"after {number}")
            await stays.sees_comment("after 5")
            await leaves.open()
            await leaves.wait_for(lambda: len(leaves.resets) == 1, "a reset")
            await leaves.sees_comment("after 5")
            assert leaves.named("reset")[-1].data["reason"] == "database_changed"
            expected = ["before 0", "before 1", *(f"after {number}" for number in range(6))]
            assert stays.comments == leaves.comments == expected
            assert stays.position == leaves.position
            await leaves.close()
            await leaves.open()
            assert (len(leaves.resets), leaves.problems) == (1, []), "in the new history it goes on where it was"


def restore(room: Room, *, to_seq: int) -> None:
    """Do to the room's topic what a restored backup does, and to the epoch."""
    with psycopg.connect(room.site.database_url) as connection:
        connection.execute("UPDATE realtime_topic SET seq = %s WHERE name = %s", [to_seq, room.topic])
        connection.execute("DELETE FROM realtime_loggedevent WHERE topic_id = %s AND seq > %s", [room.topic, to_seq])
        connection.execute("DELETE FROM videos_comment WHERE video_id = %s AND seq > %s", [room.video_id, to_seq])
        connection.execute("UPDATE realtime_drawnepoch SET drawn = gen_random_uuid()")
