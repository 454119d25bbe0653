"""A video is made private while people watch it: within seconds nobody else reads it, however they came."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

from tests.rooms import open_room
from tests.sites import Site
from tests.watching import Refused, SseWatcher, Watcher, WebSocketWatcher, each, watching

SECRET = "Between us"


async def test_video_made_private_is_read_by_its_broadcaster_alone(site: Site) -> None:
    """Anonymous viewers, signed-in ones, and holders of tickets of before, by both ways and on both nodes.

    A ticket that was taken while the video was public opened streams after that, and they read on without end.
    """
    async with open_room(site, people=3) as room:
        nadia, ada, _ = room.people
        (nodes, topic), kinds = (site.urls, room.topic), (SseWatcher, WebSocketWatcher)

        async def ticket(person: object = None) -> str:
            answer = await room.call("POST", "/tickets", {"topics": [topic]}, person=person)  # type: ignore[arg-type]
            return f"&ticket={quote(answer.raise_for_status().json()['ticket'])}"

        of_nobody, of_ada, of_nadia = await ticket(), await ticket(ada), await ticket(nadia)
        strangers: list[Watcher] = [kind(nodes[place], topic) for place, kind in enumerate(kinds)]
        bearer = {"Authorization": f"Bearer {ada.token}"}
        strangers += [kind(nodes[place], topic, headers=bearer) for place, kind in enumerate(kinds)]
        strangers += [kind(nodes[1 - place], topic, query=of_nobody) for place, kind in enumerate(kinds)]
        strangers += [kind(nodes[place], topic, query=of_ada) for place, kind in enumerate(kinds)]
        owner = SseWatcher(nodes[1], topic, query=of_nadia)
        async with watching(owner, *strangers):
            change = {"visibility": "private", "title": SECRET}
            (await room.call("PATCH", f"/videos/{room.video_id}", change, person=nadia)).raise_for_status()
            await room.comment(SECRET, person=nadia)
            await owner.sees_comment(SECRET)
            await each(strangers, lambda stranger: stranger.is_closed())
            for stranger in strangers:
                assert stranger.named("bye")[-1].data == {"reason": "private"}
                assert SECRET not in json.dumps([seen.data for seen in stranger.seen]), stranger
            for query in (of_nobody, of_ada):
                for node in nodes:
                    with_ticket = SseWatcher(node, topic, query=query)
                    try:
                        await with_ticket.open()
                    except Refused as refused:
                        assert refused.status == 404
                    else:
                        raise AssertionError("a ticket of before opens a private video")
                    by_socket = WebSocketWatcher(node, topic, query=query)
                    try:
                        await by_socket.open()
                    except AssertionError:
                        assert by_socket.close_code == 4404
            await owner.close()
            await owner.open()
            assert owner.problems == [], "who may read it comes back by a ticket of before"
        await asyncio.gather(*(stranger.close() for stranger in strangers))
