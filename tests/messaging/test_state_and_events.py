"""First state + events = fresh state, for conversations and inboxes: random acts on a real database."""

from __future__ import annotations

import asyncio
import copy
import random
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from asgiref.sync import async_to_sync

from accounts import removal
from accounts.models import Viewer
from messaging import acts, reading, topics
from messaging.models import Member, Message
from messaging.representation import conversation_topic, user_topic
from realtime.events import Durable, TopicName
from realtime.kinds import TopicKind
from realtime.log.database import DatabaseStore, events_after
from realtime.log.store import Loaded, TopicGone
from realtime.registry import registry
from tests.kept import kept_by_a_node, read
from tests.messaging.circle import Circle

CONVERSATION_NAMES = {"message", "message_edited", "message_deleted", "receipt", "conversation"}
USER_NAMES = {*CONVERSATION_NAMES, "blocked", "notices"}
STORE = DatabaseStore(registry)


def kind_of(topic: TopicName) -> TopicKind:
    return registry.kinds[topic.partition(":")[0]]


def load_all(topics: Sequence[TopicName]) -> dict[TopicName, Loaded]:
    """Load topics as a node does, all that are asked for at a time in one go. Raises TopicGone."""

    async def loaded() -> list[Loaded]:
        return await asyncio.gather(*map(STORE.load, topics))

    return dict(zip(topics, async_to_sync(loaded)(), strict=True))


class Follower:
    """What a node knows of a topic: a snapshot, kept up by events alone."""

    def __init__(self, topic: TopicName, start: Loaded) -> None:
        self.topic = topic
        self.seq = start.head.seq
        self.snapshot: dict[str, Any] = copy.deepcopy(start.snapshot)

    def take(self, event: Durable) -> None:
        assert event.seq == self.seq + 1, "a hole in the order of events"
        self.seq = event.seq
        kind_of(self.topic).apply(self.snapshot, event.name, orjson.loads(event.body))


def follow_all(circle: Circle) -> dict[TopicName, Follower]:
    return {topic: Follower(topic, loaded) for topic, loaded in load_all(circle.topics()).items()}


def follow(circle: Circle, followers: dict[TopicName, Follower]) -> None:
    """Hand the published events on, and compare with what the database has now."""
    for event in circle.events:
        assert isinstance(event, Durable)
        if event.topic in followers:
            followers[event.topic].take(event)
    circle.events.clear()
    for topic, fresh in load_all(circle.topics()).items():
        if topic not in followers:  # a new conversation
            followers[topic] = Follower(topic, fresh)
        known = followers[topic]
        assert known.snapshot == fresh.snapshot
        assert known.seq == fresh.head.seq
        access = kind_of(topic).access(known.snapshot)
        assert access == kind_of(topic).access(fresh.snapshot)
        assert access.viewer_ids or topic.startswith("conversation:"), "everybody has left"


@pytest.mark.parametrize("seed", range(4))
def test_first_state_and_events_equal_fresh_state(circle: Circle, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """With short snapshots, so that their ends are reached: an older one must not come in without an event."""
    for name, count in (("SNAPSHOT_MESSAGES", 4), ("SNAPSHOT_CONVERSATIONS", 3)):
        for module in (reading, topics):
            monkeypatch.setattr(module, name, count)
    chance = random.Random(seed)
    for _ in range(chance.randrange(60)):
        circle.act(chance)
    circle.events.clear()
    followers = follow_all(circle)
    for number in range(150):
        circle.act(chance)
        if number % 5 == 0:
            follow(circle, followers)
    follow(circle, followers)


def test_every_type_of_event_takes_part(circle: Circle) -> None:
    """A new type that the random acts do not produce would not be under the rule: then this fails."""
    chance = random.Random(2)
    for _ in range(220):
        circle.act(chance)
    durable = [event for event in circle.events if isinstance(event, Durable)]
    assert {event.name for event in durable if event.topic.startswith("conversation:")} == CONVERSATION_NAMES
    assert {event.name for event in durable if event.topic.startswith("user:")} == USER_NAMES
    for topic in circle.topics():
        published = [event.seq for event in circle.published(topic)]
        log = [event.seq for event in events_after("default", topic, 0, 1_000)]
        assert log == ([] if topic.startswith("user:") else published)


@pytest.mark.parametrize("seed", range(2))
def test_who_resumes_over_a_deletion_gets_no_text_of_it_and_is_where_a_fresh_viewer_is(
    circle: Circle, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """By what the event log has and by what a node has kept, which is all that there is of an inbox. That begins anew
    after a deletion.
    """
    for name, count in (("SNAPSHOT_MESSAGES", 4), ("SNAPSHOT_CONVERSATIONS", 3)):
        for module in (reading, topics):
            monkeypatch.setattr(module, name, count)
    chance = random.Random(seed)
    started = [circle.start(0, 1), circle.start(1, 2, 3), *(circle.start(2, number) for number in (3, 4, 5))]
    topics_of_all = [*map(conversation_topic, started), *(user_topic(person.id) for person in circle.people)]
    known = [load_all(topics_of_all)]
    circle.events.clear()
    for number in range(200):
        circle.act(chance)
        if number % 10 == 0:
            known.append(load_all(topics_of_all))
    fresh = load_all(topics_of_all)
    bodies = {str(id): body for id, body in Message.objects.filter(deleted_at=None).values_list("id", "body")}
    for topic in topics_of_all:
        log = events_after("default", topic, known[0][topic].head.seq, 1_000)
        kept = kept_by_a_node(known[0][topic], topic, circle.events)
        if topic.startswith("user:"):
            assert not log
            log = [Durable(topic, seq, name, orjson.dumps(data)) for seq, name, data in kept]
        assert kept == read(log)[-kind_of(topic).kept_events :]
        for loaded in known:
            if log and log[0].seq > loaded[topic].head.seq + 1:
                assert topic.startswith("user:"), "only an inbox begins anew"
                continue
            follower = Follower(topic, loaded[topic])
            for event in log:
                if event.seq > follower.seq:
                    follower.take(event)
            assert follower.snapshot == fresh[topic].snapshot
        mine = Member.objects.filter(viewer_id=topic.partition(":")[2], left_at=None) if topic[0] == "u" else ()
        shown = {str(member.conversation_id) for member in mine}
        for _, _, data in read(log):
            if topic.startswith("user:") and "last" in data.get("conversation", ()):
                assert data["conversation"]["id"] in shown, "they have left it"
            for message in (data.get("message"), data.get("conversation", {}).get("last")):
                if message and "body" in message and topic.startswith("conversation:"):
                    assert message["body"] == bodies[message["id"]]
                elif message and "body" in message:
                    assert message["id"] in bodies, "it is deleted"


def test_unread_counts_equal_the_messages(circle: Circle) -> None:
    chance = random.Random(2)
    was_unread = False
    for _ in range(10):
        for _ in range(20):
            circle.act(chance)
        for member in Member.objects.filter(left_at=None):
            unseen = Message.objects.filter(conversation_id=member.conversation_id, deleted_at=None)
            unseen = unseen.filter(seq__gt=max(member.seen_seq, member.joined_seq)).exclude(author_id=member.viewer_id)
            assert member.unread == unseen.count()
            was_unread |= member.unread > 0
    assert was_unread


def test_inbox_has_the_order_of_its_events_even_when_clocks_disagree(circle: Circle) -> None:
    """The order is by the database's clock under the inbox's lock, not by when a request came."""
    first, second = circle.start(0, 1), circle.start(0, 2)
    acts.send(first, circle.people[1], "hello")
    acts.see(second, circle.people[0], 0)
    acts.send(second, circle.people[0], "hi")
    acts.see(first, circle.people[0], 1)
    shown = reading.inbox_snapshots([circle.id_of(0)])[circle.id_of(0)]
    assert [item["id"] for item in shown["conversations"]] == [str(second), str(first)]


def test_deleted_account_leaves_as_events_tell(circle: Circle) -> None:
    """What goes with an account is told to everybody whom it concerns, and nothing of it is left."""
    chance = random.Random(3)
    group, pair = circle.start(1, 0, 2, 3), circle.start(0, 4)
    for number in range(12):
        for conversation in (group, pair):
            acts.send(conversation, circle.people[0], f"note {number}")
    acts.send(group, circle.people[2], "hello")
    acts.block(circle.people[5], circle.id_of(0))
    acts.block(circle.people[0], circle.id_of(3))
    for _ in range(40):
        circle.act(chance)
    circle.events.clear()
    gone = circle.people.pop(0)
    followers = follow_all(circle)
    removal.delete_viewer(gone.id, circle.people[0])
    for event in circle.events:
        assert isinstance(event, Durable)
        if event.topic in followers:
            followers[event.topic].take(event)
    fresh = load_all(list(followers))
    for topic, known in followers.items():  # what viewers see of it: no row keeps the places of what is gone
        assert kind_of(topic).shown(known.snapshot) == kind_of(topic).shown(fresh[topic].snapshot)
    assert not Viewer.objects.filter(id=gone.id).exists()
    assert not Message.objects.filter(author_id=gone.id).exists()
    with pytest.raises(TopicGone):
        load_all([user_topic(gone.id)])
    shown = fresh[conversation_topic(group)].snapshot
    assert str(gone.id) not in [member["id"] for member in shown["conversation"]["members"]]
    assert str(gone.id) not in [message["author"]["id"] for message in shown["messages"] if "deleted" not in message]
