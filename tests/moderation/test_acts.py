"""What moderators do to people, and what they cannot: both ways round, twice, too late."""

from __future__ import annotations

import contextlib
import copy
import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.utils import timezone

from accounts import removal
from accounts.guests import create_guest
from accounts.identities import identity_of, review
from accounts.merging import merge
from accounts.models import Viewer
from moderation import acts, reading, undoing
from moderation.models import AuditEntry, Restriction, Role
from moderation.restrictions import current
from realtime.events import Durable
from realtime.log.threads import backend_threads
from realtime.registry import registry
from tests.moderation.test_topic import snapshot, written
from tests.videos.acts import Stage, allow, as_account
from videos import channel_rules, held, likes, moderation, purges
from videos.models import Comment, HeldComment
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused, SignedOut

run = backend_threads.run


async def restrict(stage: Stage, viewer: Viewer, kind: str = "ban", *, by: Viewer | None = None, **given: Any) -> Any:
    given = {"seconds": 60, **given} if kind == "time_out" else given
    return await run(acts.restrict, stage.owner.id, viewer.id, by or stage.owner, kind=kind, **given)


async def role(stage: Stage, viewer: Viewer, kind: str) -> None:
    await run(as_account, viewer)
    await run(acts.give_role, stage.owner.id, viewer.id, stage.owner, kind)


async def test_events_of_all_acts_lead_to_the_fresh_state(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random acts of four people, erasure and merging among them."""
    monkeypatch.setattr("moderation.topics.SNAPSHOT_ACTS", 12)
    chance = random.Random(3)
    channel, people = stage.owner.id, list(stage.viewers)
    for each in people[:3]:  # guests have no roles
        await run(as_account, each)
    known, kind, names = copy.deepcopy(await snapshot(stage)), registry.kinds["moderation"], set()
    account = await run(Viewer.objects.create_user, "vera")
    for number in range(80):
        actor, viewer = chance.choice([stage.owner, *people[:2]]), chance.choice(people)
        with contextlib.suppress(Forbidden):
            comment = await written(stage, f"comment {number}", by=chance.randrange(len(people)))
        doings: list[Any] = [
            lambda a=actor, v=viewer: acts.give_role(channel, v.id, a, chance.choice(["moderator", "helper"])),
            lambda a=actor, v=viewer: acts.take_role(channel, v.id, a),
            lambda a=actor, v=viewer: acts.restrict(channel, v.id, a, kind="time_out", seconds=10),
            lambda a=actor, v=viewer: acts.restrict(channel, v.id, a, kind="shadow"),
            lambda a=actor, v=viewer: acts.lift(channel, v.id, a),
            lambda a=actor, v=viewer: acts.write_note(channel, v.id, a, "a note"),
            lambda a=actor, c=comment: moderation.delete_comment(stage.video.id, c, a),
            lambda a=actor: undoing.undo(channel, chance.choice(AuditEntry.objects.all()).id, a),
        ]
        with contextlib.suppress(Refused):
            await run(chance.choice(doings))
        if number == 40:
            await run(merge, people.pop(), account)
            people.append(account)
            stage.viewers = people
        if number == 60:
            await run(removal.delete_viewer, people.pop(0).id, stage.owner)
        for event in stage.told:
            assert isinstance(event, Durable)
            names.add(event.name)
            kind.apply(known, event.name, orjson.loads(event.body))
        stage.told.clear()
        assert known == await snapshot(stage), number
    assert names == {"act", "act_undone", "role", "person", "comment_held", "held_decided"}


async def test_nobody_restricts_themselves_the_owner_or_an_equal(stage: Stage) -> None:
    helper, moderator, other = stage.viewers[:3]
    await role(stage, helper, "helper")
    await role(stage, moderator, "moderator")
    await role(stage, other, "moderator")
    for viewer, by, code in (
        (moderator, moderator, "yourself"),
        (stage.owner, moderator, "outranked"),
        (other, moderator, "outranked"),
        (moderator, helper, "outranked"),
        (stage.owner, stage.owner, "yourself"),
    ):
        with pytest.raises(Forbidden) as refused:
            await restrict(stage, viewer, "time_out", by=by)
        assert refused.value.code == code
    await restrict(stage, helper, "time_out", by=moderator)
    assert await run(Restriction.objects.count) == 1


async def test_a_site_moderator_is_kept_out_of_no_channel(stage: Stage) -> None:
    clerk = await run(Viewer.objects.create_user, "clerk")
    await run(allow, clerk, "delete_comment")
    with pytest.raises(Forbidden):
        await restrict(stage, clerk)


@pytest.mark.parametrize("seconds", [9, 14 * 86_400 + 1, None])
async def test_a_time_out_lasts_ten_seconds_to_fourteen_days(stage: Stage, seconds: int | None) -> None:
    with pytest.raises(Invalid):
        await restrict(stage, stage.viewers[0], "time_out", seconds=seconds)


async def test_a_helper_gives_an_hour_and_bans_nobody(stage: Stage) -> None:
    await role(stage, stage.viewers[0], "helper")
    await restrict(stage, stage.viewers[1], "time_out", by=stage.viewers[0], seconds=3_600)
    with pytest.raises(Forbidden):
        await restrict(stage, stage.viewers[1], "time_out", by=stage.viewers[0], seconds=3_601)
    with pytest.raises(Forbidden):
        await restrict(stage, stage.viewers[1], by=stage.viewers[0])


@pytest.mark.parametrize("kind", ["ban", "shadow", "time_out"])
async def test_a_helper_lets_nobody_in_by_a_short_time_out(stage: Stage, kind: str) -> None:
    """A time-out takes the place of what was before, and a helper may not lift it."""
    helper, person = stage.viewers[:2]
    await role(stage, helper, "helper")
    made, _ = await restrict(stage, person, kind, seconds=600 if kind == "time_out" else None)
    with pytest.raises(Forbidden) as refused:
        await restrict(stage, person, "time_out", by=helper, seconds=599)
    assert refused.value.code == "kept_longer"
    assert [found.id for found in await run(lambda: list(current()))] == [made.id]


async def test_what_an_act_took_the_place_of_counts_again_when_it_is_undone(stage: Stage) -> None:
    """Else a helper frees somebody by a longer time-out that they take back."""
    helper, person = stage.viewers[:2]
    await role(stage, helper, "helper")
    made, _ = await restrict(stage, person, "time_out", seconds=600)
    _, entry = await restrict(stage, person, "time_out", by=helper, seconds=3_600)
    await run(undoing.undo, stage.owner.id, entry.id, helper)
    assert [found.id for found in await run(lambda: list(current()))] == [made.id]


async def test_who_is_kept_out_does_nothing_to_others_or_for_themselves(stage: Stage) -> None:
    moderator, helper, person = stage.viewers[:3]
    await role(stage, moderator, "moderator")
    await role(stage, helper, "helper")
    await restrict(stage, helper, by=moderator)
    await restrict(stage, moderator)
    comment = await written(stage, "kept", by=2)
    for work in (
        lambda: acts.lift(stage.owner.id, moderator.id, moderator),
        lambda: acts.restrict(stage.owner.id, person.id, moderator, kind="ban"),
        lambda: moderation.delete_comment(stage.video.id, comment, helper),
    ):
        with pytest.raises(Forbidden):
            await run(work)
    await run(acts.lift, stage.owner.id, helper.id, stage.owner)
    await run(moderation.delete_comment, stage.video.id, comment, helper)


async def test_of_two_moderators_at_once_the_second_counts_and_both_are_written_down(stage: Stage) -> None:
    await role(stage, stage.viewers[0], "moderator")
    await restrict(stage, stage.viewers[1], "time_out")
    await restrict(stage, stage.viewers[1], "ban", by=stage.viewers[0])
    assert [each.kind for each in await run(lambda: list(current()))] == ["ban"]
    kinds = await run(lambda: list(AuditEntry.objects.order_by("seq").values_list("act", flat=True)))
    assert kinds == ["role", "time_out", "ban"]


async def test_undone_within_half_a_minute_once(stage: Stage) -> None:
    _, entry = await restrict(stage, stage.viewers[0])
    await run(undoing.undo, stage.owner.id, entry.id, stage.owner)
    await likes.comment(stage.video.id, stage.viewers[0], "back")
    with pytest.raises(Conflict) as refused:
        await run(undoing.undo, stage.owner.id, entry.id, stage.owner)
    assert refused.value.code == "undone"
    _, entry = await restrict(stage, stage.viewers[0])
    await run(AuditEntry.objects.filter(id=entry.id).update, created_at=timezone.now() - timedelta(seconds=31))
    with pytest.raises(Conflict) as refused:
        await run(undoing.undo, stage.owner.id, entry.id, stage.owner)
    assert refused.value.code == "too_late"


async def test_a_ban_that_was_replaced_cannot_be_undone(stage: Stage) -> None:
    """Nothing is changed by halves: the act stays as it was."""
    _, entry = await restrict(stage, stage.viewers[0], "time_out")
    await restrict(stage, stage.viewers[0])
    with pytest.raises(NotFound):
        await run(undoing.undo, stage.owner.id, entry.id, stage.owner)
    assert (await run(AuditEntry.objects.get, id=entry.id)).undone_at is None


async def test_a_deleted_comment_comes_back_where_it_was(stage: Stage) -> None:
    ids = [await written(stage, f"comment {number}", by=1) for number in range(3)]
    await run(moderation.delete_comment, stage.video.id, ids[1], stage.owner)
    await run(purges.restore_comment, stage.video.id, ids[1], stage.owner)
    shown = await run(
        lambda: list(Comment.objects.filter(deleted_at=None).order_by("seq").values_list("id", flat=True))
    )
    assert shown == ids
    with pytest.raises(NotFound):
        await run(purges.restore_comment, stage.video.id, ids[1], stage.owner)


async def test_an_author_brings_nothing_back(stage: Stage) -> None:
    """Neither what they took away themselves nor what a moderator did."""
    own, others = await written(stage), await written(stage)
    await run(moderation.delete_comment, stage.video.id, own, stage.viewers[0])
    await run(moderation.delete_comment, stage.video.id, others, stage.owner)
    with pytest.raises(NotFound):
        await run(purges.restore_comment, stage.video.id, own, stage.viewers[0])
    with pytest.raises(Forbidden):
        await run(purges.restore_comment, stage.video.id, others, stage.viewers[0])


async def test_all_of_one_person_goes_and_comes_back(stage: Stage) -> None:
    theirs = [await written(stage, f"spam {number}", by=1) for number in range(4)]
    kept = await written(stage, "honest", by=2)
    entry, deleted = await run(purges.delete_comments_of, stage.owner.id, stage.viewers[1].id, stage.owner)
    assert deleted == len(theirs)
    assert await run(lambda: [c.id for c in Comment.objects.filter(deleted_at=None)]) == [kept]
    await run(undoing.undo, stage.owner.id, entry.id, stage.owner)
    assert await run(Comment.objects.filter(deleted_at=None).count) == 5


async def test_undo_after_erasure_is_not_found(stage: Stage) -> None:
    comment = await written(stage, "erased", by=1)
    entry = await run(moderation.delete_comment, stage.video.id, comment, stage.owner)
    assert entry is not None
    await run(removal.delete_viewer, stage.viewers[1].id, stage.owner)
    with pytest.raises(NotFound):
        await run(undoing.undo, stage.owner.id, entry.id, stage.owner)
    [act] = (await snapshot(stage))["acts"]
    assert (act["viewer"], act["text"]) == (None, "")


async def test_all_that_a_person_has_written_is_also_what_waits_for_review(stage: Stage) -> None:
    """It stayed in the queue, for the moderators to deny one by one."""
    troll, other = stage.viewers[:2]
    await run(channel_rules.set_words, stage.owner.id, stage.owner, refused="", held="money")
    await written(stage, by=0)
    for viewer, number in ((troll, 1), (troll, 2), (other, 3)):
        await likes.comment(stage.video.id, viewer, f"money {number}")
    before = await snapshot(stage)
    stage.told.clear()
    entry, deleted = await run(purges.delete_comments_of, stage.owner.id, troll.id, stage.owner)
    assert deleted == 3
    waiting = await run(held.waiting_at, stage.video.id, stage.owner, 10)
    assert [each["body"] for each in waiting] == ["money 3"]
    await likes.comment(stage.video.id, troll, "money 4")
    await run(undoing.undo, stage.owner.id, entry.id, stage.owner)
    waiting = await run(held.waiting_at, stage.video.id, stage.owner, 10)
    assert sorted(each["body"] for each in waiting) == [f"money {n}" for n in (1, 2, 3, 4)], "it waits again"
    entry, _ = await run(purges.delete_comments_of, stage.owner.id, troll.id, stage.owner)
    assert await run(held.forget_taken) == 0
    await run(HeldComment.everything.filter(taken_by=entry.id).update, taken_at=timezone.now() - timedelta(minutes=2))
    assert await run(held.forget_taken) == 3
    assert await run(HeldComment.everything.count) == 1
    for event in stage.told:
        assert isinstance(event, Durable)
        registry.kinds["moderation"].apply(before, event.name, orjson.loads(event.body))
    assert before == await snapshot(stage)


@pytest.mark.parametrize("kind", ["time_out", "ban", "shadow"])
async def test_who_is_kept_out_gets_no_role_until_they_are_let_in(stage: Stage, kind: str) -> None:
    """The role lifted a ban, and neither the page nor the log said so."""
    made, _ = await restrict(stage, stage.viewers[0], kind)
    with pytest.raises(Conflict) as refused:
        await role(stage, stage.viewers[0], "moderator")
    assert refused.value.code == "kept_out"
    assert [each.id for each in await run(lambda: list(current()))] == [made.id]
    await run(acts.lift, stage.owner.id, stage.viewers[0].id, stage.owner)
    await role(stage, stage.viewers[0], "moderator")


async def test_whoever_loses_a_role_may_nothing(stage: Stage) -> None:
    await role(stage, stage.viewers[0], "moderator")
    comment = await written(stage, by=1)
    await run(acts.take_role, stage.owner.id, stage.viewers[0].id, stage.viewers[0])
    with pytest.raises(Forbidden):
        await run(moderation.delete_comment, stage.video.id, comment, stage.viewers[0])
    with pytest.raises(Forbidden):
        await run(acts.give_role, stage.owner.id, stage.viewers[1].id, stage.viewers[0], "helper")


async def test_an_administrator_appoints_and_a_site_moderator_does_not(stage: Stage) -> None:
    clerk = await run(Viewer.objects.create_user, "clerk")
    await run(allow, clerk, "delete_comment")
    root = await run(Viewer.objects.create_superuser, "root")
    with pytest.raises(Forbidden):
        await run(acts.give_role, stage.owner.id, stage.viewers[0].id, clerk, "helper")
    await run(as_account, stage.viewers[0])
    await run(acts.give_role, stage.owner.id, stage.viewers[0].id, root, "helper")


async def test_guests_have_no_role_and_nobody_has_one_where_there_is_no_broadcaster(stage: Stage) -> None:
    """The API gave both. The role of a guest ended with their browser, and in no channel it means nothing."""
    guest, account = stage.viewers[0], await run(as_account, stage.viewers[1])
    with pytest.raises(Forbidden) as refused:
        await run(acts.give_role, stage.owner.id, guest.id, stage.owner, "helper")
    assert refused.value.code == "guest"
    with pytest.raises(Forbidden) as refused:
        await run(acts.give_role, account.id, stage.viewers[2].id, account, "helper")
    assert refused.value.code == "no_channel"
    assert not await Role.objects.aexists()


async def test_there_are_no_acts_in_a_channel_that_there_is_not(stage: Stage) -> None:
    """No row was made for any id that somebody sends."""
    root = await run(Viewer.objects.create_superuser, "root")
    before = len(stage.told)
    for owner_id in (stage.video.id, UUID(int=7)):
        with pytest.raises(NotFound):
            await run(acts.restrict, owner_id, stage.viewers[0].id, root, kind="ban")
    assert len(stage.told) == before


async def test_history_of_a_person(stage: Stage) -> None:
    viewer = stage.viewers[0]
    await run(acts.write_note, stage.owner.id, viewer.id, stage.owner, "  Was warned. ")
    await restrict(stage, viewer, "shadow", reason="spam")
    found = await run(reading.history, stage.owner.id, viewer.id, stage.owner)
    assert [note["body"] for note in found["notes"]] == ["Was warned."]
    assert [act["act"] for act in found["acts"]] == ["shadow", "note"]
    assert (found["restriction"]["kind"], found["restriction"]["reason"]) == ("shadow", "spam")
    with pytest.raises(Forbidden):
        await run(reading.history, stage.owner.id, viewer.id, viewer)


@pytest.mark.parametrize(("body", "code"), [("n" * 1_001, "too_long"), ("\u200b\u2800", "empty"), (" \n", "empty")])
async def test_note_that_is_too_long_or_cannot_be_seen_is_refused(stage: Stage, body: str, code: str) -> None:
    """The one was a 500, the other was kept."""
    with pytest.raises(Invalid) as refused:
        await run(acts.write_note, stage.owner.id, stage.viewers[0].id, stage.owner, body)
    assert refused.value.code == code


# The site


async def test_a_ban_of_the_site_ends_streams_and_acts_and_is_lifted(stage: Stage) -> None:
    root = await run(Viewer.objects.create_superuser, "root")
    viewer = stage.viewers[0]
    identity = await run(identity_of, viewer)
    await run(acts.restrict, None, viewer.id, root, kind="ban")
    assert (await run(review, [identity])).signed_out == {identity}
    with pytest.raises(SignedOut):
        await likes.comment(stage.video.id, viewer, "hello")
    await run(acts.lift, None, viewer.id, root)
    await likes.comment(stage.video.id, viewer, "hello")
    with pytest.raises(Forbidden):
        await run(acts.restrict, None, viewer.id, stage.owner, kind="ban")


# Guests who become accounts


async def test_a_banned_guest_is_a_banned_account(stage: Stage) -> None:
    await restrict(stage, stage.viewers[0])
    account = await run(Viewer.objects.create_user, "vera")
    await run(merge, stage.viewers[0], account)
    with pytest.raises(Forbidden):
        await likes.comment(stage.video.id, account, "hello")


async def test_a_role_goes_to_the_account(stage: Stage) -> None:
    await role(stage, stage.viewers[0], "moderator")
    account = await run(Viewer.objects.create_user, "vera")
    await run(merge, stage.viewers[0], account)
    assert [each.viewer_id for each in await run(lambda: list(Role.objects.all()))] == [account.id]


async def test_a_guest_broadcaster_keeps_their_moderators(stage: Stage) -> None:
    await role(stage, stage.viewers[0], "moderator")
    account = await run(Viewer.objects.create_user, "vera")
    await run(merge, stage.owner, account)
    comment = await written(stage, by=1)
    await run(moderation.delete_comment, stage.video.id, comment, stage.viewers[0])
    assert (await run(create_guest, "Somebody")).name == "Somebody"
