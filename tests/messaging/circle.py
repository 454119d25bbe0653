"""Viewers who write to each other at random, through the real acts, and what was published of it."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from uuid import UUID

import pytest

from accounts.guests import create_guest
from accounts.tokens import Claim
from messaging import acts
from messaging.models import Conversation, Member, Message
from messaging.representation import user_topic
from realtime.events import Durable, Event, TopicName
from web.refusals import Refused


class Circle:
    """`people` on the real database. `events` is what the backend published, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, people: int = 6) -> None:
        self.events: list[Event] = []
        monkeypatch.setattr("realtime.dispatch.publisher.publisher.publish", self.events.extend)
        self.people = [create_guest(f"Person {number}") for number in range(people)]

    def id_of(self, number: int) -> UUID:
        return self.people[number].id

    def start(self, *members: int, title: str = "") -> UUID:
        """Have the first of them start a conversation with the others; return its id."""
        first, *others = members
        started = acts.start(self.people[first], [self.id_of(number) for number in others], title=title)
        return UUID(started.summary["id"])

    def topics(self) -> list[TopicName]:
        """Return every topic that there is."""
        conversations = [TopicName(conversation.topic) for conversation in Conversation.objects.all()]
        return [*conversations, *(user_topic(person.id) for person in self.people)]

    def published(self, topic: TopicName) -> list[Durable]:
        return [event for event in self.events if isinstance(event, Durable) and event.topic == topic]

    def names(self, topic: TopicName) -> list[str]:
        return [event.name for event in self.published(topic)]

    def act(self, chance: random.Random) -> None:
        """Do one thing, as chance will have it; one that is refused changes nothing."""
        done: list[Callable[[random.Random], object]] = [
            *[self._send] * 8,
            *[self._see] * 5,
            self._delete,
            self._delete,
            self._edit,
            self._edit,
            self._start,
            self._add,
            self._add,
            self._remove,
            self._rename,
            self._block,
            self._unblock,
        ]
        with contextlib.suppress(Refused):
            chance.choice(done)(chance)

    def _start(self, chance: random.Random) -> None:
        first, *others = chance.sample(range(len(self.people)), chance.choice([2, 2, 3, 4]))
        self.start(first, *others, title=chance.choice(["", "A group"]))

    def _somewhere(self, chance: random.Random) -> tuple[UUID, UUID]:
        """Return a conversation and one of its members."""
        places = Member.objects.filter(left_at=None).order_by("conversation_id", "viewer_id")
        found = list(places.values_list("conversation_id", "viewer_id"))
        if not found:
            raise Refused("nobody talks yet")
        return chance.choice(found)

    def _send(self, chance: random.Random) -> None:
        conversation_id, viewer_id = self._somewhere(chance)
        acts.send(conversation_id, Claim(viewer_id), f"{chance.random()} <b>ü🎉", client_id=None)

    def _see(self, chance: random.Random) -> None:
        conversation_id, viewer_id = self._somewhere(chance)
        acts.see(conversation_id, Claim(viewer_id), chance.randrange(40))

    def _delete(self, chance: random.Random) -> None:
        message = self._some_message(chance)
        acts.delete(message.conversation_id, Claim(message.author_id), message.id)

    def _edit(self, chance: random.Random) -> None:
        message = self._some_message(chance)
        acts.edit(message.conversation_id, Claim(message.author_id), message.id, f"edited {chance.random()}")

    def _some_message(self, chance: random.Random) -> Message:
        messages = list(Message.objects.filter(deleted_at=None).order_by("-created_at")[:30])
        if not messages:
            raise Refused("nobody has said anything yet")
        return chance.choice(messages)

    def _add(self, chance: random.Random) -> None:
        conversation_id, viewer_id = self._somewhere(chance)
        acts.add_member(conversation_id, Claim(viewer_id), chance.choice(self.people).id)

    def _remove(self, chance: random.Random) -> None:
        conversation_id, viewer_id = self._somewhere(chance)
        acts.remove_member(conversation_id, Claim(viewer_id), viewer_id)

    def _rename(self, chance: random.Random) -> None:
        conversation_id, viewer_id = self._somewhere(chance)
        acts.rename(conversation_id, Claim(viewer_id), chance.choice(["", "A group", "Another name"]))

    def _block(self, chance: random.Random) -> None:
        first, second = chance.sample(self.people, 2)
        acts.block(first, second.id)

    def _unblock(self, chance: random.Random) -> None:
        first, second = chance.sample(self.people, 2)
        acts.unblock(first, second.id)
