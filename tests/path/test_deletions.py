"""What is deleted is gone for those who come back, on all of the way."""

from __future__ import annotations

from tests.rooms import open_room
from tests.sites import Site
from tests.watching import DURABLE, SseWatcher, watching


async def come_back(url: str, stays: SseWatcher, *, after: int) -> SseWatcher:
    """Come to a node with the position of somebody who has read up to `after`, and read on to where `stays` is."""
    later = SseWatcher(url, stays.topic)
    later.epoch, later.seq = stays.epoch, after
    async with watching(later):
        await later.wait_for(lambda: later.seq == stays.seq, "what was missed")
    return later


async def test_who_comes_back_over_a_deletion_gets_every_seq_and_nothing_of_the_text(site: Site) -> None:
    """From a node that has taken the deletion, and from one that reads the log. Both sent the text for a day."""
    async with open_room(site) as room, watching(SseWatcher(site.urls[0], room.topic)) as (stays,):
        before = stays.seq
        rude = await room.comment("secret words")
        await room.comment("kind words")
        await room.call("DELETE", f"/videos/{room.video_id}/comments/{rude['id']}", person=room.people[0])
        await stays.wait_for(lambda: "comment_deleted" in stays.names, "the deletion")
        for url in site.urls[:2]:
            later = await come_back(url, stays, after=before)
            assert (later.resets, later.problems) == ([], [])
            assert [seen.name for seen in later.seen if seen.name in DURABLE] == [
                "comment_deleted", "comment", "comment_deleted",
            ]  # fmt: skip
            assert {seen.data["comment"]["id"] for seen in later.named("comment_deleted")} == {rude["id"]}
            assert "secret words" not in str([seen.data for seen in later.seen])
