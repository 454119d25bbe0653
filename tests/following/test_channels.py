"""Channels on the real database: who follows them, what is said of them, what is found."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import Count

from accounts.merging import merge
from accounts.models import Viewer
from accounts.removal import delete_viewer
from following import acts
from following.models import Channel, Follow
from following.reading import read_channel, read_channel_for, read_follow, read_followed
from following.search import search
from following.text import clean_handle
from tests.console import Console
from tests.videos.acts import Stage
from videos import broadcasts
from web.refusals import Conflict, Forbidden, Invalid, NotFound
from web.searching import search_words


def followers(stage: Stage) -> int:
    return read_channel(stage.owner.id).followers


# To follow


def test_a_viewer_follows_once_and_stops_once(stage: Stage) -> None:
    vera = stage.viewers[0]
    for alerts in (False, True, True):
        acts.follow(stage.owner.id, vera, alerts=alerts)
    assert (followers(stage), read_follow(stage.owner.id, vera)) == (1, {"alerts": True})
    acts.unfollow(stage.owner.id, vera)
    acts.unfollow(stage.owner.id, vera)
    assert (followers(stage), read_follow(stage.owner.id, vera)) == (0, None)


def test_nobody_follows_themselves_or_somebody_without_a_channel(stage: Stage) -> None:
    with pytest.raises(Conflict, match="your own channel"):
        acts.follow(stage.owner.id, stage.owner, alerts=False)
    with pytest.raises(NotFound):
        acts.follow(stage.viewers[1].id, stage.viewers[0], alerts=False)
    assert not Channel.objects.filter(owner=stage.viewers[1]).exists()


def test_the_number_of_followers_is_right_whatever_comes_at_once(stage: Stage) -> None:
    chance = random.Random(14)

    def one(viewer: Viewer) -> None:
        try:
            for _ in range(6):
                if chance.random() < 0.5:
                    acts.follow(stage.owner.id, viewer, alerts=False)
                else:
                    acts.unfollow(stage.owner.id, viewer)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(one, stage.viewers))
    assert followers(stage) == Follow.objects.filter(channel=stage.owner.id).count()


def test_who_is_live_comes_first_among_those_that_one_follows(stage: Stage) -> None:
    other = Viewer.objects.create_user("other", name="Other", is_broadcaster=True)
    vera = stage.viewers[0]
    acts.follow(stage.owner.id, vera, alerts=False)
    acts.follow(other.id, vera, alerts=False)
    assert [each["name"] for each in read_followed(vera.id)] == ["Other", "Broadcaster"]
    broadcasts.start_video(stage.video.id, stage.owner)
    assert [each["name"] for each in read_followed(vera.id)] == ["Broadcaster", "Other"]
    assert read_followed(vera.id)[0]["live"] == {"id": str(stage.video.id), "title": "A video"}
    broadcasts.update_video(stage.video.id, stage.owner, visibility="unlisted")
    assert [each["live"] for each in read_followed(vera.id)] == [None, None]


# People who change or go


def counts_are_right() -> bool:
    counted = Channel.objects.annotate(count=Count("follows")).values_list("followers", "count")
    return all(kept == count for kept, count in counted)


def test_of_a_guest_who_becomes_an_account_every_channel_has_one_follow(stage: Stage) -> None:
    other = Viewer.objects.create_user("other", name="Other", is_broadcaster=True)
    vera, guest = Viewer.objects.create_user("vera"), stage.viewers[0]
    acts.follow(stage.owner.id, vera, alerts=True)
    acts.follow(stage.owner.id, guest, alerts=False)
    acts.follow(other.id, guest, alerts=True)
    merge(guest, vera)
    assert [read_follow(id, vera) for id in (stage.owner.id, other.id)] == [{"alerts": True}, {"alerts": True}]
    assert not Follow.objects.filter(viewer=guest).exists()
    assert counts_are_right()


def test_a_guest_who_broadcasts_takes_their_followers_along(stage: Stage) -> None:
    nadia, fan = Viewer.objects.create_user("nadia"), stage.viewers[0]
    acts.describe(stage.owner.id, stage.owner, handle="nadia", about="Mornings")
    acts.follow(stage.owner.id, fan, alerts=False)
    acts.follow(stage.owner.id, nadia, alerts=False)
    merge(stage.owner, nadia)
    channel = read_channel(nadia.id)
    assert (channel.handle, channel.about, channel.followers) == ("nadia", "Mornings", 1)
    assert counts_are_right()


def test_a_deleted_account_follows_nobody_and_nobody_follows_it(stage: Stage, root: Console) -> None:
    vera = Viewer.objects.create_user("vera", is_broadcaster=True)
    acts.follow(stage.owner.id, vera, alerts=False)
    acts.follow(vera.id, stage.viewers[0], alerts=False)
    delete_viewer(vera.id, root.who)
    assert (followers(stage), Follow.objects.count()) == (0, 0)


# What is said of a channel


def test_a_broadcaster_describes_their_channel_and_only_theirs(stage: Stage, root: Console) -> None:
    acts.describe(stage.owner.id, stage.owner, handle=" @Nadia-1 ", about="Hello\u202e\n\n\n\nthere")
    channel = acts.describe(stage.owner.id, root.who, about="Mended")
    assert (channel.handle, channel.about, channel.path) == ("nadia-1", "Mended", "/channels/nadia-1/")
    with pytest.raises(Forbidden):
        acts.describe(stage.owner.id, stage.viewers[0], about="Mine")
    other = Viewer.objects.create_user("other", is_broadcaster=True)
    with pytest.raises(Conflict, match="Another channel"):
        acts.describe(other.id, other, handle="nadia-1")
    assert acts.describe(stage.owner.id, stage.owner, handle="").path == f"/channels/{stage.owner.id}/"


@pytest.mark.parametrize("text", ["ab", "a" * 31, "-ab", "ab-", "a b", "nädia", "a_b_c", "nadia\n1", "Admin", "st-aff"])
def test_bad_handles_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        clean_handle(text)


def test_staff_describe_a_channel_in_the_admin_and_change_no_number(stage: Stage, root: Console) -> None:
    acts.follow(stage.owner.id, stage.viewers[0], alerts=False)
    root.post("following_channel_change", stage.owner.id, handle="Nadia", about="From the admin")
    channel = read_channel(stage.owner.id)
    assert (channel.handle, channel.about, channel.followers) == ("nadia", "From the admin", 1)


# Search


def found(text: str) -> tuple[list[str], list[str]]:
    result = search(text)
    return [channel.name for channel in result.channels], [video.title for video in result.videos]


def test_words_are_found_by_their_beginning_without_case_and_accents(stage: Stage) -> None:
    for title in ("Évening at the Lake", "ПРИВЕТ, Москва", "مساء الشعر", "e.g. example.org/live_talk"):
        broadcasts.create_video(stage.owner, title=title)
    for text, title in (
        ("evening LAK", "Évening at the Lake"),
        ("привет моск", "ПРИВЕТ, Москва"),
        ("الشعر", "مساء الشعر"),
        ("org talk", "e.g. example.org/live_talk"),
    ):
        assert found(text) == ([], [title]), text
    assert found("evening sea") == ([], [])


def test_only_what_is_public_is_found_and_live_comes_first(stage: Stage) -> None:
    for visibility in ("private", "unlisted", "public"):
        broadcasts.create_video(stage.owner, title=f"Lake {visibility}", visibility=visibility)
    live = broadcasts.create_video(stage.owner, title="Old walk", description="around the lake")
    broadcasts.start_video(live.id, stage.owner)
    assert found("lake") == ([], ["Old walk", "Lake public"])


def test_channels_are_found_by_name_handle_and_what_they_say(stage: Stage) -> None:
    Viewer.objects.create_user("quiet", name="Brodie Quiet")  # no broadcaster
    acts.describe(stage.owner.id, stage.owner, handle="birds-1", about="Mornings at the lake")
    for text in ("broad", "birds", "morn lake"):
        assert found(text)[0] == ["Broadcaster"], text
    assert found("brodie") == ([], [])


@pytest.mark.parametrize("text", ["", "  ", "!!!", "'", "a'b", "a & | ! b", ":*", "\\", "ﷺ", "a\u0301" * 60, "%"])
def test_whatever_is_looked_for_gets_an_answer(stage: Stage, text: str) -> None:
    assert found(text)[0] == []


def test_so_many_words_count() -> None:
    assert search_words("a " * 50) == ["a"] * 8


def test_the_search_reads_its_indexes(stage: Stage) -> None:
    """The expression of an index and of a query must be the same text."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("SET enable_indexscan = off")
        plans = []
        connection.force_debug_cursor = True
        try:
            before = len(connection.queries)
            search("lake")
            statements = [query["sql"] for query in connection.queries[before:]]
        finally:
            connection.force_debug_cursor = False
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")
            plans += [line for (line,) in cursor.fetchall()]
        cursor.execute("RESET enable_seqscan; RESET enable_indexscan")
    for index in ("video_words", "viewer_words", "channel_words"):
        assert any(index in line for line in plans), (index, plans)


def test_a_channel_that_is_none_is_not_found(stage: Stage) -> None:
    for id in (stage.viewers[0].id, UUID(int=1)):
        with pytest.raises(NotFound):
            read_channel(id)


def test_who_may_broadcast_sees_their_own_channel_before_it_has_anything(stage: Stage) -> None:
    """The studio of a fresh administrator asked for it, and got 404. Others find nothing there."""
    mine = Viewer.objects.create_superuser("root")
    assert read_channel_for(mine, str(mine.id)).as_json() == {
        **{"id": str(mine.id), "name": mine.name, "handle": None, "about": "", "followers": 0},
        "path": f"/channels/{mine.id}/",
    }
    for who in (None, stage.viewers[0], stage.owner):
        with pytest.raises(NotFound):
            read_channel_for(who, str(mine.id))
    with pytest.raises(NotFound):
        read_channel_for(stage.viewers[0], str(stage.viewers[0].id))
