"""Rules and lists of a channel, on the real database: who is refused, what waits, and what moderators do with it."""

from __future__ import annotations

import asyncio
import copy
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.test import AsyncClient

from accounts.guests import create_guest
from accounts.merging import merge
from accounts.models import Viewer
from accounts.removal import delete_viewer
from accounts.tokens import issue_token
from following.acts import follow
from moderation import audit
from moderation.models import Role
from realtime.events import Durable
from realtime.identity import Identity
from realtime.limits import Limited
from realtime.log.database import DatabaseStore
from realtime.log.threads import backend_threads
from realtime.registry import registry
from screening import followers
from screening.models import SiteWords
from screening.rules import Verdict
from tests.console import Console
from tests.videos.acts import Stage, allow
from videos import channel_rules, held
from videos.commands import COMMANDS
from videos.likes import comment
from videos.models import Comment, HeldComment
from videos.removal import delete_video
from web.refusals import Conflict, Forbidden, Invalid, NotFound, Refused

run = backend_threads.run


async def ruled(stage: Stage, **rules: Any) -> None:
    await run(channel_rules.set_rules, stage.owner.id, stage.owner, rules)


async def worded(stage: Stage, *, refused: str = "", held: str = "") -> None:
    await run(lambda: channel_rules.set_words(stage.owner.id, stage.owner, refused=refused, held=held))


async def write(stage: Stage, body: str = "Good morning", *, who: Viewer | None = None, **more: Any) -> dict[str, Any]:
    return await comment(stage.video.id, who or stage.viewers[0], body, **more)


async def refusal(stage: Stage, body: str = "Good morning", **more: Any) -> str:
    with pytest.raises(Refused) as refused:
        await write(stage, body, **more)
    return refused.value.code


async def test_slow_mode_binds_all_but_the_channels_people(stage: Stage) -> None:
    moderator, of_channel = await run(create_guest, "Mo"), await run(create_guest, "Max")
    await run(allow, moderator, "delete_comment")
    await Role.objects.acreate(channel=stage.owner, viewer=of_channel, kind=Role.Kind.MODERATOR)
    await ruled(stage, slow_seconds=60)
    for who in (stage.owner, moderator, of_channel):
        for body in ("one", "two"):
            await write(stage, body, who=who)
    await write(stage, "first")
    with pytest.raises(Limited):
        await write(stage, "second")
    await write(stage, "of another", who=stage.viewers[1])


async def test_slow_mode_lets_one_of_a_crowd_at_once_through(stage: Stage) -> None:
    """They share a transaction, which reads the author's last comment before it writes any."""
    await ruled(stage, slow_seconds=60)
    done = await asyncio.gather(*(write(stage, f"at once {n}") for n in range(20)), return_exceptions=True)
    assert sum(isinstance(one, dict) for one in done) == 1
    assert {type(one) for one in done} == {dict, Limited}
    assert await Comment.objects.acount() == 1


async def test_repeated_client_id_is_answered_in_slow_mode(stage: Stage) -> None:
    await ruled(stage, slow_seconds=60)
    made = await write(stage, client_id="a")
    assert await write(stage, client_id="a") == made


async def test_changed_list_binds_the_next_comment(stage: Stage) -> None:
    await worded(stage, refused="crook")
    assert await refusal(stage, "you cr00k") == "words"
    await worded(stage, refused="thief")
    await write(stage, "you cr00k")
    assert await refusal(stage, "you thief") == "words"


async def test_words_of_the_site_bind_every_channel(stage: Stage) -> None:
    await SiteWords.objects.acreate(refused="crook")
    assert await refusal(stage, "crook") == "words"
    await SiteWords.objects.all().adelete()
    await write(stage, "crook")


async def test_followers_only(stage: Stage) -> None:
    await ruled(stage, follow_minutes=0)
    assert await refusal(stage) == "followers_only"
    await run(lambda: follow(stage.owner.id, stage.viewers[0], alerts=False))
    await write(stage)
    assert await refusal(stage, who=stage.viewers[1]) == "followers_only"


async def test_held_comment_is_shown_to_nobody_until_it_is_approved(stage: Stage) -> None:
    await worded(stage, held="money")
    answer = await write(stage, "Money for nothing", client_id="a")
    assert set(answer) == {"held"}
    assert stage.events == []
    [waiting] = await run(held.waiting_at, stage.video.id, stage.owner, 50)
    assert (waiting["body"], waiting["reason"]) == ("Money for nothing", "money")
    assert waiting["id"] == answer["held"]["id"]

    shown = (await run(held.approve, stage.video.id, UUID(waiting["id"]), stage.owner)).data
    name, data = stage.newest()
    assert (name, data["comment"]) == ("comment", shown)
    assert shown["author"]["id"] == str(stage.viewers[0].id)
    assert await write(stage, "Money for nothing", client_id="a") == shown
    assert await HeldComment.objects.acount() == 0


async def test_held_comment_that_was_sent_again_by_other_rules_is_approved_all_the_same(stage: Stage) -> None:
    """Its `client_id` was that of the second one: the approval ended in an IntegrityError."""
    await worded(stage, held="money")
    waiting = (await write(stage, "Money for nothing", client_id="a"))["held"]
    await worded(stage)
    again = await write(stage, "Money for nothing", client_id="a")
    shown = (await run(held.approve, stage.video.id, UUID(waiting["id"]), stage.owner)).data
    assert shown["id"] != again["id"]
    assert await write(stage, "Money for nothing", client_id="a") == again


async def test_events_lead_moderators_to_the_fresh_state(stage: Stage) -> None:
    """Also when the author signs in, and when author or video goes away."""
    topic, store = audit.topic_of(stage.owner.id), DatabaseStore(registry)
    await worded(stage, held="money*")
    stage.told.clear()
    known = copy.deepcopy((await store.load(topic)).snapshot)
    ids = [UUID((await write(stage, "money" * n, who=stage.viewers[n]))["held"]["id"]) for n in range(1, 5)]
    account = await run(Viewer.objects.create_user, "ada")
    await run(merge, stage.viewers[1], account)
    await run(held.approve, stage.video.id, ids[1], stage.owner)
    await run(delete_viewer, stage.viewers[3].id, await run(Viewer.objects.create_superuser, "root"))
    assert [waiting["author"]["name"] for waiting in (await store.load(topic)).snapshot["held"]] == ["ada", "Viewer 4"]
    await run(delete_video, stage.video.id, stage.owner)
    for event in stage.told:
        assert isinstance(event, Durable)
        registry.kinds["moderation"].apply(known, event.name, orjson.loads(event.body))
    assert known == (await store.load(topic)).snapshot
    assert known["held"] == []


async def test_same_text_waits_once(stage: Stage) -> None:
    await worded(stage, held="money")
    answers = await asyncio.gather(*(write(stage, "money", client_id="a") for _ in range(2)))
    answers += await asyncio.gather(*(write(stage, "money", client_id=id) for id in ("a", "b", None)))
    assert len({answer["held"]["id"] for answer in answers}) == 1
    with pytest.raises(Conflict):
        await write(stage, "more money", client_id="a")


async def test_queue_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "HELD_MAX", 1)
    await worded(stage, held="money")
    await write(stage, "money")
    assert await refusal(stage, "money again") == "queue_full"


async def test_two_moderators_decide_once(stage: Stage) -> None:
    await worded(stage, held="money")
    id = UUID((await write(stage, "money"))["held"]["id"])
    done = await asyncio.gather(
        run(held.approve, stage.video.id, id, stage.owner),
        run(held.deny, stage.video.id, id, stage.owner),
        return_exceptions=True,
    )
    assert sum(isinstance(one, NotFound) for one in done) == 1
    assert await HeldComment.objects.acount() == 0


async def test_rules_are_for_the_channels_people(stage: Stage) -> None:
    stranger, nobody = stage.viewers[0], uuid4()
    await worded(stage, held="money")
    id = UUID((await write(stage, "money"))["held"]["id"])
    for act in (
        lambda: channel_rules.set_rules(stage.owner.id, stranger, {"slow_seconds": 1}),
        lambda: channel_rules.set_words(stage.owner.id, stranger, refused="x", held=""),
        lambda: channel_rules.words_of(stage.owner.id, stranger),
        lambda: held.waiting_at(stage.video.id, stranger, 1),
        lambda: held.approve(stage.video.id, id, stranger),
        lambda: held.deny(stage.video.id, id, stranger),
    ):
        with pytest.raises(Forbidden):
            await run(act)
    for owner_id in (nobody, stranger.id):
        with pytest.raises(NotFound):
            await run(channel_rules.rules_of, owner_id)


async def test_rules_that_are_none_change_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await ruled(stage, slow_seconds=5)
    monkeypatch.setattr(followers, "readers", [])
    for rules in ({"slow_seconds": 3_601}, {"follow_minutes": 5}, {"account_minutes": -1}):
        with pytest.raises(Invalid):
            await ruled(stage, **rules)
    with pytest.raises(Invalid):
        await worded(stage, refused="/(/")
    assert (await run(channel_rules.rules_of, stage.owner.id))["slow_seconds"] == 5
    assert await run(channel_rules.words_of, stage.owner.id, stage.owner) == {"refused": "", "held": ""}


def look(body: str, author_id: UUID, video_id: UUID) -> Verdict | None:
    """A site's own program."""
    if body == "break":
        raise ValueError("it is broken")
    return {"no": Verdict(Forbidden("No.", code="robot")), "hm": Verdict(hold="a robot thinks")}.get(body)


async def test_programs_of_the_site_are_asked(stage: Stage, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.LIVE_SCREENING = f"{__name__}.look"
    assert await refusal(stage, "no") == "robot"
    assert "held" in await write(stage, "hm")
    await write(stage, "yes")
    await write(stage, "break")
    assert "it is broken" in caplog.text


async def test_doors(stage: Stage) -> None:
    """REST, WebSocket and admin."""
    client, token = AsyncClient(), await run(issue_token, stage.owner)
    own: Any = {"headers": {"Authorization": f"Bearer {token}"}, "content_type": "application/json"}
    channel = f"/api/v1/channels/{stage.owner.id}"
    assert (await client.patch(f"{channel}/rules", {"slow_seconds": 30}, **own)).json()["slow_seconds"] == 30
    assert (await client.get(f"{channel}/rules")).json()["slow_seconds"] == 30
    assert (await client.put(f"{channel}/words", {"refused": "", "held": "money"}, **own)).status_code == 204
    assert (await client.get(f"{channel}/words", **own)).json()["held"] == "money"

    message = {"video": str(stage.video.id), "body": "money"}
    acknowledged = await COMMANDS["comment"](Identity(str(stage.viewers[1].id)), "", message)
    theirs: Any = {"headers": {"Authorization": f"Bearer {await run(issue_token, stage.viewers[2])}"}}
    comments = f"/api/v1/videos/{stage.video.id}/comments"
    written = await client.post(comments, {"body": "money"}, content_type="application/json", **theirs)
    assert written.status_code == 202
    waiting = f"/api/v1/videos/{stage.video.id}/held"
    items = (await client.get(waiting, **own)).json()["items"]
    assert [item["id"] for item in items] == [acknowledged["held"]["id"], written.json()["held"]["id"]]
    assert (await client.post(f"{waiting}/{items[0]['id']}", **own)).status_code == 201
    assert (await client.delete(f"{waiting}/{items[0]['id']}", **own)).status_code == 404
    assert (await client.delete(f"{waiting}/{items[1]['id']}", **own)).status_code == 204


@pytest.mark.usefixtures("no_guesses")
def test_admin_decides_about_held_comments(stage: Stage, root: Console) -> None:
    rows = [
        HeldComment.objects.create(video=stage.video, author=stage.viewers[0], body=body, reason="x") for body in "ab"
    ]
    answer = root.action("heldcomment", "approve", rows[:1])
    assert root.messages(answer) == ["Approved. (1)"]
    assert root.messages(root.action("heldcomment", "deny", rows[1:])) == ["Denied. (1)"]
    assert [row.body for row in Comment.objects.all()] == ["a"]
    for page in ("screening_channelrules", "screening_channelwords", "screening_sitewords"):
        assert root.get(f"{page}_changelist").status_code == 200
    form = root.post("screening_sitewords_add", refused="/(/", held="")
    assert "missing )" in form.content.decode()
    root.post("screening_sitewords_add", refused="crook", held="")
    assert SiteWords.objects.get().refused == "crook"
