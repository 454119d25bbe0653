"""The topics `lot:<id>`: what is published to them, how they are read, and who may read them.

The rule of it all: snapshot + events = fresh snapshot, for every event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import Count

from lots.models import Bid, Lot, Star
from realtime.events import TopicName
from realtime.kinds import Access, TopicKind

NEWEST_BIDS = 10


class LotTopics(TopicKind):
    """A lot: its bids, how many have starred it, what the auctioneer calls, and how many watch."""

    prefix = "lot"
    events = frozenset({"bid", "closed", "invited"})  # durable: each is in the event log, delivered in order
    counter = "stars"  # absolute, so a node sends the newest number only
    states = frozenset({"call"})  # "going once": the newest counts, and no row keeps it
    counts_viewers = True

    def load(self, topic: TopicName) -> dict[str, Any] | None:
        try:
            lot = Lot.objects.get(id=UUID(topic.partition(":")[2]))
        except (Lot.DoesNotExist, ValueError):
            return None
        bids = list(lot.bids.select_related("bidder")[:NEWEST_BIDS])
        return {
            "lot": {"id": str(lot.id), "title": lot.title, "start": lot.start, "is_closed": lot.is_closed},
            "bids": [bid_json(bid) for bid in bids],
            "call": "",
            "readers": readers(lot),
        }

    def counters(self, topics: Sequence[TopicName], database: str = "default") -> Mapping[TopicName, Mapping[str, int]]:
        ids = [topic.partition(":")[2] for topic in topics]
        stars = Star.objects.using(database).filter(lot_id__in=ids).values_list("lot_id").annotate(Count("id"))
        found = {f"lot:{lot_id}": count for lot_id, count in stars}
        return {topic: {"star": found.get(topic, 0)} for topic in topics}

    def apply(self, snapshot: dict[str, Any], name: str, data: Mapping[str, Any]) -> None:
        match name:
            case "bid":
                snapshot["bids"] = [data["bid"], *snapshot["bids"]][:NEWEST_BIDS]
            case "closed":
                snapshot["lot"] = {**snapshot["lot"], "is_closed": True}
            case "invited":
                snapshot["readers"] = data["readers"]
            case "call":
                snapshot["call"] = data["call"]

    def shown(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in snapshot.items() if name != "readers"}

    def access(self, snapshot: Mapping[str, Any]) -> Access:
        invited = snapshot["readers"]
        return Access(public=invited is None, viewer_ids=frozenset(invited or ()))


def readers(lot: Lot) -> list[str] | None:
    """Return the ids of those who may see a private lot; None: everybody may."""
    return [str(id) for id in lot.invited.order_by("id").values_list("id", flat=True)] if lot.is_private else None


def bid_json(bid: Bid) -> dict[str, Any]:
    return {"amount": bid.amount, "bidder": bid.bidder.get_username(), "at_ms": int(bid.at.timestamp() * 1000)}
