"""A poll of a real site, over two nodes: what is done at one is seen at the other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.messaging.talks import Listening, SseListener, WebSocketListener, listen
from tests.rooms import Room
from tests.watching import each, watching

POLL = {"question": "Which song?", "options": ["The old one", "A new one"]}


@pytest.fixture
async def room(lobby: Room) -> Room:
    lobby.video_id = await lobby.new_video()
    return lobby


async def open_poll(room: Room, **how: Any) -> dict[str, Any]:
    answer = await room.call("POST", f"/videos/{room.video_id}/polls", {**POLL, **how}, person=room.people[0])
    poll: dict[str, Any] = answer.raise_for_status().json()
    return poll


def total(viewer: Listening, topic: str) -> int:
    """Return how many votes the viewer knows of."""
    seen = viewer.of(topic, "votes")
    return seen[-1]["total"] if seen else 0


def newest_votes(viewer: Listening, topic: str) -> dict[str, int]:
    seen = viewer.of(topic, "votes")
    return dict(seen[-1]["kinds"]) if seen else {}


async def test_a_poll_and_its_votes_reach_viewers_of_another_node(room: Room) -> None:
    path, topic, [nadia, ada, *_] = f"/videos/{room.video_id}", f"board:{room.video_id}", room.people
    assert (await room.call("GET", f"{path}/board")).status_code == 404
    former = await open_poll(room)
    (await room.call("POST", f"{path}/polls/{former['id']}/close", person=nadia)).raise_for_status()
    viewers = [await listen(room, ada, topic, kind=kind) for kind in (SseListener, WebSocketListener)]

    async with watching(*viewers):
        assert viewers[0].snapshots[topic]["poll"]["id"] == former["id"]
        poll = await open_poll(room, seconds=600)
        await each(viewers, lambda viewer: viewer.sees(topic, "poll"))
        [old, new] = [option["id"] for option in poll["options"]]
        voted = await room.call("PUT", f"{path}/polls/{poll['id']}/vote", {"option": old}, person=nadia)
        asked = {"op": "vote", "video": room.video_id, "poll": poll["id"]}
        by_socket = await viewers[1].ask({**asked, "option": new})
        refused = await viewers[1].ask({**asked, "option": old})
        await each(viewers, lambda viewer: viewer.wait_for(lambda: total(viewer, topic) == 2, "two votes"))

    assert voted.json() == {"total": 1, "kinds": {str(old): 1, str(new): 0}, "mine": old}
    assert (by_socket["total"], by_socket["mine"]) == (2, new)
    assert refused["error"]["code"] == "voted"
    for viewer in viewers:
        assert viewer.problems == []
        assert viewer.of(topic, "poll")[-1]["poll"] == poll
        assert viewer.of(topic, "votes")[-1]["kinds"] == {str(old): 1, str(new): 1}
    board = (await room.call("GET", f"{path}/board", person=ada)).json()
    nothing_else: dict[str, Any] = {"announcement": None, "goals": [], "raid": None, "raided": None, "questions": None}
    votes = {"total": 2, "kinds": {str(old): 1, str(new): 1}}
    assert board["snapshot"] == {"poll": poll, "votes": votes, **nothing_else}
    assert board["mine"] == new
    assert (await room.call("GET", path)).json()["has_board"] is True
    results = (await room.call("GET", f"{path}/polls")).json()["items"]
    assert [(each["id"], each["votes"]["total"], each["mine"]) for each in results] == [
        (poll["id"], 2, None),
        (former["id"], 0, None),
    ]


async def test_who_may_not_is_refused(room: Room) -> None:
    path, [nadia, ada, *_] = f"/videos/{room.video_id}", room.people
    poll = await open_poll(room)
    one = f"{path}/polls/{poll['id']}"
    for status, code, method, where, body, person in (
        (403, "forbidden", "POST", f"{path}/polls", POLL, ada),
        (403, "forbidden", "POST", f"{one}/close", None, ada),
        (403, "forbidden", "DELETE", one, None, ada),
        (401, "unauthenticated", "PUT", f"{one}/vote", {"option": 1}, None),
        (422, "invalid", "PUT", f"{one}/vote", {"option": 2**62}, ada),
        (422, "invalid", "PUT", f"{one}/vote", {"option": True}, ada),
        (409, "poll_open", "POST", f"{path}/polls", POLL, nadia),
        (422, "invalid", "POST", f"{path}/polls", {**POLL, "options": ["one"]}, nadia),
        (422, "invalid", "POST", f"{path}/polls", {**POLL, "seconds": 1}, nadia),
    ):
        answer = await room.call(method, where, body, person=person)
        assert (answer.status_code, answer.json()["code"]) == (status, code), where
    assert (await room.call("DELETE", one, person=nadia)).status_code == 204
    assert (await room.call("GET", f"{path}/board")).json()["snapshot"]["poll"] is None


async def test_a_question_and_its_votes_reach_viewers_of_another_node(room: Room) -> None:
    path, topic, [nadia, ada, *_] = f"/videos/{room.video_id}", f"questions:{room.video_id}", room.people
    assert (await room.call("GET", f"{path}/questions")).status_code == 404
    (await room.call("PUT", f"{path}/questions", {"is_open": True}, person=nadia)).raise_for_status()
    viewers = [await listen(room, ada, topic, kind=kind) for kind in (SseListener, WebSocketListener)]

    async with watching(*viewers):
        asked = await room.call("POST", f"{path}/questions", {"body": "How?", "client_id": "1"}, person=nadia)
        question = asked.json()
        by_socket = await viewers[1].ask({"op": "ask", "video": room.video_id, "body": "Why?", "client_id": "2"})
        voted = {"op": "vote_question", "video": room.video_id, "question": question["id"]}
        first, second = await viewers[1].ask(voted), await viewers[1].ask({**voted, "for": False})
        await room.call("PUT", f"{path}/questions/{question['id']}/vote", person=nadia)
        answering = f"{path}/questions/{by_socket['question']['id']}/state"
        await room.call("PUT", answering, {"state": "answered"}, person=nadia)
        await each(viewers, lambda viewer: viewer.sees(topic, "question_gone"))
        kinds = {str(question["id"]): 1}
        await each(viewers, lambda viewer: viewer.wait_for(lambda: newest_votes(viewer, topic) == kinds, "a vote"))

    assert asked.status_code == 201
    assert ((first["votes"], first["mine"]), (second["votes"], second["mine"])) == ((1, True), (0, False))
    for viewer in viewers:
        assert viewer.problems == []
        assert [event["question"] for event in viewer.of(topic, "question")] == [question, by_socket["question"]]
    answer = (await room.call("GET", f"{path}/questions", person=nadia)).json()
    votes = {"total": 1, "kinds": kinds}
    assert (answer["snapshot"], answer["mine"]) == ({"questions": [question], "votes": votes}, [question["id"]])
    [answered] = (await room.call("GET", f"{path}/questions/answered")).json()["items"]
    assert (answered["body"], answered["votes"], answered["answering_at_ms"]) == ("Why?", 0, None)
    assert (await room.call("GET", f"{path}/board")).json()["snapshot"]["questions"] == {
        "is_open": True,
        "answering": None,
    }
    for wrong in (0, 2**63):
        refused = await room.call("PUT", f"{path}/questions/{wrong}/vote", person=nadia)
        assert refused.status_code == 404
