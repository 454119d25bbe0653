"""From where people come: by that, a guest who comes back under another name stays kept out.

Hop: called when somebody gets a session (a signal of Django), and by the acts. A new guest gets the restrictions of
those who came with the same browser, by its signed cookie, and for a time of those from the same network, where a
moderator wants that. An account never does: nobody is shut out by somebody else's network. We keep keyed hashes alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import Viewer
from moderation.models import Arrival, Restriction
from moderation.restrictions import begin, current
from realtime.act_limits import network
from realtime.edge import devices
from web.refusals import Forbidden

KEPT_DAYS = 30


def see(sender: Any, request: HttpRequest, user: Viewer, **_: Any) -> None:
    """Remember from where a viewer came, and give a new guest what keeps the same person out.

    Raises Forbidden: that is out of the whole site.
    """
    device = _hash(devices.read(request.COOKIES.get(devices.COOKIE, "")))
    place = _hash(network(request))
    if user.is_guest:
        _inherit(user, device, place)
    seen = Arrival(viewer=user, device=device, network=place, seen_at=timezone.now())
    fields = ["viewer", "device", "network"]
    Arrival.objects.bulk_create([seen], update_conflicts=True, unique_fields=fields, update_fields=["seen_at"])


def _inherit(guest: Viewer, device: str, place: str) -> None:
    """Two queries, and one more for each restriction. Raises Forbidden."""
    seen = Arrival.objects.exclude(viewer=guest.id)
    with_device = seen.filter(device=device).values("viewer") if device else Arrival.objects.none().values("viewer")
    in_network = seen.filter(network=place).values("viewer")
    by_network = Q(viewer__in=in_network, network_until__gt=timezone.now())
    found = current().filter(Q(viewer__in=with_device) | by_network).order_by("created_at")
    own: set[UUID | None] = set(current().filter(viewer=guest).values_list("channel_id", flat=True))
    devices_of = set(with_device.values_list("viewer", flat=True))
    for restriction in found:
        if restriction.channel_id not in own and restriction.channel_id != guest.id:
            own.add(restriction.channel_id)
            if restriction.channel_id is None and restriction.kind == Restriction.Kind.BAN:
                raise Forbidden("You are banned here.", code="banned")
            _hand_on(restriction, guest.id, is_of_network=restriction.viewer_id not in devices_of)


def extend(restriction: Restriction) -> None:
    """Restrict the guests who have come with the same browser as the person already. Two queries, and more for each."""
    own = Arrival.objects.filter(viewer=restriction.viewer_id).exclude(device="").values("device")
    others = Viewer.objects.filter(is_guest=True, is_active=True, is_broadcaster=False, is_staff=False)
    seen = Arrival.objects.filter(device__in=own).exclude(viewer=restriction.viewer_id).values("viewer")
    restricted = current().filter(channel=restriction.channel_id).values("viewer")
    with_roles = Q(roles__channel=restriction.channel_id) if restriction.channel_id else Q(pk=None)
    alike = others.filter(id__in=seen).exclude(id__in=restricted).exclude(with_roles).values_list("id", flat=True)
    for viewer_id in alike:
        _hand_on(restriction, viewer_id, is_of_network=False)


def _hand_on(restriction: Restriction, viewer_id: UUID, *, is_of_network: bool) -> None:
    begin(
        Restriction(
            channel_id=restriction.channel_id,
            viewer_id=viewer_id,
            kind=restriction.kind,
            reason=restriction.reason,
            until=restriction.until,
            given_by_id=restriction.given_by_id,
            network_until=None if is_of_network else restriction.network_until,
            source_id=restriction.source_id or restriction.id,
            is_of_network=is_of_network,
        )
    )


def forget() -> int:
    """Delete the arrivals that are too old. Returns how many."""
    before = timezone.now() - timedelta(days=KEPT_DAYS)
    return Arrival.objects.filter(seen_at__lt=before).delete()[0]


def _hash(value: str) -> str:
    return salted_hmac("live.arrival", value, algorithm="sha256").hexdigest()[:32] if value else ""
