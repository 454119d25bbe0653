"""A broadcast that goes on after its end: for whom, how long, and what becomes of its picture and figures."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from tests.videos.acts import Stage
from videos import broadcasts, incoming
from videos.incoming import Incoming
from videos.keys import key_of
from videos.models import TimelineStep, Video
from videos.restarts import RESTART, restart_video
from web.refusals import Conflict, Forbidden


@pytest.fixture
def sent(stage: Stage) -> Incoming:
    """A broadcast whose picture comes from an encoder."""
    found = incoming.find(key_of(stage.owner))
    broadcasts.set_picture(found.video_id, stage.owner, "live")
    return found


def now(video_id: UUID) -> tuple[str, str, str]:
    """Return its status, its picture, and the name of its playlist."""
    video = Video.objects.get(id=video_id)
    return video.status, video.picture, video.playlist.rpartition("/")[2]


def test_a_broadcast_that_ended_by_mistake_goes_on(stage: Stage, sent: Incoming) -> None:
    """It could not: its viewers had to find another video."""
    before = Video.objects.get(id=sent.video_id).started_at
    broadcasts.end_video(sent.video_id, stage.owner)
    incoming.finish(sent, has_recording=True, stays_live=True)
    assert now(sent.video_id) == ("ended", "", "replay.m3u8")
    with pytest.raises(Forbidden):
        restart_video(sent.video_id, stage.viewers[0])
    restart_video(sent.video_id, stage.owner)
    assert now(sent.video_id) == ("live", "waiting", "live.m3u8")
    assert stage.newest()[1]["video"]["ended_at_ms"] is None
    assert Video.objects.get(id=sent.video_id).started_at == before
    assert incoming.find(key_of(stage.owner), comes_back=True).video_id == sent.video_id
    events = len(stage.events)
    restart_video(sent.video_id, stage.owner)
    assert len(stage.events) == events


def test_nobody_watches_while_it_is_over(stage: Stage, sent: Incoming) -> None:
    """Else the viewers of its last moment would count for all of the pause."""
    ended = broadcasts.end_video(sent.video_id, stage.owner)
    restart_video(sent.video_id, stage.owner)
    assert ended.ended_at is not None
    [step] = TimelineStep.objects.all()
    assert (step.viewers, step.at > ended.ended_at) == (0, True)


def test_a_picture_that_is_being_finished_waits_for_the_encoder(stage: Stage, sent: Incoming) -> None:
    """The ingest ended a broadcast for good that had been taken up again meanwhile."""
    broadcasts.end_video(sent.video_id, stage.owner)
    restart_video(sent.video_id, stage.owner)
    assert now(sent.video_id) == ("live", "", "live.m3u8")
    incoming.finish(sent, has_recording=True, stays_live=True)
    assert now(sent.video_id) == ("live", "waiting", "live.m3u8")
    incoming.finish(sent, has_recording=True)
    assert now(sent.video_id) == ("ended", "", "replay.m3u8")


def test_a_live_video_waits_on_when_an_encoder_left_without_a_picture(stage: Stage, sent: Incoming) -> None:
    """It ended, though its broadcaster had started it by a click and was still setting the encoder up."""
    incoming.finish(sent, has_recording=False, stays_live=True)
    assert now(sent.video_id) == ("live", "waiting", "live.m3u8")


def test_what_cannot_go_on_is_said_in_words(stage: Stage) -> None:
    with pytest.raises(Conflict, match="not begun"):
        restart_video(stage.video.id, stage.owner)
    broadcasts.start_video(stage.video.id, stage.owner)
    broadcasts.end_video(stage.video.id, stage.owner)
    other = broadcasts.create_video(stage.owner, title="Another")
    broadcasts.start_video(other.id, stage.owner)
    with pytest.raises(Conflict, match="Another broadcast"):
        restart_video(stage.video.id, stage.owner)
    broadcasts.end_video(other.id, stage.owner)
    Video.objects.filter(id=stage.video.id).update(ended_at=timezone.now() - RESTART - timedelta(seconds=1))
    with pytest.raises(Conflict, match="within an hour"):
        restart_video(stage.video.id, stage.owner)
