"""Shared bans: one channel shares, another takes. What came from there goes when it ends there, and nothing else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import exports, removal
from accounts.guests import create_guest
from accounts.merging import merge
from accounts.models import Viewer
from accounts.tokens import issue_token
from following import acts as channels
from moderation import acts, reading, sharing, undoing
from moderation.models import AuditEntry, LetIn, Restriction, SharedBans
from moderation.restrictions import takes_part
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage, as_account
from videos import held, likes
from web.refusals import Conflict, Forbidden, NotFound

run = backend_threads.run


def make_channel(name: str) -> Viewer:
    made = create_guest(name)
    made.is_broadcaster = True
    made.save()
    return made


@pytest.fixture
def other(stage: Stage) -> Viewer:
    """Return a channel that bans people."""
    return make_channel("Other")


def share(channel: Viewer, taker: Viewer, effect: str = "ban") -> None:
    sharing.share(channel.id, taker.id, channel)
    if effect:
        sharing.take(taker.id, channel.id, taker, effect)


def ban(channel: Viewer, viewer: Viewer, **given: Any) -> AuditEntry:
    return acts.restrict(channel.id, viewer.id, channel, kind="ban", **given)[1]


def is_out(channel: Viewer, viewer: Viewer) -> bool:
    """Whether somebody is kept out, by the door of one and by that of many."""
    try:
        takes_part(channel.id, viewer.id)
    except Forbidden as refusal:
        assert refusal.code == "banned"
        return True
    return False


def people(channel: Viewer) -> list[tuple[str, str]]:
    return [
        (each["viewer"]["name"], each["origin"]["name"])
        for each in sharing.people_of(channel.id, channel, None, 10_000)
    ]


async def test_who_is_banned_in_one_channel_is_banned_where_it_is_taken(stage: Stage, other: Viewer) -> None:
    troll = stage.viewers[0]
    await run(ban, other, troll, reason="spam")
    await run(share, other, stage.owner, "")
    await likes.comment(stage.video.id, troll, "It is offered, and not taken")
    await run(sharing.take, stage.owner.id, other.id, stage.owner, "ban")
    with pytest.raises(Forbidden, match="spam") as refused:
        await likes.comment(stage.video.id, troll, "Buy this")
    assert refused.value.code == "banned"
    with pytest.raises(Forbidden):
        await likes.like(stage.video.id, troll, "like")
    assert await run(people, stage.owner) == [(troll.name, "Other")]
    await run(acts.lift, other.id, troll.id, other)
    await likes.comment(stage.video.id, troll, "I am back")


async def test_what_they_write_waits_where_the_channel_wants_that(stage: Stage, other: Viewer) -> None:
    troll = stage.viewers[0]
    await run(ban, other, troll)
    await run(share, other, stage.owner, "shadow")
    shown = await likes.comment(stage.video.id, troll, "Buy this")
    assert shown["body"] == "Buy this", "they notice nothing"
    [waiting] = await run(held.waiting_at, stage.video.id, stage.owner, 10)
    assert (waiting["body"], waiting["reason"]) == ("Buy this", "shadow: Other"), "the queue says from where"

    def copied() -> Any:
        with exports.copy_of(troll) as file:
            file.seek(0)
            return orjson.loads(file.read())

    copy = await run(copied)
    assert [each["body"] for each in copy["comments"]] == ["Buy this"]
    assert copy["held_comments"] == []
    await run(held.forget_channel, other.id)
    [waiting] = await run(held.waiting_at, stage.video.id, stage.owner, 10)
    assert waiting["reason"] == held.SHADOW


@pytest.mark.usefixtures("transactional_db")
class TestWhatEnds:
    def test_sharing_that_ends_lifts_what_came_from_it(self, stage: Stage, other: Viewer) -> None:
        mine, theirs = stage.viewers[:2]
        ban(stage.owner, mine)
        ban(other, theirs)
        share(other, stage.owner)
        assert (is_out(stage.owner, mine), is_out(stage.owner, theirs)) == (True, True)
        sharing.stop_sharing(other.id, stage.owner.id, other)
        assert (is_out(stage.owner, mine), is_out(stage.owner, theirs)) == (True, False)

    def test_taking_that_ends_lifts_it_too_and_the_offer_stays(self, stage: Stage, other: Viewer) -> None:
        troll = stage.viewers[0]
        ban(other, troll)
        share(other, stage.owner)
        sharing.take(stage.owner.id, other.id, stage.owner, "")
        assert not is_out(stage.owner, troll)
        [offer] = sharing.shares_of(stage.owner.id, stage.owner)["by"]
        assert (offer["effect"], offer["bans"], offer["channel"]["name"]) == (None, 1, "Other")
        with pytest.raises(NotFound):
            sharing.take(stage.owner.id, other.id, stage.owner, "")

    def test_ban_of_ones_own_stays_when_the_other_is_lifted(self, stage: Stage, other: Viewer) -> None:
        troll = stage.viewers[0]
        ban(other, troll)
        share(other, stage.owner)
        ban(stage.owner, troll)
        acts.lift(other.id, troll.id, other)
        assert is_out(stage.owner, troll)
        acts.lift(stage.owner.id, troll.id, stage.owner)
        assert not is_out(stage.owner, troll)

    def test_ban_that_is_taken_back_is_over_everywhere(self, stage: Stage, other: Viewer) -> None:
        troll = stage.viewers[0]
        share(other, stage.owner)
        entry = ban(other, troll)
        assert is_out(stage.owner, troll)
        undoing.undo(other.id, entry.id, other)
        assert not is_out(stage.owner, troll)
        log = AuditEntry.objects.filter(channel=stage.owner, act__startswith="shared_").order_by("seq")
        assert [(each.act, each.actor, each.viewer) for each in log] == [
            ("shared_ban", other, troll),
            ("shared_lift", other, troll),
        ]

    def test_another_restriction_in_place_of_a_ban_is_not_shared(self, stage: Stage, other: Viewer) -> None:
        troll = stage.viewers[0]
        share(other, stage.owner)
        ban(other, troll)
        acts.restrict(other.id, troll.id, other, kind="time_out", seconds=60)
        assert not is_out(stage.owner, troll)

    def test_three_channels_in_a_circle(self, stage: Stage, other: Viewer) -> None:
        """Each takes the bans of the one before, and hands none of them on."""
        third, troll = make_channel("Third"), stage.viewers[0]
        circle = [stage.owner, other, third]
        for at, channel in enumerate(circle):
            share(channel, circle[(at + 1) % 3])
        ban(stage.owner, troll)
        assert [is_out(channel, troll) for channel in circle] == [True, True, False]
        ban(other, troll)
        assert is_out(third, troll)
        acts.lift(stage.owner.id, troll.id, stage.owner)
        assert [is_out(channel, troll) for channel in circle] == [False, True, True]
        acts.lift(other.id, troll.id, other)
        assert [is_out(channel, troll) for channel in circle] == [False, False, False]


@pytest.mark.usefixtures("transactional_db")
class TestWhoIsSpared:
    def test_nobody_who_runs_the_channel(self, stage: Stage, other: Viewer) -> None:
        moderator, helper = map(as_account, stage.viewers[:2])
        for viewer in (stage.owner, moderator, helper):
            ban(other, viewer)
        share(other, stage.owner)
        assert is_out(stage.owner, helper)
        acts.give_role(stage.owner.id, moderator.id, stage.owner, "moderator")
        acts.give_role(stage.owner.id, helper.id, stage.owner, "helper")
        assert [is_out(stage.owner, each) for each in (stage.owner, moderator, helper)] == [False, False, False]
        assert people(stage.owner) == []
        acts.take_role(stage.owner.id, helper.id, stage.owner)
        assert people(stage.owner) == [(helper.name, "Other")]
        newest = AuditEntry.objects.filter(channel=stage.owner).latest("seq")
        assert (newest.act, newest.actor, newest.viewer) == ("shared_ban", other, helper), "the log says it again"

    def test_who_is_let_in_is_in_until_the_sharing_begins_anew(self, stage: Stage, other: Viewer) -> None:
        troll = stage.viewers[0]
        ban(other, troll)
        share(other, stage.owner)
        acts.lift(stage.owner.id, troll.id, stage.owner)
        assert (is_out(stage.owner, troll), is_out(other, troll)) == (False, True)
        assert people(stage.owner) == []
        with pytest.raises(NotFound):
            acts.lift(stage.owner.id, troll.id, stage.owner)
        sharing.stop_sharing(other.id, stage.owner.id, other)
        share(other, stage.owner)
        assert is_out(stage.owner, troll)

    def test_guests_who_are_banned_by_a_network_alone(self, stage: Stage, other: Viewer) -> None:
        neighbour = stage.viewers[0]
        share(other, stage.owner)
        Restriction.objects.create(channel=other, viewer=neighbour, kind="ban", is_of_network=True)
        assert (is_out(other, neighbour), is_out(stage.owner, neighbour)) == (True, False)
        assert people(stage.owner) == []


@pytest.mark.usefixtures("transactional_db")
class TestBothAgree:
    def test_nothing_is_taken_that_is_not_offered(self, stage: Stage, other: Viewer) -> None:
        with pytest.raises(NotFound):
            sharing.take(stage.owner.id, other.id, stage.owner, "ban")
        for stranger in (stage.viewers[0], stage.owner):
            with pytest.raises((Forbidden, NotFound)):
                sharing.share(other.id, stage.owner.id, stranger)
        with pytest.raises(Forbidden) as refused:
            sharing.share(other.id, other.id, other)
        assert refused.value.code == "yourself"
        with pytest.raises(NotFound):
            sharing.share(other.id, stage.viewers[0].id, other)
        assert not SharedBans.objects.exists()

    def test_both_logs_say_it(self, stage: Stage, other: Viewer) -> None:
        share(other, stage.owner)
        share(other, stage.owner)
        sharing.stop_sharing(other.id, stage.owner.id, other)
        log = list(AuditEntry.objects.order_by("created_at").values_list("channel", "act", "viewer"))
        assert sorted(log[:2]) == sorted(
            [(other.id, "bans_shared", stage.owner.id), (stage.owner.id, "bans_shared_there", other.id)]
        )
        assert {act for _, act, _ in log} == {
            *("bans_shared", "bans_shared_there", "bans_taken", "bans_taken_there"),
            *("bans_unshared", "bans_unshared_there"),
        }

    def test_there_are_so_many_at_most(self, stage: Stage, other: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sharing, "SHARES_MAX", 1)
        share(other, stage.owner)
        with pytest.raises(Conflict):
            share(other, make_channel("Third"))
        with pytest.raises(Conflict):
            share(make_channel("Fourth"), stage.owner)


def call(who: Viewer, method: str, path: str, body: object = None) -> Any:
    data = orjson.dumps(body) if body is not None else b""
    headers = {"Authorization": f"Bearer {issue_token(who)}"}
    return Client().generic(method, f"/api/v1/channels/{path}", data, "application/json", headers=headers)


@pytest.mark.usefixtures("transactional_db")
class TestDoors:
    def test_rest(self, stage: Stage, other: Viewer) -> None:
        troll, mine = stage.viewers[0], stage.owner
        ban(other, troll, reason="spam")
        assert call(other, "PUT", f"{other.id}/shares/to/{mine.id}").status_code == 204
        assert call(mine, "PUT", f"{mine.id}/shares/by/{other.id}", {"effect": "time_out"}).status_code == 422
        assert call(mine, "PUT", f"{mine.id}/shares/by/{other.id}", {"effect": "shadow"}).status_code == 204
        [found] = call(mine, "GET", f"{mine.id}/shares/people").json()["items"]
        assert (found["viewer"]["id"], found["kind"], found["reason"]) == (str(troll.id), "shadow", "spam")
        person = call(mine, "GET", f"{mine.id}/people/{troll.id}").json()
        assert (person["restriction"], person["taken"]["origin"]["name"]) == (None, "Other")
        assert call(other, "GET", f"{other.id}/shares").json()["to"][0]["effect"] == "shadow"
        assert call(mine, "DELETE", f"{mine.id}/restrictions/{troll.id}").status_code == 204
        assert call(mine, "GET", f"{mine.id}/shares/people").json() == {"items": [], "next": None}
        [let_in] = call(mine, "GET", f"{mine.id}/shares/let-in").json()["items"]
        assert (let_in["viewer"]["id"], let_in["origin"]["id"]) == (str(troll.id), str(other.id))
        assert call(troll, "DELETE", f"{mine.id}/shares/let-in/{troll.id}").status_code == 403
        assert call(mine, "DELETE", f"{mine.id}/shares/let-in/{troll.id}").status_code == 204
        assert call(mine, "DELETE", f"{mine.id}/shares/let-in/{troll.id}").json()["code"] == "not_let_in"
        assert len(call(mine, "GET", f"{mine.id}/shares/people").json()["items"]) == 1
        assert call(mine, "DELETE", f"{mine.id}/shares/by/{other.id}").status_code == 204
        assert call(other, "DELETE", f"{other.id}/shares/to/{mine.id}").status_code == 204
        assert call(other, "DELETE", f"{other.id}/shares/to/{mine.id}").status_code == 404
        assert call(troll, "GET", f"{mine.id}/shares").status_code == 403

    def test_page_of_the_people(self, stage: Stage, other: Viewer) -> None:
        troll = stage.viewers[0]
        ban(other, troll)
        channels.describe(stage.owner.id, stage.owner, handle="nadia")
        theirs, mine, mine_name = Client(), Client(), stage.owner.name
        theirs.force_login(other)
        mine.force_login(stage.owner)
        there, here = f"/people/{other.id}/", f"/people/{stage.owner.id}/"
        for unknown in ("nobody-there", "", "https://example.org/channels/nobody/"):
            refused = theirs.post(there, {"form": "share", "name": unknown})
            assert refused.status_code == 422
            assert "No channel has this handle, name or address." in refused.content.decode()
        for written in ("@Nadia", f"https://example.org/channels/{stage.owner.id}/?x=1", "/channels/nadia/", mine_name):
            assert theirs.post(there, {"form": "share", "name": written}).status_code == 302, written
        assert "not taken" in mine.get(here).content.decode()
        mine.post(here, {"form": "take_bans", "id": str(other.id), "effect": "ban"})
        shown = mine.get(here).content.decode()
        assert "by the channel of <bdi>Other</bdi>" in shown
        assert troll.name in shown
        assert "Who is banned there is banned here, too." in shown
        mine.post(here, {"form": "lift", "id": str(troll.id)})
        assert "Nobody is kept out." in mine.get(here).content.decode()
        mine.post(here, {"form": "let_in_no_more", "id": str(troll.id)})
        assert is_out(stage.owner, troll)
        assert "Bans of other channels count again" in mine.get(here).content.decode()
        mine.post(here, {"form": "leave_bans", "id": str(other.id)})
        theirs.post(there, {"form": "unshare", "id": str(stage.owner.id)})
        assert not SharedBans.objects.exists()


@pytest.mark.usefixtures("transactional_db")
def test_five_thousand_bans_cost_one_comment_no_more_than_one(stage: Stage, other: Viewer) -> None:
    """Nothing is copied: the question looks at the bans of those who write."""
    people_there = [Viewer(name=f"Troll {n}", username=f"troll-{n}", is_guest=True) for n in range(5_000)]
    Viewer.objects.bulk_create(people_there)
    bans = [Restriction(channel=other, viewer=each, kind="ban", given_by=other) for each in people_there]
    Restriction.objects.bulk_create(bans)
    with CaptureQueriesContext(connection) as asked:
        share(other, stage.owner)
    assert len(asked) < 60
    assert AuditEntry.objects.filter(channel=stage.owner).count() == 2
    assert is_out(stage.owner, people_there[-1])
    first = sharing.people_of(stage.owner.id, stage.owner, None, 50)
    second = sharing.people_of(stage.owner.id, stage.owner, Restriction.objects.get(id=first[-1]["id"]).id, 50)
    assert len({each["id"] for each in (*first, *second)}) == 100
    assert sharing.shares_of(stage.owner.id, stage.owner)["by"][0]["bans"] == 5_000
    sharing.stop_sharing(other.id, stage.owner.id, other)
    assert not is_out(stage.owner, people_there[-1])
    assert Restriction.objects.count() == 5_000


@pytest.mark.usefixtures("transactional_db")
class TestPeopleWhoChange:
    def test_guest_who_signs_in_is_kept_out_as_an_account(self, stage: Stage, other: Viewer) -> None:
        guest = stage.viewers[0]
        account = Viewer.objects.create(username="bo", name="Bo", is_guest=False)
        ban(other, guest)
        share(other, stage.owner)
        merge(guest, account)
        assert is_out(stage.owner, account)

    def test_channel_of_a_guest_who_signs_in_goes_on_to_share(self, stage: Stage, other: Viewer) -> None:
        account = Viewer.objects.create(username="nadia", name="Nadia", is_guest=False)
        troll = stage.viewers[0]
        ban(other, troll)
        share(other, stage.owner)
        merge(stage.owner, account)
        assert is_out(account, troll)

    def test_sharing_goes_with_an_account(self, stage: Stage, other: Viewer) -> None:
        troll = stage.viewers[0]
        ban(other, troll)
        share(other, stage.owner)
        acts.lift(stage.owner.id, troll.id, stage.owner)
        Viewer.objects.filter(pk=other.pk).update(is_guest=False, username="other")
        other.refresh_from_db()
        with exports.copy_of(other) as file:
            file.seek(0)
            assert orjson.loads(file.read())["shared_bans"][0]["taker_id"] == str(stage.owner.id)
        removal.ask_for_erasure(other)
        assert removal.erase_next()
        assert not SharedBans.objects.exists()
        assert not LetIn.objects.exists()
        history = reading.history(stage.owner.id, troll.id, stage.owner)
        assert "Other" not in str(history)
