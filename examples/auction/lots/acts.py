"""What people do to a lot. Each act locks the topic, writes its rows and its event in one transaction.

The platform publishes the event after the commit, and only then.
"""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from lots.models import Bid, Lot, Star
from lots.topics import bid_json, readers
from realtime.dispatch.publisher import publisher
from realtime.events import State, now_ms
from realtime.log import writer as log


class Refused(Exception):
    """An act that is not possible. The text says why."""


@transaction.atomic
def offer(lot: Lot) -> None:
    """Save a new lot, with the topic on which its events go."""
    lot.save()
    log.create_topic(lot.topic)


@transaction.atomic
def bid(lot: Lot, bidder: User, amount: int) -> Bid:
    """Offer an amount, in euros. Raises Refused."""
    head = log.lock_topics([lot.topic])[lot.topic]  # from here on nobody else bids
    lot.refresh_from_db()
    highest = lot.bids.first()
    if lot.is_closed:
        raise Refused("The lot is sold.")
    if amount < (lowest := highest.amount + 1 if highest else lot.start):
        raise Refused(f"Bid {lowest} € or more.")
    made = Bid.objects.create(lot=lot, bidder=bidder, amount=amount)
    log.record(head, "bid", {"bid": bid_json(made)})
    transaction.on_commit(lambda: call(lot, ""))
    return made


@transaction.atomic
def star(lot: Lot, user: User) -> int:
    """Star a lot, once; return how many have done so."""
    head = log.lock_topics([lot.topic])[lot.topic]
    _, is_new = Star.objects.get_or_create(lot=lot, user=user)
    count = lot.stars.count()
    if is_new:
        log.record_counters(head, {"star": count})
    return count


def call(lot: Lot, words: str) -> None:
    """Say something that only matters now: "Going once". Nothing keeps it."""
    publisher.publish([State(lot.topic, now_ms(), "call", {"call": words})])


@transaction.atomic
def close(lot: Lot) -> None:
    """Sell the lot to the highest bidder. Again: no change."""
    head = log.lock_topics([lot.topic])[lot.topic]
    if Lot.objects.filter(id=lot.id, is_closed=False).update(is_closed=True):
        log.record(head, "closed", {})


@transaction.atomic
def invite(lot: Lot) -> None:
    """Publish who may see the lot, when that has changed. Viewers who may not any more lose it at once."""
    head = log.lock_topics([lot.topic])[lot.topic]
    log.record(head, "invited", {"readers": readers(lot)})
