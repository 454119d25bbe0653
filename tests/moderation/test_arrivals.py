"""Who comes back under another name: by the browser, by the network for a time, never as an account."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone

from accounts.guests import create_guest
from accounts.models import Viewer
from moderation import acts, arrivals
from moderation.models import Arrival, Restriction
from moderation.restrictions import current
from realtime.edge import devices
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos import likes
from web.refusals import Forbidden

run = backend_threads.run
TROLL, OTHER = "203.0.113.7", "198.51.100.9"


def come(viewer: Viewer, *, device: str = "", address: str = OTHER) -> None:
    """Have somebody get a session in that browser and from that address."""
    request = RequestFactory().post("/", REMOTE_ADDR=address)
    if device:
        request.COOKIES[devices.COOKIE] = devices.signed(device)
    arrivals.see(Viewer, request, viewer)


def guest(name: str, *, device: str = "", address: str = OTHER) -> Viewer:
    viewer = create_guest(name)
    come(viewer, device=device, address=address)
    return viewer


async def ban(stage: Stage, viewer: Viewer, *, hours: int = 0) -> None:
    await run(acts.restrict, stage.owner.id, viewer.id, stage.owner, kind="ban", network_hours=hours)


async def is_out(stage: Stage, viewer: Viewer) -> bool:
    try:
        await likes.comment(stage.video.id, viewer, "here again")
    except Forbidden:
        return True
    return False


async def test_the_same_browser_under_another_name_is_out_at_once(stage: Stage) -> None:
    """The author of a deleted comment was back in a tenth of a second, under the broadcaster's own name."""
    troll = await run(guest, "Troll", device="one", address=TROLL)
    await ban(stage, troll)
    again = await run(guest, "Broadcaster", device="one")
    assert await is_out(stage, again)
    third = await run(guest, "Third", device="one")
    assert await is_out(stage, third)


async def test_the_other_guests_of_a_browser_go_with_the_ban(stage: Stage) -> None:
    troll, spare = [await run(guest, name, device="one") for name in ("Troll", "Spare")]
    honest = await run(guest, "Honest", device="two")
    await ban(stage, troll)
    assert await is_out(stage, spare)
    assert not await is_out(stage, honest)


async def test_a_network_counts_only_where_wanted_for_new_guests_and_for_a_time(stage: Stage) -> None:
    troll = await run(guest, "Troll", address=TROLL)
    before = await run(guest, "Before", address=TROLL)
    await ban(stage, troll)
    assert not await is_out(stage, await run(guest, "First", address=TROLL))
    await ban(stage, troll, hours=2)
    assert await is_out(stage, await run(guest, "Second", address=TROLL))
    assert not await is_out(stage, before)
    over = timezone.now() - timedelta(seconds=1)
    await run(Restriction.objects.filter(viewer=troll).update, network_until=over)
    assert not await is_out(stage, await run(guest, "Third", address=TROLL))


async def test_an_account_is_not_kept_out_by_browser_or_network(stage: Stage) -> None:
    troll = await run(guest, "Troll", device="one", address=TROLL)
    await ban(stage, troll, hours=2)
    account = await run(Viewer.objects.create_user, "vera")
    await run(lambda: come(account, device="one", address=TROLL))
    assert not await is_out(stage, account)


async def test_with_the_person_all_their_names_are_let_in(stage: Stage) -> None:
    troll = await run(guest, "Troll", device="one")
    await ban(stage, troll)
    again = await run(guest, "Again", device="one")
    await run(acts.lift, stage.owner.id, troll.id, stage.owner)
    assert not await is_out(stage, again)


async def test_who_is_banned_from_the_site_becomes_no_guest(stage: Stage) -> None:
    root = await run(Viewer.objects.create_superuser, "root")
    troll = await run(guest, "Troll", device="one")
    await run(acts.restrict, None, troll.id, root, kind="ban")
    with pytest.raises(Forbidden) as refused:
        await run(guest, "Again", device="one")
    assert refused.value.code == "banned"


async def test_a_made_up_cookie_is_nobodys_browser(stage: Stage) -> None:
    """And browsers without a cookie are not one browser."""
    troll = await run(guest, "Troll")
    await ban(stage, troll)
    assert not await is_out(stage, await run(guest, "Other"))
    assert await run(current().count) == 1


async def test_old_arrivals_are_forgotten(stage: Stage) -> None:
    troll = await run(guest, "Troll", device="one", address=TROLL)
    kept = await run(guest, "Kept")
    old = timezone.now() - timedelta(days=31)
    await run(Arrival.objects.filter(viewer=troll).update, seen_at=old)
    assert await run(arrivals.forget) == 1
    [left] = await run(lambda: list(Arrival.objects.all()))
    assert left.viewer_id == kept.id
    assert TROLL not in left.network
