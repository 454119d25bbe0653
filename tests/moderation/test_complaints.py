"""What viewers report: who may, who reads it, and what becomes of it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.test import AsyncClient
from django.utils import timezone

from accounts import removal
from accounts.merging import merge
from accounts.models import Viewer
from accounts.tokens import issue_token
from moderation import acts, complaints, undoing
from moderation.limits import COMPLAINTS
from moderation.models import AuditEntry, Complaint
from moderation.tasks import forget_complaints
from realtime.events import Durable
from realtime.identity import Identity
from realtime.log.threads import backend_threads
from realtime.models import LoggedEvent
from realtime.registry import CommandError, registry
from tests.moderation.test_topic import snapshot, topic, written
from tests.rooms import Room, open_room
from tests.sites import Site
from tests.videos.acts import Stage, as_account
from tests.watching import WebSocketWatcher, watching
from videos import gate, moderation, purges
from videos.commands import COMMANDS
from videos.models import Video
from videos.removal import delete_video
from web.refusals import Conflict, Forbidden, NotFound, Refused

run = backend_threads.run


async def report(stage: Stage, comment: UUID, *, by: Viewer, reason: str = "spam", remark: str = "") -> None:
    await run(moderation.report_comment, stage.video.id, comment, by, reason=reason, remark=remark)


async def report_person(stage: Stage, viewer: Viewer, *, by: Viewer) -> None:
    await run(complaints.report_person, stage.owner.id, viewer.id, by, reason="hate")


async def reported(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await run(complaints.reported_in, stage.owner.id, stage.owner)
    return found


async def test_moderators_see_what_is_reported_by_its_newest_complaint(stage: Stage) -> None:
    troll, ada, bea = stage.viewers[:3]
    first, second = await written(stage, "rude"), await written(stage, "ruder")
    await report(stage, first, by=ada)
    await report(stage, second, by=ada, reason="hate", remark="This hurts.")
    await report(stage, first, by=bea, reason="sexual")
    shown = await reported(stage)
    assert [(each["id"], each["text"], each["count"]) for each in shown] == [
        (str(first), "rude", 2),
        (str(second), "ruder", 1),
    ]
    assert shown[0]["reasons"] == {"spam": 1, "sexual": 1}
    assert shown[0]["viewer"]["id"] == str(troll.id)
    assert [said["by"]["name"] for said in shown[0]["complaints"]] == [bea.name, ada.name]
    assert shown[1]["complaints"][0]["remark"] == "This hurts."
    assert shown == (await snapshot(stage))["reported"]


async def test_second_report_of_a_viewer_changes_nothing(stage: Stage) -> None:
    """Also at the same time, and when the first one is settled."""
    comment, ada = await written(stage), stage.viewers[1]
    await asyncio.gather(*(report(stage, comment, by=ada) for _ in range(3)))
    assert await Complaint.objects.acount() == 1
    await run(complaints.dismiss, stage.owner.id, comment, stage.owner)
    await report(stage, comment, by=ada)
    assert await reported(stage) == []


async def test_what_one_cannot_report(stage: Stage) -> None:
    author, ada = stage.viewers[:2]
    comment = await written(stage)
    with pytest.raises(Forbidden) as refused:
        await report(stage, comment, by=author)
    assert refused.value.code == "yourself"
    with pytest.raises(NotFound):
        await report(stage, uuid4(), by=ada)
    await run(moderation.delete_comment, stage.video.id, comment, author)
    with pytest.raises(NotFound):
        await report(stage, comment, by=ada)
    kept = await written(stage)
    await Video.objects.filter(id=stage.video.id).aupdate(visibility="private")
    with pytest.raises(NotFound):
        await report(stage, kept, by=ada)
    for owner_id, viewer_id in ((uuid4(), author.id), (stage.owner.id, uuid4())):
        with pytest.raises(NotFound):
            await run(complaints.report_person, owner_id, viewer_id, ada, reason="spam")
    assert await Complaint.objects.acount() == 0


async def test_who_is_kept_out_cannot_report_and_learns_of_no_shadow(stage: Stage) -> None:
    comment = await written(stage)
    given: dict[str, dict[str, Any]] = {"ban": {}, "time_out": {"seconds": 60}, "shadow": {}}
    for viewer, (kind, more) in zip(stage.viewers[1:], given.items(), strict=False):
        await run(acts.restrict, stage.owner.id, viewer.id, stage.owner, kind=kind, **more)
    for viewer, code in zip(stage.viewers[1:3], ("banned", "timed_out"), strict=True):
        with pytest.raises(Forbidden) as refused:
            await report(stage, comment, by=viewer)
        assert refused.value.code == code
    await report(stage, comment, by=stage.viewers[3])
    assert await Complaint.objects.acount() == 0


async def test_queue_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complaints, "OPEN_MAX", 2)
    monkeypatch.setattr(complaints, "REPORTED_MAX", 3)
    comments = [await written(stage, f"rude {number}") for number in range(4)]
    ada, bea = stage.viewers[1:3]
    for comment in comments[:2]:
        await report(stage, comment, by=ada)
    with pytest.raises(Conflict) as refused:
        await report(stage, comments[2], by=ada)
    assert refused.value.code == "queue_full"
    await report(stage, comments[2], by=bea)
    with pytest.raises(Conflict):
        await report(stage, comments[3], by=bea)
    await report(stage, comments[0], by=bea)  # nothing else waits because of it


async def test_only_newest_complaints_are_shown_and_all_are_counted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(complaints, "SHOWN_MAX", 2)
    comment = await written(stage)
    for viewer in stage.viewers[1:5]:
        await report(stage, comment, by=viewer)
    [shown] = await reported(stage)
    assert (shown["count"], shown["reasons"]) == (4, {"spam": 4})
    assert [said["by"]["name"] for said in shown["complaints"]] == [stage.viewers[4].name, stage.viewers[3].name]


async def test_who_moderates_never_reads_who_reported_them(stage: Stage) -> None:
    """Neither with a role from before, nor with one that is given while the complaint waits."""
    helper, later, ada = stage.viewers[:3]
    for viewer in (helper, later):
        await run(as_account, viewer)
    await run(acts.give_role, stage.owner.id, helper.id, stage.owner, "helper")
    comments = [await written(stage, by=number) for number in range(2)]
    stage.told.clear()
    await report(stage, comments[0], by=ada)
    await report_person(stage, stage.owner, by=ada)
    assert stage.told == []
    await report(stage, comments[1], by=ada)
    assert [each["id"] for each in await reported(stage)] == [str(comments[1])]
    with pytest.raises(NotFound):
        await run(complaints.dismiss, stage.owner.id, comments[0], helper)
    await run(acts.give_role, stage.owner.id, later.id, stage.owner, "moderator")
    assert await reported(stage) == []
    assert await Complaint.objects.filter(settled_at=None, is_for_site=True).acount() == 3


async def test_an_act_on_what_is_reported_settles_it_and_undo_opens_it_again(stage: Stage) -> None:
    troll, ada = stage.viewers[:2]
    owner, video = stage.owner, stage.video

    async def comment_of(author: int = 0) -> UUID:
        made = await written(stage, by=author)
        await report(stage, made, by=ada)
        return made

    async def settles(act: Any, *given: Any, **more: Any) -> None:
        [before] = await reported(stage)
        await run(act, *given, **more)
        assert await reported(stage) == []
        newest = await AuditEntry.objects.alatest("id")
        await run(undoing.undo, owner.id, newest.id, owner)
        assert await reported(stage) == [before]
        await Complaint.objects.all().adelete()

    made = await comment_of()
    await settles(moderation.delete_comment, video.id, made, owner)
    await settles(moderation.delete_comments, video.id, [await comment_of()], owner)
    await comment_of()
    await settles(purges.delete_comments_of, owner.id, troll.id, owner)
    await settles(complaints.dismiss, owner.id, await comment_of(), owner)
    await report_person(stage, troll, by=ada)
    await settles(acts.restrict, owner.id, troll.id, owner, kind="time_out", seconds=60)
    await comment_of()
    await settles(gate.close, owner.id, owner)


async def test_ban_of_an_author_leaves_the_comment_to_look_at(stage: Stage) -> None:
    comment = await written(stage)
    await report(stage, comment, by=stage.viewers[1])
    await run(acts.restrict, stage.owner.id, stage.viewers[0].id, stage.owner, kind="ban")
    assert [each["id"] for each in await reported(stage)] == [str(comment)]


async def test_dismissal_of_what_was_deleted_meanwhile_is_not_taken_back(stage: Stage) -> None:
    comment = await written(stage)
    await report(stage, comment, by=stage.viewers[1])
    dismissal = await run(complaints.dismiss, stage.owner.id, comment, stage.owner)
    await run(moderation.delete_comment, stage.video.id, comment, stage.viewers[0])
    with pytest.raises(NotFound):
        await run(undoing.undo, stage.owner.id, dismissal.id, stage.owner)
    assert await reported(stage) == []


async def test_events_lead_moderators_to_the_fresh_state(stage: Stage) -> None:
    """Also when a guest signs in, when people and videos go away, and when time has passed."""
    known, names = copy.deepcopy(await snapshot(stage)), set()
    account = await run(Viewer.objects.create_user, "vera")
    root = await run(Viewer.objects.create_superuser, "root")
    guest, gone, ada, bea, cleo = stage.viewers
    comments = [await written(stage, f"comment {number}", by=number) for number in range(4)]

    async def check() -> list[str]:
        for event in stage.told:
            assert isinstance(event, Durable)
            names.add(event.name)
            registry.kinds["moderation"].apply(known, event.name, orjson.loads(event.body))
        stage.told.clear()
        assert known == await snapshot(stage)
        return [each["viewer"]["name"] for each in known["reported"]]

    for comment in comments:
        for reporter in (account, cleo):
            await report(stage, comment, by=reporter, remark=f"A remark of {reporter.name}")
    await report(stage, comments[2], by=guest)
    await report_person(stage, guest, by=bea)
    assert await check() == [guest.name, ada.name, bea.name, gone.name, guest.name]
    await run(merge, guest, account)  # the account has reported the guest's comment, and the same things as the guest
    assert await check() == ["vera", bea.name, ada.name, gone.name, "vera"]
    assert {each["count"] for each in known["reported"] if each["viewer"]["name"] == "vera"} == {1}
    await run(moderation.delete_comment, stage.video.id, comments[3], bea)
    await run(removal.delete_viewer, gone.id, root)
    assert await check() == ["vera", ada.name, "vera"]
    await run(removal.delete_viewer, cleo.id, root)
    assert await check() == ["vera", ada.name]
    logged = LoggedEvent.objects.filter(topic=topic(stage))
    assert not [event async for event in logged if cleo.name in str(event.data)]
    assert [event async for event in logged if "A remark of vera" in str(event.data)]
    await Complaint.objects.filter(kind="person").aupdate(created_at=timezone.now() - timedelta(days=91))
    assert await run(forget_complaints) == 1
    assert await check() == [ada.name]
    await run(delete_video, stage.video.id, stage.owner)
    assert await check() == []
    assert await Complaint.objects.acount() == 0
    assert {"reported", "reported_settled"} <= names


async def test_guest_with_a_channel_keeps_what_is_reported_there(stage: Stage) -> None:
    await report(stage, await written(stage), by=stage.viewers[1])
    account = await run(Viewer.objects.create_user, "nadia")
    await run(merge, stage.owner, account)
    [shown] = await run(complaints.reported_in, account.id, account)
    assert shown["viewer"]["id"] == str(stage.viewers[0].id)


async def test_only_moderators_read_and_dismiss(stage: Stage) -> None:
    comment = await written(stage)
    await report(stage, comment, by=stage.viewers[1])
    for act in (
        lambda: complaints.reported_in(stage.owner.id, stage.viewers[1]),
        lambda: complaints.dismiss(stage.owner.id, comment, stage.viewers[1]),
    ):
        with pytest.raises(Refused) as refused:
            await run(act)
        assert refused.value.code == "forbidden"


@pytest.fixture
async def room(site: Site) -> AsyncIterator[Room]:
    async with open_room(site, people=4) as made:
        yield made


async def test_doors(room: Room) -> None:
    """REST and WebSocket, and the moderators' topic that moves."""
    nadia, troll, ada, bea = room.people
    comment = await room.comment("rude", person=troll)
    path, channel = f"/videos/{room.video_id}/comments/{comment['id']}/report", f"/channels/{nadia.id}"

    def watcher(token: str, topic: str) -> WebSocketWatcher:
        return WebSocketWatcher(room.site.urls[1], topic, headers={"Authorization": f"Bearer {token}"})

    async with watching(watcher(nadia.token, f"moderation:{nadia.id}"), watcher(bea.token, room.topic)) as (mod, other):
        for _ in range(2):
            answer = await room.call("POST", path, {"reason": "spam", "remark": "An advert."}, person=ada)
            assert answer.status_code == 204
        refusals = [({"reason": "boring"}, ada, 422), ({"reason": "spam", "remark": "x" * 201}, ada, 422)]
        for body, person, status in [*refusals, ({"reason": "spam"}, troll, 403), ({"reason": "spam"}, None, 401)]:
            assert (await room.call("POST", path, body, person=person)).status_code == status
        about = {"video": room.video_id, "channel": nadia.id, "comment": comment["id"], "person": troll.id}
        for ref, (op, reason) in enumerate([("report", "hate"), ("report_person", "hate"), ("report", "boring")]):
            await other.send({"op": op, "reason": reason, "ref": ref, **about})
        await other.wait_for(lambda: bool(other.named("error")), "the refusal")
        assert len(other.named("ack")) == 2
        await mod.wait_for(lambda: len(mod.named("reported")) == 3, "what is reported")
        assert [each.data["reported"]["count"] for each in mod.named("reported")] == [1, 2, 1]
        assert mod.named("reported")[0].data["reported"]["complaints"][0]["by"]["id"] == ada.id

        shown = (await room.call("GET", f"{channel}/reported", person=nadia)).raise_for_status().json()["items"]
        assert [(each["kind"], each["count"]) for each in shown] == [("person", 1), ("comment", 2)]
        dismissed = await room.call("DELETE", f"{channel}/reported/{troll.id}", person=nadia)
        assert dismissed.raise_for_status().json()["act"] == "dismiss"
        await mod.send({"op": "dismiss", "channel": nadia.id, "reported": comment["id"], "ref": 9})
        await mod.wait_for(lambda: len(mod.named("reported_settled")) == 2, "the dismissals")
        assert (await room.call("DELETE", f"{channel}/reported/{troll.id}", person=nadia)).status_code == 404


async def test_nobody_floods_the_moderators(stage: Stage, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is invalid does not count. REST and WebSocket have one limit."""
    settings.LIVE_LIMITS = True
    monkeypatch.setattr(COMPLAINTS, "clock", lambda: 0.0)
    client, ada, nobody = AsyncClient(), stage.viewers[0], str(uuid4())
    theirs: Any = {"headers": {"Authorization": f"Bearer {await run(issue_token, ada)}"}}
    path = f"/api/v1/channels/{stage.owner.id}/people/{nobody}/report"

    async def status(reason: str) -> int:
        answer = await client.post(path, {"reason": reason}, content_type="application/json", **theirs)
        return int(answer.status_code)

    assert {await status("boring") for _ in range(20)} == {422}
    assert {await status("spam") for _ in range(10)} == {404}
    assert await status("spam") == 429
    message = {"video": str(stage.video.id), "comment": nobody, "reason": "spam"}
    with pytest.raises(CommandError) as refused:
        await COMMANDS["report"](Identity(str(ada.id)), "", message)
    assert refused.value.code == "too_often"
