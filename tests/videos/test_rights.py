"""Who may do what to other people's videos: Django's permissions, in the API as in the admin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import permissions
from accounts.identities import identity_of, review
from accounts.models import Viewer
from moderation import acts
from moderation.models import Role
from polls.board import access_json
from realtime.events import TopicName
from realtime.identity import Identity
from realtime.log.threads import backend_threads
from realtime.models import Topic
from realtime.registry import registry
from tests.videos.acts import Stage, allow, as_account
from videos import broadcasts, likes, moderation, rights
from videos.models import Comment, Video
from videos.representation import comment_json, with_authors
from videos.topics import one_full_json, page_state, snapshot_of, visible_video
from videos.watching import viewers_json
from web.refusals import Forbidden, NotFound

run = backend_threads.run
Act = Callable[[Stage, Viewer, UUID], object]
ACTS: dict[str, Act] = {
    "change_video": lambda stage, who, _: broadcasts.end_video(stage.video.id, who),
    "add_video": lambda stage, who, _: broadcasts.create_video(who, title="Mine"),
    "delete_comment": lambda stage, who, comment: moderation.delete_comment(stage.video.id, comment, who),
}
ACTS_OF: list[tuple[str, Act]] = [
    *ACTS.items(),
    ("change_video", lambda stage, who, _: broadcasts.update_video(stage.video.id, who, title="Theirs")),
    ("change_video", lambda stage, who, _: broadcasts.start_video(stage.video.id, who)),
    ("delete_comment", lambda stage, who, comment: moderation.pin_comment(stage.video.id, comment, who)),
    ("delete_comment", lambda stage, who, comment: moderation.unpin_comment(stage.video.id, comment, who)),
    ("delete_comment", lambda stage, who, comment: moderation.delete_comments(stage.video.id, [comment], who)),
    ("delete_video", lambda stage, who, _: broadcasts.close_video(stage.video.id, who)),
]


def staff(name: str, *codenames: str) -> Viewer:
    made = Viewer.objects.create_user(name, is_staff=True)
    allow(made, *codenames)
    return Viewer.objects.get(pk=made.pk)


async def write(stage: Stage) -> UUID:
    return UUID((await likes.comment(stage.video.id, stage.viewers[0], "hello"))["id"])


async def test_staff_without_permissions_may_do_nothing_more_than_a_viewer(stage: Stage) -> None:
    """Anybody with the staff mark ended the broadcasts and deleted the comments of everybody else, by the API."""
    comment = await write(stage)
    clerk = await run(staff, "clerk")
    before = len(stage.events)
    for _, act in ACTS_OF:
        with pytest.raises(Forbidden):
            await run(act, stage, clerk, comment)
    await run(broadcasts.update_video, stage.video.id, stage.owner, visibility="private")
    with pytest.raises(NotFound):
        await run(visible_video, stage.video.id, clerk)
    with pytest.raises(NotFound):
        await likes.like(stage.video.id, clerk, "like")
    assert not (await run(identity_of, clerk)).is_staff
    assert len(stage.events) == before + 1


@pytest.mark.parametrize(("codename", "act"), ACTS_OF)
async def test_one_permission_allows_its_acts_and_no_others(stage: Stage, codename: str, act: Act) -> None:
    comment = await write(stage)
    clerk = await run(staff, "clerk", codename)
    for other in ACTS.keys() - {codename}:
        with pytest.raises(Forbidden):
            await run(ACTS[other], stage, clerk, comment)
    await run(act, stage, clerk, comment)


@pytest.mark.parametrize("codename", [right.partition(".")[2] for right in rights.SEE])
async def test_who_works_on_videos_sees_private_ones(stage: Stage, codename: str) -> None:
    """By every path: pages and REST, likes and comments, and streams."""
    clerk = await run(staff, "clerk", codename)
    await run(broadcasts.update_video, stage.video.id, stage.owner, visibility="private")
    assert await run(visible_video, stage.video.id, clerk)
    assert (await likes.like(stage.video.id, clerk, "like"))["total"] == 1
    assert (await run(identity_of, clerk)).is_staff


@pytest.mark.parametrize("kind", Role.Kind.values)
async def test_role_opens_the_private_videos_of_the_channel_while_it_lasts(stage: Stage, kind: str) -> None:
    """They moderated comments that they could not see: by pages, REST, likes, comments and streams."""
    fan, other = stage.viewers[:2]
    await run(broadcasts.update_video, stage.video.id, stage.owner, visibility="private")
    await run(acts.give_role, stage.owner.id, (await run(as_account, fan)).id, stage.owner, kind)
    assert await run(visible_video, stage.video.id, fan)
    assert (await likes.like(stage.video.id, fan, "like"))["total"] == 1
    assert await run(open_to, stage.video, fan, other) == [True, False]
    stream = await run(identity_of, fan)
    await run(acts.take_role, stage.owner.id, fan.id, stage.owner)
    with pytest.raises(NotFound):
        await run(visible_video, stage.video.id, fan)
    with pytest.raises(NotFound):
        await likes.like(stage.video.id, fan, "love")
    assert (await run(review, [stream])).changed == {stream: replace(stream, groups=frozenset())}


def open_to(video: Video, *viewers: Viewer) -> list[bool]:
    """Return for each viewer whether the topics of the video and of its board are open."""
    video.refresh_from_db()
    kinds = {"video": registry.kinds["video"], "board": registry.kinds["board"]}
    found = []
    for viewer in viewers:
        allowed = set()
        for prefix, snapshot in (("video", snapshot_of(video)), ("board", {"access": access_json(video)})):
            topic = TopicName(f"{prefix}:{video.id}")
            allowed.add(kinds[prefix].access(snapshot).allows(topic, identity_of(viewer)))
        [is_open] = allowed
        found.append(is_open)
    return found


async def test_right_that_is_taken_away_ends_what_it_opened(stage: Stage) -> None:
    """The nodes look again every few seconds; one query tells it of everybody."""
    clerk = await run(staff, "clerk", "view_video")
    open_streams = [await run(identity_of, who) for who in (clerk, stage.viewers[0])]
    assert await run(ended, open_streams) == set()
    await run(clerk.user_permissions.clear)
    assert await run(ended, open_streams) == {open_streams[0]}


def ended(streams: list[Identity]) -> set[Identity]:
    with CaptureQueriesContext(connection) as queries:
        found = review(streams).signed_out
    assert len(queries) == 1
    return set(found)


def test_three_ways_to_ask_agree(stage: Stage) -> None:
    """Django's own, the one inside a query of the ORM, and the one in the group commit's SQL."""
    group = Group.objects.create(name="Moderators")
    group.permissions.add(Permission.objects.get(codename="delete_comment", content_type__app_label="videos"))
    by_group = staff("by-group")
    by_group.groups.add(group)
    people = {
        "nobody": stage.viewers[0],
        "staff": staff("staff"),
        "other right": staff("other", "view_video"),
        "granted": staff("granted", "delete_comment"),
        "not staff": stage.viewers[1],
        "group": by_group,
        "superuser": Viewer.objects.create_superuser("root"),
    }
    allow(people["not staff"], "delete_comment")
    ids = {who.pk: name for name, who in people.items()}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM accounts_viewer v WHERE {permissions.held_sql(rights.MODERATE)}")
        by_sql = {ids[id] for (id,) in cursor.fetchall()}
    fresh = Viewer.objects.in_bulk(ids)
    assert by_sql == {ids[id] for id, who in fresh.items() if who.has_perm(rights.MODERATE)}
    assert by_sql == {ids[who.pk] for who in Viewer.objects.filter(permissions.holds(rights.MODERATE))}
    assert (
        by_sql
        == {ids[who.pk] for who in permissions.holders(rights.MODERATE)}
        == {"granted", "not staff", "group", "superuser"}
    )


async def test_moderators_are_marked_in_what_they_write(stage: Stage) -> None:
    """The answer, the event and the snapshot say the same of them."""
    mo, clerk = await run(staff, "mo", "delete_comment"), await run(staff, "clerk")
    told = [(await likes.comment(stage.video.id, who, "hello"))["author"]["role"] for who in (mo, clerk)]
    assert told == ["moderator", None]
    written = with_authors(Comment.objects.select_related("video").order_by("seq"))
    assert [comment_json(comment)["author"]["role"] for comment in await run(list, written)] == told


async def test_a_video_whose_topic_is_deleted_is_not_found(stage: Stage) -> None:
    """Somebody had deleted the row by SQL: three calls ended in an error of ours."""
    assert (await page_state(stage.video.id, None))["topic"] == stage.video.topic
    await run(Topic.objects.filter(name=stage.video.topic).delete)
    for ask in (page_state, viewers_json):
        with pytest.raises(NotFound):
            await ask(stage.video.id, None)
    with pytest.raises(NotFound):
        await run(one_full_json, stage.video)
