"""A node killed while people vote: each vote that was acknowledged is there, once."""

from __future__ import annotations

import asyncio

import httpx
import psycopg

from tests.messaging.talks import SseListener, listen
from tests.rooms import Person, Room
from tests.sites import Site
from tests.watching import watching

VOTERS = 40
KILLED_AFTER = 12


async def test_votes_are_exact_when_the_node_dies_that_takes_them(site: Site, room: Room) -> None:
    """Who got no answer asks the other node: the same vote again is the same vote."""
    voters = await asyncio.gather(*(room.join(f"Voter {number}") for number in range(VOTERS)))
    asked = {"question": "Which?", "options": ["One", "Two", "Three"]}
    path = f"/videos/{room.video_id}/polls"
    poll = (await room.call("POST", path, asked, person=room.people[0], node=1)).raise_for_status().json()
    options = [option["id"] for option in poll["options"]]
    acknowledged: dict[str, int] = {}

    async def cast(voter: Person, option: int, node: int) -> None:
        answer = await room.insist("PUT", f"{path}/{poll['id']}/vote", {"option": option}, person=voter, node=node)
        acknowledged[voter.id] = answer.raise_for_status().json()["mine"]

    async def vote(number: int, voter: Person) -> None:
        """Vote at the node that is killed. Without an answer, vote at the other."""
        option = options[number % 3]
        try:
            await cast(voter, option, 0)
            if len(acknowledged) == KILLED_AFTER:
                site.nodes[0].kill()
        except httpx.TransportError:
            await cast(voter, option, 1)

    topic = f"board:{room.video_id}"
    async with watching(await listen(room, voters[0], topic, kind=SseListener)) as (viewer,):
        await asyncio.gather(*(vote(number, voter) for number, voter in enumerate(voters)))
        await viewer.wait_for(lambda: bool(v := viewer.of(topic, "votes")) and v[-1]["total"] == VOTERS, "all votes")

    assert site.nodes[0].exit_code() is not None
    with psycopg.connect(site.database_url) as connection:
        rows = connection.execute(
            "SELECT o.id, o.votes, count(v.*) FROM polls_polloption o LEFT JOIN polls_vote v ON v.option_id = o.id"
            " WHERE o.poll_id = %s GROUP BY o.id ORDER BY o.place",
            [poll["id"]],
        ).fetchall()
    wanted = [sum(option == mine for mine in acknowledged.values()) for option in options]
    assert [(votes, counted) for _, votes, counted in rows] == [(number, number) for number in wanted]
    assert sum(wanted) == VOTERS
