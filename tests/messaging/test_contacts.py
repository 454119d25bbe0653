"""Who knows each other, whatever the number of people who do not."""

from __future__ import annotations

from collections import Counter

from accounts.guests import create_guest
from messaging import acts, contacts
from tests.messaging.circle import Circle
from tests.plans import scans


def _read(circle: Circle) -> Counter[str]:
    """Return how many rows of each table are read for one person."""
    read: Counter[str] = Counter()
    with scans() as found:
        assert contacts.acquaintances(circle.id_of(0)) == {circle.id_of(1)}
        assert contacts.may_see([circle.id_of(0)]) == {circle.id_of(0): {str(circle.id_of(n)) for n in (0, 1, 2)}}
    assert not any(scan.reads_all for scan in found), found
    for scan in found:
        read[scan.table] += scan.rows
    return read


def test_friends_have_written_to_each_other(circle: Circle) -> None:
    """Who has only written, or was only written to, is none, nor who is blocked."""
    me, both, writer, reader, blocked = (circle.id_of(n) for n in range(5))
    for number in (1, 3, 4):
        acts.send(circle.start(0, number), circle.people[0], "Hello")
    for number in (1, 2, 4):
        acts.send(circle.start(number, 0), circle.people[number], "Hello back")
    acts.block(circle.people[4], me)
    assert contacts.friends(me) == {both}
    assert contacts.friends(both) == contacts.friends(blocked) | {me}
    assert contacts.friends(writer) == contacts.friends(reader) == set()


def test_conversations_of_others_are_not_read(circle: Circle) -> None:
    """All conversations of the site were, for each look at who is online."""
    acts.send(circle.start(0, 1), circle.people[1], "Hello")
    circle.start(0, 2)
    acts.block(circle.people[3], circle.id_of(4))
    before = _read(circle)
    for number in range(40):
        stranger = create_guest(f"Stranger {number}")
        started = acts.start(stranger, [circle.id_of(5)])
        acts.send(started.summary["id"], stranger, "Hello")
    assert _read(circle) == before
    assert sum(before.values()) < 30
