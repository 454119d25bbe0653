"""Edits of comments: who may, until when, what viewers and moderators see of them. And whole threads."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from accounts.models import Viewer
from accounts.removal import delete_viewer
from realtime.log.threads import backend_threads
from tests.videos.acts import Stage
from videos import broadcasts, channel_rules, likes, moderation
from videos.likes import EDIT_SECONDS
from videos.models import Comment, CommentVersion
from videos.reading import read_thread
from videos.removal import delete_video
from web.refusals import Forbidden, Invalid, NotFound, Refused


async def edit(stage: Stage, comment: dict[str, Any], who: int, body: str) -> dict[str, Any]:
    return await likes.edit_comment(stage.video.id, stage.viewers[who], UUID(comment["id"]), body)


async def test_an_author_edits_and_moderators_read_what_it_said(stage: Stage) -> None:
    first = await likes.comment(stage.video.id, stage.viewers[0], "Helo")
    edited = await edit(stage, first, 0, "Hello")
    again = await edit(stage, first, 0, " Hello \n")

    assert edited == {**first, "body": "Hello", "edited_at_ms": edited["edited_at_ms"]}
    assert edited["edited_at_ms"] >= first["at_ms"]
    assert again == edited, "the same text changes nothing"
    assert stage.newest() == ("comment_edited", stage.newest()[1])
    assert stage.newest()[1]["comment"] == edited
    read = backend_threads.run
    found = await read(moderation.versions_of, stage.video.id, UUID(first["id"]), stage.owner)
    assert [version.body for version in found] == ["Helo"]
    with pytest.raises(Forbidden):
        await read(moderation.versions_of, stage.video.id, UUID(first["id"]), stage.viewers[0])


async def test_two_edits_at_once_are_both_kept(stage: Stage) -> None:
    first = await likes.comment(stage.video.id, stage.viewers[0], "One")
    await asyncio.gather(*(edit(stage, first, 0, text) for text in ("Two", "Three")))
    found = await backend_threads.run(moderation.versions_of, stage.video.id, UUID(first["id"]), stage.owner)
    shown = await backend_threads.run(lambda: Comment.objects.get(id=first["id"]).body)
    assert sorted([*(version.body for version in found), shown]) == ["One", "Three", "Two"]


async def test_who_may_not_edit_changes_nothing(stage: Stage) -> None:
    first = await likes.comment(stage.video.id, stage.viewers[0], "Mine", client_id="a")

    async def refused(kind: type[Refused], code: str, who: int = 0, body: str = "Other") -> None:
        with pytest.raises(kind) as refusal:
            await edit(stage, first, who, body)
        assert refusal.value.code == code

    await refused(Forbidden, "forbidden", who=1)
    await refused(Invalid, "empty", body=" \u200b ")
    with pytest.raises(NotFound):
        await likes.edit_comment(stage.video.id, stage.viewers[0], stage.video.id, "Other")
    await backend_threads.run(broadcasts.update_video, stage.video.id, stage.owner, comments_enabled=False)
    await refused(Forbidden, "comments_off")
    await backend_threads.run(broadcasts.update_video, stage.video.id, stage.owner, comments_enabled=True)

    def grow_old() -> None:
        at = Comment.objects.get(id=first["id"]).created_at - timedelta(seconds=EDIT_SECONDS + 1)
        Comment.objects.filter(id=first["id"]).update(created_at=at)

    await backend_threads.run(grow_old)
    await refused(Forbidden, "too_late")
    await backend_threads.run(moderation.delete_comment, stage.video.id, UUID(first["id"]), stage.owner)
    await refused(NotFound, "not_found")
    assert await backend_threads.run(lambda: Comment.objects.get(id=first["id"]).body) == "Mine"


async def test_what_was_sent_twice_is_one_comment_though_it_was_edited_meanwhile(stage: Stage) -> None:
    first = await likes.comment(stage.video.id, stage.viewers[0], "Helo", client_id="a")
    await edit(stage, first, 0, "Hello")
    again = await likes.comment(stage.video.id, stage.viewers[0], "Helo", client_id="a")
    assert (again["id"], again["body"]) == (first["id"], "Hello")


async def test_an_answer_leads_to_its_whole_thread(stage: Stage) -> None:
    async def say(text: str, to: dict[str, Any] | None = None) -> dict[str, Any]:
        return await likes.comment(stage.video.id, stage.viewers[0], text, reply_to=UUID(to["id"]) if to else None)

    root, other = await say("Root"), await say("Other")
    one = await say("One", root)
    deep = await say("Deep", one)
    await say("Elsewhere", other)

    async def thread(comment: dict[str, Any], limit: int = 200) -> set[str]:
        return {str(id) for id in await backend_threads.run(read_thread, stage.video.id, UUID(comment["id"]), limit)}

    assert await thread(deep) == await thread(root) == {each["id"] for each in (root, one, deep)}
    assert await thread(root, 2) == {root["id"], one["id"]}


async def test_what_was_edited_goes_with_its_author_and_with_its_video(stage: Stage) -> None:
    """The versions would have kept the comments, and both would have stayed."""
    ours = [await likes.comment(stage.video.id, stage.viewers[who], "Helo") for who in (0, 1)]
    for who, comment in enumerate(ours):
        await edit(stage, comment, who, "Hello")
    await backend_threads.run(delete_viewer, stage.viewers[0].id, await backend_threads.run(administrator))
    assert await backend_threads.run(CommentVersion.objects.count) == 1
    await backend_threads.run(delete_video, stage.video.id, stage.owner)
    assert await backend_threads.run(CommentVersion.objects.count) == 0


def administrator() -> Viewer:
    return Viewer.objects.create_superuser("admin", password="a password of the tests", name="Admin")


async def test_an_edit_passes_the_rules_of_the_channel_but_is_never_too_soon(stage: Stage) -> None:
    """Else a list of words would be passed by writing something harmless first."""
    first = await likes.comment(stage.video.id, stage.viewers[0], "Fine")
    run, owner = backend_threads.run, stage.owner
    await run(lambda: channel_rules.set_words(owner.id, owner, refused="spam", held="maybe"))
    await run(channel_rules.set_rules, owner.id, owner, {"slow_seconds": 60})
    for text, code in (("Spam!", "words"), ("Maybe?", "edit_held")):
        with pytest.raises(Refused) as refusal:
            await edit(stage, first, 0, text)
        assert refusal.value.code == code
    assert (await edit(stage, first, 0, "Fine, too"))["body"] == "Fine, too"
