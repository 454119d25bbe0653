"""Announcements, goals and raids: who may, what is refused, and what of a raid the other channel sees."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from moderation.models import Restriction
from polls import announcements, goals, raids
from polls.models import Announcement, Raid
from screening.models import ChannelRules
from tests.videos.acts import Stage
from videos import alarms, broadcasts, removal
from videos.models import LikeCount, TimelineStep, Video
from web.refusals import Conflict, Forbidden, Invalid, NotFound


@pytest.fixture
def live(stage: Stage) -> Stage:
    broadcasts.start_video(stage.video.id, stage.owner)
    return stage


@pytest.fixture
def target(live: Stage) -> Video:
    """A live video of another channel."""
    other = live.viewers[0]
    other.is_broadcaster = True
    other.save()
    return broadcasts.start_video(broadcasts.create_video(other, title="Another").id, other)


def raid(stage: Stage, target_id: UUID) -> None:
    raids.raid(stage.video.id, stage.owner, target_id, viewers=7)


def test_the_newest_announcement_is_on_the_board(live: Stage) -> None:
    with pytest.raises(NotFound):
        announcements.take_away(live.video.id, live.owner)
    first = announcements.announce(live.video.id, live.owner, "A  break\nof ten minutes")
    assert first["text"] == "A break of ten minutes"
    second = announcements.announce(live.video.id, live.owner, "We go on")
    assert announcements.current_json(live.video.id) == second
    announcements.take_away(live.video.id, live.owner)
    announcements.take_away(live.video.id, live.owner)
    assert announcements.current_json(live.video.id) is None
    assert Announcement.objects.count() == 2, "they are kept"


def test_only_who_runs_the_board_puts_something_there(live: Stage, target: Video) -> None:
    id, ada = live.video.id, live.viewers[1]
    with pytest.raises(Forbidden):
        announcements.announce(id, ada, "Hello")
    with pytest.raises(Forbidden):
        goals.set_goal(id, ada, "likes", 5, "")
    with pytest.raises(Forbidden):
        raids.raid(id, ada, target.id, viewers=1)
    assert not Video.objects.filter(has_board=True).exists()
    with pytest.raises(Invalid):
        announcements.announce(id, live.owner, " ")
    broadcasts.end_video(id, live.owner)
    with pytest.raises(Conflict):
        announcements.announce(id, live.owner, "Hello")


def test_there_is_one_goal_of_a_kind(live: Stage) -> None:
    goals.set_goal(live.video.id, live.owner, "viewers", 5, "")
    goals.set_goal(live.video.id, live.owner, "likes", 100, " Then  I sing ")
    goals.set_goal(live.video.id, live.owner, "likes", 200, "")
    goals.take_goal_away(live.video.id, live.owner, "viewers")
    [left] = goals.goals_json(live.video.id)
    assert (left["kind"], left["target"], left["title"], left["reached_at_ms"]) == ("likes", 200, "", None)


def test_a_goal_keeps_the_moment_when_it_was_reached(live: Stage) -> None:
    """Likes are counted; how many watch is in the timeline, which has a row where the number changes."""
    id = live.video.id
    TimelineStep.objects.create(video=live.video, at=live.video.created_at, viewers=5, comments=0, reactions={})
    for kind in ("likes", "viewers"):
        goals.set_goal(id, live.owner, kind, 2 if kind == "likes" else 6, "")
    LikeCount.objects.filter(video=live.video, kind="love").update(count=1)
    assert goals.note_reached() == 0
    LikeCount.objects.filter(video=live.video, kind="like").update(count=1)
    live.events.clear()
    assert (goals.note_reached(), goals.note_reached()) == (1, 0)
    name, data = live.newest()
    assert (name, data["goals"]) == ("goals", goals.goals_json(id))
    assert [goal["kind"] for goal in data["goals"] if goal["reached_at_ms"]] == ["likes"]
    goals.set_goal(id, live.owner, "viewers", 5, "")
    assert goals.note_reached() == 1
    goals.set_goal(id, live.owner, "viewers", 9, "")
    assert [goal["kind"] for goal in goals.goals_json(id) if goal["reached_at_ms"]] == ["likes"]


def test_a_raid_is_on_both_boards_until_it_is_called_off(live: Stage, target: Video) -> None:
    raid(live, target.id)
    raid(live, target.id)
    here, there = raids.raid_json(live.video.id), raids.raided_json(target.id)
    assert here is not None and there is not None
    assert here["to"] == {"id": str(target.id), "title": "Another", "name": "Viewer 0"}
    assert (there["name"], there["viewers"]) == ("Broadcaster", 7)
    with pytest.raises(Conflict) as refused:
        raid(live, broadcasts.start_video(broadcasts.create_video(target.owner, title="C").id, target.owner).id)
    assert refused.value.code == "raid_on"
    raids.call_off(live.video.id, live.owner)
    raids.call_off(live.video.id, live.owner)
    assert raids.raid_json(live.video.id) is raids.raided_json(target.id) is None


def test_who_has_left_cannot_be_called_back(live: Stage, target: Video) -> None:
    raid(live, target.id)
    Raid.objects.update(leaves_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Conflict) as refused:
        raids.call_off(live.video.id, live.owner)
    assert refused.value.code == "raid_over"
    removal.delete_video(live.video.id, live.owner)
    assert raids.raided_json(target.id) is None


def test_nobody_is_taken_where_they_cannot_go(live: Stage, target: Video) -> None:
    own = broadcasts.start_video(broadcasts.create_video(live.owner, title="Own").id, live.owner)
    for wrong in (own.id, live.video.id):
        with pytest.raises(Conflict) as refused:
            raid(live, wrong)
        assert refused.value.code == "no_target"
    ChannelRules.objects.create(owner=target.owner, raids_off=True)
    with pytest.raises(Conflict) as refused:
        raid(live, target.id)
    assert refused.value.code == "raids_off"
    ChannelRules.objects.all().delete()
    broadcasts.update_video(target.id, target.owner, visibility="unlisted")
    with pytest.raises(Conflict):
        raid(live, target.id)
    broadcasts.update_video(target.id, target.owner, visibility="private")
    with pytest.raises(NotFound):
        raid(live, target.id)
    broadcasts.update_video(target.id, target.owner, visibility="public")
    Restriction.objects.create(channel=target.owner, viewer=live.owner, kind=Restriction.Kind.BAN)
    with pytest.raises(Forbidden):
        raid(live, target.id)
    assert not Raid.objects.exists()


def test_viewers_of_a_raid_are_an_expected_crowd(live: Stage, target: Video) -> None:
    assert raids.has_just_come in alarms.expected
    assert not raids.has_just_come(target.id)
    raid(live, target.id)
    assert raids.has_just_come(target.id)
    Raid.objects.update(leaves_at=timezone.now() - alarms.EXPECTED)
    assert not raids.has_just_come(target.id)
