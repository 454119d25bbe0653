"""People of a real site who talk to each other, and their connections: each checks the order of what it reads."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from tests.rooms import Person, Room
from tests.watching import Seen, SseWatcher, Watcher, WebSocketWatcher


class Listening(Watcher):
    """A viewer of topics that are no videos. `seqs` is how far it has read each of them."""

    def _take(self, seen: Seen) -> None:
        self.seen.append(seen)
        match seen.name:
            case "hello":
                self.hellos += 1
                self.connection = seen.data["connection"]
                self.seqs = {topic: opening["seq"] for topic, opening in seen.data["topics"].items()}
                self.snapshots = {topic: opening["snapshot"] for topic, opening in seen.data["topics"].items()}
            case "subscribed":
                self.seqs[seen.data["topic"]] = seen.data["seq"]
            case _ if "seq" in seen.data:
                topic, seq = seen.data["topic"], seen.data["seq"]
                if seq != self.seqs[topic] + 1:
                    self.problems.append(f"{seen.name} {seq} of {topic} after {self.seqs[topic]}")
                self.seqs[topic] = seq
        self._changed.set()

    def of(self, topic: str, name: str) -> list[dict[str, Any]]:
        """Return the events of a name that the topic told."""
        return [seen.data for seen in self.named(name) if seen.data["topic"] == topic]

    async def sees(self, topic: str, name: str, count: int = 1) -> dict[str, Any]:
        """Return the newest of so many events."""
        await self.wait_for(lambda: len(self.of(topic, name)) >= count, f"{count} of {name} on {topic}")
        return self.of(topic, name)[-1]


class SseListener(Listening, SseWatcher):
    """By `GET /events`."""


class WebSocketListener(Listening, WebSocketWatcher):
    """By `/ws`. `answers` has what its commands were answered, in order."""

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [seen.data for seen in self.seen if seen.name in ("ack", "error")]

    async def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Send a command and return its answer."""
        before = len(self.answers)
        await self.send({"ref": before, **command})
        await self.wait_for(lambda: len(self.answers) > before, f"an answer to {command}")
        return self.answers[before]


async def ticket_query(room: Room, person: Person, *topics: str) -> str:
    """Return the query that adds the topics but the first, on the person's behalf."""
    issued = await room.call("POST", "/tickets", {"topics": list(topics)}, person=person)
    more = "".join(f"&topic={quote(topic)}" for topic in topics[1:])
    return f"{more}&ticket={issued.raise_for_status().json()['ticket']}"


async def listen(room: Room, person: Person, *topics: str, kind: type[Listening], node: int = 1) -> Any:
    """Return a listener on a node, not yet open."""
    return kind(room.site.urls[node], topics[0], query=await ticket_query(room, person, *topics))


async def start(room: Room, *people: Person, title: str = "") -> dict[str, Any]:
    """Have the first of them start a conversation; return the summary."""
    body = {"members": [person.id for person in people[1:]], "title": title}
    answer = (await room.call("POST", "/conversations", body, person=people[0])).raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


async def send(room: Room, conversation: dict[str, Any], person: Person, body: str, *, node: int = 0) -> dict[str, Any]:
    answer = await try_to_send(room, conversation, person, body, node=node)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


async def try_to_send(
    room: Room, conversation: dict[str, Any], person: Person, body: str, *, node: int = 0
) -> httpx.Response:
    path = f"/conversations/{conversation['id']}/messages"
    return await room.call("POST", path, {"body": body}, person=person, node=node)
