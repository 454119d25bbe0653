"""What viewers do to each other, on the real database: who is refused, what is stored once, who is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.guests import create_guest
from accounts.models import Viewer
from accounts.tokens import Claim
from messaging import acts, contacts, reading
from messaging.models import Block, Conversation, Member, Message, MessageVersion
from messaging.representation import conversation_topic, user_topic
from messaging.typists import member_who_types
from moderation.models import Restriction
from realtime.models import LoggedEvent, Topic
from tests.messaging.circle import Circle
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused, SignedOut

THREADS = 7  # of the pool's 8 connections the test has one


def code_of(act: Callable[[], object]) -> str:
    """Return with which code the act is refused."""
    with pytest.raises(Refused) as refusal:
        act()
    return refusal.value.code


def told(circle: Circle, number: int) -> list[dict[str, Any]]:
    """Return what a person's own topic was told."""
    return [orjson.loads(event.body) for event in circle.published(user_topic(circle.id_of(number)))]


def test_time_out_of_the_whole_site_stops_direct_messages(circle: Circle) -> None:
    ada, bea = circle.people[:2]
    talk = circle.start(0, 1)
    sent = acts.send(talk, ada, "before")
    group = UUID(acts.start(ada, [circle.id_of(1), circle.id_of(2)]).summary["id"])
    until = timezone.now() + timedelta(minutes=5)
    Restriction.objects.create(viewer=ada, kind="time_out", until=until)
    Restriction.objects.create(viewer=bea, kind="time_out", until=until, channel=ada)
    for act in (
        lambda: acts.send(talk, ada, "hello"),
        lambda: acts.edit(talk, ada, UUID(sent["id"]), "hello"),
        lambda: acts.start(ada, [circle.id_of(2)]),
        lambda: acts.add_member(group, ada, circle.id_of(3)),
        lambda: member_who_types(talk, ada),
    ):
        assert code_of(act) == "timed_out"
    acts.delete(talk, ada, UUID(sent["id"]))
    acts.send(talk, bea, "a time-out of a channel is no matter of messages")


def test_shadow_of_the_whole_site_looks_like_a_block_by_everybody(circle: Circle) -> None:
    """Messages of a person whom nobody sees any more arrived."""
    ada, bea = circle.people[:2]
    talk = circle.start(0, 1)
    group = UUID(acts.start(ada, [circle.id_of(1), circle.id_of(2)]).summary["id"])
    Restriction.objects.create(viewer=ada, kind="shadow")
    for act in (
        lambda: acts.send(talk, ada, "hello"),
        lambda: acts.send(group, ada, "hello"),
        lambda: acts.start(ada, [circle.id_of(3)]),
        lambda: acts.rename(group, ada, "Look here"),
    ):
        assert code_of(act) == "not_reachable"
    assert member_who_types(talk, ada) is None
    acts.send(talk, bea, "they read what others write")
    assert reading.summary(talk, ada.id)["unread"] == 1


# Conversations


def test_two_people_have_one_conversation_whoever_starts_it(circle: Circle) -> None:
    first = acts.start(circle.people[0], [circle.id_of(1)])
    again = acts.start(circle.people[1], [circle.id_of(0), circle.id_of(1)])
    assert (first.is_new, again.is_new) == (True, False)
    assert first.summary == again.summary
    assert Conversation.objects.count() == 1
    assert [member["name"] for member in first.summary["members"]] == ["Person 0", "Person 1"]
    assert [len(told(circle, number)) for number in (0, 1, 2)] == [1, 1, 0]


def test_two_who_start_at_the_same_moment_have_one_conversation(circle: Circle) -> None:
    started: list[acts.Started] = []

    def start(number: int) -> None:
        started.append(acts.start(circle.people[number], [circle.id_of(1 - number)]))

    at_once([lambda: start(0), lambda: start(1)] * 4)
    assert len({one.summary["id"] for one in started}) == 1
    assert sum(one.is_new for one in started) == 1


def test_groups_are_as_many_as_one_likes(circle: Circle) -> None:
    assert len({circle.start(0, 1, 2) for _ in range(3)}) == 3


def test_conversation_of_two_that_is_there_twice_is_refused_by_the_database(circle: Circle) -> None:
    circle.start(0, 1)
    pair = Conversation.objects.get().pair
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.create(pair=pair)


@pytest.mark.parametrize(("others", "code"), [(0, "too_few_members"), (50, "too_many_members"), (49, "")])
def test_conversation_has_two_to_fifty_members(circle: Circle, others: int, code: str) -> None:
    ids = [create_guest(f"Guest {number}").id for number in range(others)]
    if code:
        assert code_of(lambda: acts.start(circle.people[0], ids)) == code
    else:
        summary = acts.start(circle.people[0], ids).summary
        assert len(summary["members"]) == 50
        more = lambda: acts.add_member(UUID(summary["id"]), circle.people[0], circle.id_of(1))  # noqa: E731
        assert code_of(more) == "too_many_members"


def test_conversation_with_nobody_and_with_who_is_banned(circle: Circle) -> None:
    Viewer.objects.filter(id=circle.id_of(1)).update(is_active=False)
    for other in (uuid4(), circle.id_of(1)):
        with pytest.raises(NotFound):
            acts.start(circle.people[0], [circle.id_of(2), other])
    assert Conversation.objects.count() == 0


@pytest.mark.parametrize("title", ["x" * 121, "\u0958" * 100, "\u3164"])
def test_title_that_is_none(circle: Circle, title: str) -> None:
    """The second one has 100 characters that are 200 in the form in which they are stored."""
    with pytest.raises(Invalid):
        circle.start(0, 1, 2, title=title)


# Members


def test_member_who_comes_later_reads_what_was_written_and_none_of_it_is_unread(circle: Circle) -> None:
    group = circle.start(0, 1, 2)
    sent = acts.send(group, circle.people[0], "before")
    shown = acts.add_member(group, circle.people[1], circle.id_of(3))
    assert shown == reading.summary(group, circle.id_of(1))
    assert [member["name"] for member in shown["members"]] == ["Person 0", "Person 1", "Person 2", "Person 3"]
    assert reading.message_page(group, circle.id_of(3), before=None, limit=9) == ([sent], None)
    assert reading.summary(group, circle.id_of(3))["unread"] == 0
    acts.send(group, circle.people[0], "after")
    assert reading.summary(group, circle.id_of(3))["unread"] == 1
    assert reading.summary(group, circle.id_of(1))["unread"] == 2


def test_members_stand_in_the_order_in_which_they_came(circle: Circle) -> None:
    """Also who comes before anything else has happened."""
    group = circle.start(3, 1, 2)
    for number in (0, 5, 4):
        acts.add_member(group, circle.people[3], circle.id_of(number))
        expected = reading.conversation_snapshot(group)
        assert expected is not None
        [*_, newest] = circle.published(conversation_topic(group))
        assert orjson.loads(newest.body)["conversation"] == expected["conversation"]
    names = [member.name for member in reading.members_of([group])[group].values()]
    assert names == [f"Person {number}" for number in (1, 2, 3, 0, 5, 4)]


def test_adding_again_changes_nothing(circle: Circle) -> None:
    group = circle.start(0, 1, 2)
    circle.events.clear()
    assert acts.add_member(group, circle.people[0], circle.id_of(2)) == reading.summary(group, circle.id_of(0))
    assert circle.events == []


def test_member_leaves_and_comes_back(circle: Circle) -> None:
    group = circle.start(0, 1, 2)
    seq = acts.send(group, circle.people[0], "hello")["seq"]
    acts.see(group, circle.people[2], seq)
    acts.remove_member(group, circle.people[2], circle.id_of(2))
    assert told(circle, 2)[-1]["conversation"] == {"id": str(group), "left": True}
    assert [member["name"] for member in told(circle, 1)[-1]["conversation"]["members"]] == ["Person 0", "Person 1"]
    for act in (
        lambda: acts.send(group, circle.people[2], "x"),
        lambda: acts.see(group, circle.people[2], seq),
        lambda: reading.summary(group, circle.id_of(2)),
        lambda: reading.message_page(group, circle.id_of(2), before=None, limit=9),
        lambda: acts.add_member(group, circle.people[2], circle.id_of(2)),
    ):
        assert code_of(act) == "not_found"
    acts.add_member(group, circle.people[0], circle.id_of(2))
    shown = reading.summary(group, circle.id_of(2))
    assert (shown["unread"], shown["seen_seq"]) == (0, 0), "a membership starts with nothing seen"


def test_only_who_started_a_group_sends_others_away(circle: Circle) -> None:
    group = circle.start(0, 1, 2)
    with pytest.raises(Forbidden):
        acts.remove_member(group, circle.people[1], circle.id_of(2))
    with pytest.raises(NotFound):
        acts.remove_member(group, circle.people[0], circle.id_of(3))
    acts.remove_member(group, circle.people[0], circle.id_of(2))
    assert [member.id for member in reading.members_of([group])[group].values()] == [circle.id_of(0), circle.id_of(1)]


def test_conversation_of_two_keeps_its_members(circle: Circle) -> None:
    pair = circle.start(0, 1)
    for act in (
        lambda: acts.add_member(pair, circle.people[0], circle.id_of(2)),
        lambda: acts.remove_member(pair, circle.people[0], circle.id_of(0)),
        lambda: acts.rename(pair, circle.people[0], "We two"),
    ):
        assert code_of(act) == "not_a_group"


# Messages


def test_message_is_stored_told_to_all_and_unread_for_the_others(circle: Circle) -> None:
    group = circle.start(0, 1, 2)
    sent = acts.send(group, circle.people[0], "  hello \n\n\n\n you ", client_id="a-1")
    assert (sent["seq"], sent["body"], sent["client_id"]) == (1, "hello \n\n you", "a-1")
    assert sent["author"] == {"id": str(circle.id_of(0)), "name": "Person 0"}
    [event] = circle.published(conversation_topic(group))
    body = orjson.loads(event.body)
    assert (body["seq"], body["message"]) == (1, sent)
    for number, unread in ((0, 0), (1, 1), (2, 1)):
        newest = told(circle, number)[-1]
        assert newest["message"] == newest["conversation"]["last"] == sent
        assert newest["conversation"]["unread"] == unread
        assert newest["conversation"] == reading.summary(group, circle.id_of(number))


def test_same_client_id_answers_the_same_message(circle: Circle) -> None:
    pair = circle.start(0, 1)
    first = acts.send(pair, circle.people[0], "hello", client_id="x")
    circle.events.clear()
    assert acts.send(pair, circle.people[0], "hello", client_id="x") == first
    assert circle.events == []
    with pytest.raises(Conflict):
        acts.send(pair, circle.people[0], "bye", client_id="x")
    assert acts.send(pair, circle.people[1], "hello", client_id="x")["id"] != first["id"]


def test_same_client_id_at_the_same_moment_is_one_message(circle: Circle) -> None:
    pair = circle.start(0, 1)
    sent: list[dict[str, Any]] = []

    def send() -> None:
        sent.append(acts.send(pair, circle.people[0], "hello", client_id="x"))

    at_once([send] * 8)
    assert all(one == sent[0] for one in sent)
    assert Message.objects.count() == 1


def test_foreign_and_unknown_conversations_look_the_same(circle: Circle) -> None:
    pair = circle.start(0, 1)
    message = UUID(acts.send(pair, circle.people[0], "hello")["id"])
    stranger = circle.people[2]
    for id in (pair, uuid4()):
        for act in (
            lambda id=id: acts.send(id, stranger, "x"),
            lambda id=id: acts.see(id, stranger, 1),
            lambda id=id: acts.delete(id, stranger, message),
            lambda id=id: acts.add_member(id, stranger, stranger.id),
            lambda id=id: acts.remove_member(id, stranger, stranger.id),
            lambda id=id: acts.rename(id, stranger, "Mine"),
            lambda id=id: reading.summary(id, stranger.id),
            lambda id=id: reading.message_page(id, stranger.id, before=None, limit=1),
        ):
            with pytest.raises(NotFound) as refusal:
                act()
            assert refusal.value.detail == "There is no such conversation."


def test_author_takes_back_others_do_not(circle: Circle) -> None:
    pair, other = circle.start(0, 1), circle.start(0, 2)
    kept = acts.send(pair, circle.people[1], "kept")
    sent = acts.send(pair, circle.people[0], "secret")
    id = UUID(sent["id"])
    with pytest.raises(Forbidden):
        acts.delete(pair, circle.people[1], id)
    with pytest.raises(NotFound):
        acts.delete(other, circle.people[0], id)
    acts.delete(pair, circle.people[0], id)
    with pytest.raises(NotFound):
        acts.delete(pair, circle.people[0], id)
    newest = told(circle, 1)[-1]
    assert (newest["message"], newest["conversation"]["last"]) == ({"id": str(id), "seq": sent["seq"]}, kept)
    assert newest["conversation"]["unread"] == 0
    assert reading.message_page(pair, circle.id_of(1), before=None, limit=9)[0] == [kept]
    assert Message.objects.get(id=id).body == "", "its text is gone for good"


def test_client_id_of_a_deleted_message_is_taken(circle: Circle) -> None:
    pair = circle.start(0, 1)
    sent = acts.send(pair, circle.people[0], "hello", client_id="x")
    acts.delete(pair, circle.people[0], UUID(sent["id"]))
    with pytest.raises(Conflict):
        acts.send(pair, circle.people[0], "hello", client_id="x")


def test_author_edits_and_members_read_what_it_said(circle: Circle) -> None:
    talk = circle.start(0, 1, 2)
    sent = acts.send(talk, circle.people[0], "Helo", client_id="a")
    acts.send(talk, circle.people[1], "hi")
    circle.events.clear()
    edited = acts.edit(talk, circle.people[0], UUID(sent["id"]), " Hello ")
    assert edited == {**sent, "body": "Hello", "edited_at_ms": edited["edited_at_ms"]}
    assert edited["edited_at_ms"] >= sent["at_ms"]
    assert acts.edit(talk, circle.people[0], UUID(sent["id"]), "Hello") == edited, "the same text changes nothing"
    assert circle.names(conversation_topic(talk)) == ["message_edited"]
    [of_member] = told(circle, 2)
    assert (of_member["message"], of_member["conversation"]["last"]["body"]) == (edited, "hi")
    assert of_member["conversation"]["unread"] == 2, "an edit is no new message"
    found = reading.versions_of(talk, circle.id_of(2), UUID(sent["id"]))
    assert [version.body for version in found] == ["Helo"]
    with pytest.raises(NotFound):
        reading.versions_of(talk, circle.id_of(3), UUID(sent["id"]))
    assert acts.send(talk, circle.people[0], "Helo", client_id="a") == edited, "what was sent twice is one"
    acts.delete(talk, circle.people[0], UUID(sent["id"]))
    assert not MessageVersion.objects.exists()
    assert code_of(lambda: acts.send(talk, circle.people[0], "Helo", client_id="a")) == "client_id_taken"


def test_edit_that_is_refused_changes_nothing(circle: Circle) -> None:
    talk = circle.start(0, 1)
    id = UUID(acts.send(talk, circle.people[0], "mine")["id"])
    edit = acts.edit
    assert code_of(lambda: edit(talk, circle.people[1], id, "other")) == "forbidden"
    assert code_of(lambda: edit(talk, circle.people[2], id, "other")) == "not_found"
    assert code_of(lambda: edit(talk, circle.people[0], uuid4(), "other")) == "not_found"
    assert code_of(lambda: edit(talk, circle.people[0], id, " \u200b ")) == "empty"
    acts.block(circle.people[1], circle.id_of(0))
    assert code_of(lambda: edit(talk, circle.people[0], id, "an insult")) == "not_reachable"
    acts.unblock(circle.people[1], circle.id_of(0))
    Message.objects.update(created_at=F("created_at") - timedelta(seconds=acts.EDIT_SECONDS + 1))
    assert code_of(lambda: edit(talk, circle.people[0], id, "other")) == "too_late"
    assert (Message.objects.get().body, MessageVersion.objects.count()) == ("mine", 0)


def test_two_edits_at_the_same_moment_are_both_kept(circle: Circle) -> None:
    talk = circle.start(0, 1)
    id = UUID(acts.send(talk, circle.people[0], "one")["id"])
    at_once([partial(acts.edit, talk, circle.people[0], id, body) for body in ("two", "three")])
    before = [version.body for version in reading.versions_of(talk, circle.id_of(0), id)]
    assert sorted([*before, Message.objects.get().body]) == ["one", "three", "two"]


def test_messages_are_paged_newest_first(circle: Circle) -> None:
    pair = circle.start(0, 1)
    sent = [acts.send(pair, circle.people[number % 2], f"note {number}") for number in range(5)]
    first, before = reading.message_page(pair, circle.id_of(0), before=None, limit=3)
    second, end = reading.message_page(pair, circle.id_of(0), before=before, limit=3)
    assert [*first, *second] == sent[::-1]
    assert (before, end) == (first[-1]["seq"], None)


def test_inbox_is_paged_by_newest_activity(circle: Circle) -> None:
    conversations = [circle.start(0, 1, 2) for _ in range(5)]
    acts.send(conversations[0], circle.people[1], "up")
    acts.remove_member(conversations[2], circle.people[0], circle.id_of(0))
    expected = [conversations[number] for number in (0, 4, 3, 1)]
    found: list[UUID] = []
    before = None
    while len(found) < 9:
        items, before = reading.inbox_page(circle.id_of(0), before=before, limit=2)
        found += [UUID(item["id"]) for item in items]
        if before is None:
            break
    assert found == expected


@pytest.mark.parametrize("credentials", ["deleted", "banned", "new password"])
def test_who_is_not_there_any_more_does_nothing(circle: Circle, credentials: str) -> None:
    pair = circle.start(0, 1)
    who = Claim(circle.id_of(0), circle.people[0].stamp())
    if credentials == "deleted":
        who = Claim(uuid4())
    elif credentials == "banned":
        Viewer.objects.filter(id=who.id).update(is_active=False)
    else:
        who = Claim(who.id, "of an old password")
    for act in (
        lambda: acts.send(pair, who, "x"),
        lambda: acts.see(pair, who, 1),
        lambda: acts.start(who, [circle.id_of(2)]),
        lambda: acts.add_member(pair, who, circle.id_of(2)),
        lambda: acts.remove_member(pair, who, circle.id_of(0)),
        lambda: acts.delete(pair, who, uuid4()),
        lambda: acts.block(who, circle.id_of(2)),
        lambda: acts.unblock(who, circle.id_of(2)),
    ):
        with pytest.raises(SignedOut):
            act()


# Receipts


def test_receipt_only_moves_on(circle: Circle) -> None:
    """Late, twice, in the future, of a stranger: row 35 of the list of bad inputs."""
    pair = circle.start(0, 1)
    seqs = [acts.send(pair, circle.people[0], f"note {number}")["seq"] for number in range(3)]
    assert acts.see(pair, circle.people[1], seqs[1]) == {"seen_seq": seqs[1], "unread": 1}
    circle.events.clear()
    for late in (seqs[1], seqs[0], 0):
        assert acts.see(pair, circle.people[1], late) == {"seen_seq": seqs[1], "unread": 1}
    assert code_of(lambda: acts.see(pair, circle.people[1], seqs[2] + 100)) == "future"
    assert code_of(lambda: acts.see(pair, circle.people[2], seqs[2])) == "not_found"
    assert circle.events == []
    assert LoggedEvent.objects.filter(name="receipt").count() == 1
    assert acts.see(pair, circle.people[1], seqs[2]) == {"seen_seq": seqs[2], "unread": 0}
    receipt = {"viewer_id": str(circle.id_of(1)), "seen_seq": seqs[2]}
    assert [event.topic for event in circle.events] == [conversation_topic(pair), user_topic(circle.id_of(1))]
    assert told(circle, 1)[-1]["receipt"] == receipt
    assert told(circle, 1)[-1]["conversation"] == reading.summary(pair, circle.id_of(1))


def test_receipts_at_the_same_moment_end_at_the_newest(circle: Circle) -> None:
    pair = circle.start(0, 1)
    seqs = [acts.send(pair, circle.people[0], f"note {number}")["seq"] for number in range(8)]

    def see(seq: int) -> None:
        acts.see(pair, circle.people[1], seq)

    at_once([lambda seq=seq: see(seq) for seq in seqs * 2])  # type: ignore[misc]
    member = Member.objects.get(conversation_id=pair, viewer_id=circle.id_of(1))
    assert (member.seen_seq, member.unread) == (seqs[-1], 0)
    seen = [
        orjson.loads(event.body)["receipt"]["seen_seq"]
        for event in circle.published(conversation_topic(pair))
        if event.name == "receipt"
    ]
    logged = LoggedEvent.objects.filter(topic_id=conversation_topic(pair), name="receipt").order_by("seq")
    assert [event.data["receipt"]["seen_seq"] for event in logged] == sorted(set(seen))


def test_deleted_message_was_a_place_to_have_seen(circle: Circle) -> None:
    """It is taken back between its delivery and its receipt."""
    pair = circle.start(0, 1)
    sent = acts.send(pair, circle.people[0], "oops")
    acts.delete(pair, circle.people[0], UUID(sent["id"]))
    assert acts.see(pair, circle.people[1], sent["seq"]) == {"seen_seq": sent["seq"], "unread": 0}


# Blocks


def test_block_stops_both_ways_between_two_and_nothing_in_a_group(circle: Circle) -> None:
    pair, group = circle.start(0, 1), circle.start(0, 1, 2)
    acts.block(circle.people[0], circle.id_of(1))
    assert code_of(lambda: acts.send(pair, circle.people[0], "x")) == "blocked"
    assert code_of(lambda: acts.send(pair, circle.people[1], "x")) == "not_reachable"
    for number in (0, 1):
        assert acts.send(group, circle.people[number], "x")["body"] == "x"
    assert not acts.start(circle.people[1], [circle.id_of(0)]).is_new, "what was written stays to be read"
    acts.unblock(circle.people[0], circle.id_of(1))
    for number in (0, 1):
        assert acts.send(pair, circle.people[number], "x")["body"] == "x"


def test_who_is_blocked_starts_nothing_and_adds_nobody(circle: Circle) -> None:
    group = circle.start(1, 2, 3)
    acts.block(circle.people[0], circle.id_of(1))
    for others in ([0], [0, 2]):
        ids = [circle.id_of(number) for number in others]
        assert code_of(lambda ids=ids: acts.start(circle.people[1], ids)) == "not_reachable"  # type: ignore[misc]
    assert code_of(lambda: acts.start(circle.people[0], [circle.id_of(1)])) == "blocked"
    assert code_of(lambda: acts.add_member(group, circle.people[1], circle.id_of(0))) == "not_reachable"
    acts.add_member(group, circle.people[2], circle.id_of(0))
    assert circle.id_of(0) in reading.members_of([group])[group]


def test_block_is_told_to_oneself_once(circle: Circle) -> None:
    me, other = circle.people[0], circle.people[1]
    for _ in range(2):
        acts.block(me, other.id)
    for _ in range(2):
        acts.unblock(me, other.id)
    assert [event["is_blocked"] for event in told(circle, 0) if "is_blocked" in event] == [True, False]
    assert told(circle, 0)[0]["viewer"] == {"id": str(other.id), "name": "Person 1"}
    assert told(circle, 1) == []
    assert code_of(lambda: acts.block(me, me.id)) == "conflict"
    for act in (acts.block, acts.unblock):
        assert code_of(lambda act=act: act(me, uuid4())) == "not_found"  # type: ignore[misc]


def test_nobody_blocks_himself_says_the_database(circle: Circle) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Block.objects.create(blocker=circle.people[0], blocked=circle.people[0])


def test_blocks_are_bounded(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "BLOCKS_MAX", 2)
    for number in (1, 2):
        acts.block(circle.people[0], circle.id_of(number))
    assert code_of(lambda: acts.block(circle.people[0], circle.id_of(3))) == "too_many_blocks"
    assert [person["name"] for person in reading.blocked_people(circle.id_of(0))] == ["Person 2", "Person 1"]


# Acquaintances


def test_who_is_written_to_shows_himself_only_when_he_answers(circle: Circle) -> None:
    """Else anybody could see when somebody is online, by starting a conversation."""
    stranger, me = circle.id_of(0), circle.id_of(1)
    conversation = circle.start(0, 1)
    acts.send(conversation, circle.people[0], "Hello?")
    acts.see(conversation, circle.people[1], 1)
    assert contacts.may_see([stranger, me]) == {stranger: {str(stranger), str(me)}, me: {str(me)}}
    assert contacts.acquaintances(stranger) == set()
    assert contacts.acquaintances(me) == {stranger}
    acts.send(conversation, circle.people[1], "Who is it?")
    assert contacts.may_see([me])[me] == {str(me), str(stranger)}
    assert contacts.acquaintances(stranger) == {me}


def test_acquaintances_share_a_conversation_and_no_block(circle: Circle) -> None:
    circle.start(0, 1)
    group = circle.start(0, 2, 3)
    circle.start(4, 5)
    for number in (1, 2, 3, 5):
        for id in Member.objects.filter(viewer_id=circle.id_of(number)).values_list("conversation_id", flat=True):
            acts.send(id, circle.people[number], "I am here")
    acts.block(circle.people[3], circle.id_of(0))
    assert contacts.acquaintances(circle.id_of(0)) == {circle.id_of(1), circle.id_of(2)}
    assert contacts.acquaintances(circle.id_of(3)) == {circle.id_of(2)}
    acts.remove_member(group, circle.people[2], circle.id_of(2))
    assert contacts.acquaintances(circle.id_of(0)) == {circle.id_of(1)}
    ids = [circle.id_of(number) for number in (0, 3, 5)]
    with CaptureQueriesContext(connection) as queries:
        seen = contacts.may_see([*ids, nobody := uuid4()])
    assert len(queries) == 1
    assert seen[ids[0]] == {str(circle.id_of(0)), str(circle.id_of(1))}
    assert seen[ids[1]] == {str(circle.id_of(3))}
    assert seen[ids[2]] == {str(circle.id_of(4)), str(circle.id_of(5))}
    assert seen[nobody] == {str(nobody)}


# Costs and races


def at_once(works: Sequence[Callable[[], object]]) -> None:
    """Run the works side by side, as many as the pool has connections. Raises what one of them raises."""

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as threads:
        for future in [threads.submit(run, work) for work in works]:
            future.result()


def test_queries_do_not_depend_on_the_number_of_members(circle: Circle) -> None:
    many = [create_guest(f"Guest {number}").id for number in range(48)]
    small = circle.start(0, 1, 2)
    large = UUID(acts.start(circle.people[0], many).summary["id"])
    me = circle.people[0]
    message = {group: UUID(acts.send(group, circle.people[0], "hello")["id"]) for group in (small, large)}
    counts: dict[str, set[int]] = {}

    def count(name: str, act: Callable[[], object]) -> None:
        with CaptureQueriesContext(connection) as queries:
            act()
        counts.setdefault(name, set()).add(len(queries))

    for group, other in ((small, circle.id_of(2)), (large, many[0])):
        seq = acts.send(group, Claim(other), "hi")["seq"]
        count("send", lambda group=group: acts.send(group, me, "x", client_id="1"))  # type: ignore[misc]
        count("see", lambda group=group, seq=seq: acts.see(group, me, seq))  # type: ignore[misc]
        count("delete", lambda group=group: acts.delete(group, me, message[group]))  # type: ignore[misc]
        count("add", lambda group=group: acts.add_member(group, me, circle.id_of(4)))  # type: ignore[misc]
        count("remove", lambda group=group, other=other: acts.remove_member(group, me, other))  # type: ignore[misc]
        count("snapshot", lambda group=group: reading.conversation_snapshot(group))  # type: ignore[misc]
    count("start", lambda: acts.start(me, [circle.id_of(1), circle.id_of(2)]))
    count("start", lambda: acts.start(me, many))
    count("inbox", lambda: reading.inbox_snapshots([me.id]))
    for _ in range(5):
        circle.start(0, 3, 4)
    count("inbox", lambda: reading.inbox_snapshots([me.id]))
    count("inbox", lambda: reading.inbox_snapshots([me.id, circle.id_of(3), circle.id_of(4)]))
    assert all(len(found) == 1 for found in counts.values()), counts
    assert counts["send"] == {15}, counts


def test_a_message_to_fifty_is_written_once(circle: Circle) -> None:
    """It was a row of the event log for each inbox, too: 51 rows, and 220 KB."""
    many = [create_guest(f"Guest {number}").id for number in range(49)]
    group = UUID(acts.start(circle.people[0], many).summary["id"])
    circle.events.clear()
    before = LoggedEvent.objects.count()
    with CaptureQueriesContext(connection) as queries:
        acts.send(group, circle.people[0], "hello")
    assert LoggedEvent.objects.count() == before + 1
    assert sum(len(query["sql"]) for query in queries) < 30_000, "what the database gets"
    assert len(circle.events) == 51, "and everybody hears of it"


def test_messages_of_many_at_once_have_places_without_a_hole(circle: Circle) -> None:
    """And nobody waits for ever: conversations that share members, written to from both ends, with receipts between."""
    conversations = [circle.start(0, 1, 2, 3), circle.start(3, 2, 1, 0), circle.start(1, 2), circle.start(5, 4, 3, 0)]
    members = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 2], [5, 4, 3, 0]]

    def write(place: int, number: int) -> Callable[[], None]:
        def run() -> None:
            for count in range(6):
                who = Claim(circle.id_of(members[place][number % len(members[place])]))
                sent = acts.send(conversations[place], who, f"{number} {count}")
                acts.see(conversations[place], Claim(circle.id_of(members[place][0])), sent["seq"])
                if count == 3:
                    acts.block(who, circle.id_of(members[place][(number + 1) % len(members[place])]))
                    acts.unblock(who, circle.id_of(members[place][(number + 1) % len(members[place])]))

        return run

    def write_all(place: int, number: int) -> Callable[[], None]:
        work = write(place, number)

        def run() -> None:
            try:
                work()
            except Forbidden:  # of two, while the other thread had one block the other
                assert place == 2

        return run

    at_once([write_all(place, number) for place in range(4) for number in range(4)])
    for topic in circle.topics():
        seqs = sorted(event.seq for event in circle.published(topic))
        assert seqs == list(range(1, len(seqs) + 1))
        assert Topic.objects.get(name=topic).seq == len(seqs)
        logged = LoggedEvent.objects.filter(topic_id=topic).order_by("seq").values_list("seq", flat=True)
        assert list(logged) == ([] if topic.startswith("user:") else seqs)
    for place in (0, 1, 3):
        assert Message.objects.filter(conversation_id=conversations[place]).count() == 24


def test_member_who_is_sent_away_while_he_writes_has_written_before_or_not_at_all(circle: Circle) -> None:
    group = circle.start(0, 1, 2)
    outcomes: list[str] = []

    def write() -> None:
        try:
            acts.send(group, circle.people[2], "x")
            outcomes.append("sent")
        except NotFound:
            outcomes.append("refused")

    at_once([*[write] * 6, lambda: acts.remove_member(group, circle.people[0], circle.id_of(2))])
    names = circle.names(conversation_topic(group))
    logged = LoggedEvent.objects.filter(topic_id=conversation_topic(group)).order_by("seq")
    order = list(logged.values_list("name", flat=True))
    assert order == ["message"] * outcomes.count("sent") + ["conversation"]
    assert sorted(names) == sorted(order)
    assert len(outcomes) == 6


def test_act_that_is_rolled_back_tells_nobody(circle: Circle) -> None:
    pair = circle.start(0, 1)
    circle.events.clear()
    with pytest.raises(RuntimeError), transaction.atomic():
        acts.send(pair, circle.people[0], "hello")
        raise RuntimeError
    assert circle.events == []
    assert (Message.objects.count(), LoggedEvent.objects.filter(name="message").count()) == (0, 0)
