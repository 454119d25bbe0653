"""Stream keys: nothing secret is stored, another version makes the one of before worthless."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone

from accounts.models import Viewer
from tests.videos.acts import Stage
from videos import broadcasts, incoming, removal
from videos.api.pictures import servers
from videos.incoming import COMES_BACK, REPLAY_PLAYLIST, KeyStanding
from videos.keys import (
    WrongKey,
    broadcaster_of,
    key_behind,
    key_named,
    key_of,
    name_for_once,
    named_by,
    replace_key,
    stream_id_of,
)
from videos.models import StreamKey, Video
from web.refusals import Conflict, Forbidden


def test_a_key_is_its_broadcasters(stage: Stage) -> None:
    key = key_of(stage.owner)
    assert key_of(stage.owner) == key
    assert broadcaster_of(key) == stage.owner
    assert not StreamKey.objects.exists()


def test_another_key_makes_the_one_of_before_worthless(stage: Stage) -> None:
    old, new = key_of(stage.owner), replace_key(stage.owner)
    assert broadcaster_of(new) == stage.owner
    with pytest.raises(WrongKey, match="was replaced"):
        broadcaster_of(old)
    assert replace_key(stage.owner) not in (old, new)


def test_a_name_stands_for_the_key_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the demo stood in a command line, for all users of the machine."""
    name, other = name_for_once(stage.owner), name_for_once(stage.owner)
    key = key_of(stage.owner)
    assert key not in name
    assert [key_behind(name), key_behind(other), key_behind(name)] == [key, key, name]
    with pytest.raises(WrongKey):
        broadcaster_of(name)
    assert [key_behind(each) for each in (key, "once-", f"{other}x", "once-ü")] == [key, "once-", f"{other}x", "once-ü"]
    late = name_for_once(stage.owner)
    monkeypatch.setattr("videos.keys.ONCE_SECONDS", -1)
    assert key_behind(late) == late
    with pytest.raises(Forbidden):
        name_for_once(stage.viewers[0])


@pytest.mark.parametrize("change", [str.upper, lambda key: key[:-1], lambda key: key + "0", lambda key: key[:-1] + "x"])
def test_a_key_that_is_nearly_right_is_wrong(stage: Stage, change: object) -> None:
    with pytest.raises(WrongKey):
        broadcaster_of(change(key_of(stage.owner)))  # type: ignore[operator]


@pytest.mark.parametrize("text", ["", "key", "0" * 32, "0" * 32 + "-" + "0" * 32, "ü" * 65, "\0" * 65, "../" * 30])
def test_what_is_no_key_is_refused_in_words(stage: Stage, text: str) -> None:
    with pytest.raises(WrongKey, match="stream key"):
        broadcaster_of(text)


def test_keys_are_for_broadcasters(stage: Stage) -> None:
    key = key_of(stage.owner)
    with pytest.raises(Forbidden):
        key_of(stage.viewers[0])
    with pytest.raises(Forbidden):
        replace_key(stage.viewers[0])
    stage.owner.is_broadcaster = False
    stage.owner.save()
    with pytest.raises(WrongKey, match="Only broadcasters"):
        broadcaster_of(key)
    stage.owner.is_broadcaster, stage.owner.is_active = True, False
    stage.owner.save()
    with pytest.raises(WrongKey):
        broadcaster_of(key)


@pytest.mark.parametrize(
    ("host", "port", "server", "srt"),
    [
        ("localhost:8000", 1935, "rtmp://localhost/live", "srt://localhost:9000"),
        ("live.example.org", 2000, "rtmp://live.example.org:2000/live", "srt://live.example.org:9000"),
        ("[::1]:8000", 1935, "rtmp://[::1]/live", "srt://[::1]:9000"),
        ("[::1]", 1935, "rtmp://[::1]/live", "srt://[::1]:9000"),
    ],
)
def test_the_server_has_the_name_by_which_the_asker_knows_the_site(
    settings: Any, host: str, port: int, server: str, srt: str
) -> None:
    key = f"{'0' * 32}-{'1' * 32}"
    secrets = f"?streamid={'0' * 32}&passphrase={key}"
    settings.LIVE_RTMP_PORT, settings.LIVE_RTMP_URL, settings.ALLOWED_HOSTS = port, "", ["*"]
    settings.LIVE_SRT_PORT, settings.LIVE_SRT_URL = 9000, ""
    asked = RequestFactory().get("/", headers={"Host": host})
    assert servers(asked, key) == {"rtmp": server, "srt": srt + secrets}
    settings.LIVE_RTMP_URL, settings.LIVE_SRT_PORT = "rtmp://in.example.org/live", 0
    assert servers(asked, key) == {"rtmp": "rtmp://in.example.org/live"}
    settings.LIVE_RTMP_PORT, settings.LIVE_SRT_URL = 0, "srt://in.example.org:9000"
    assert servers(asked, key)["srt"] == f"srt://in.example.org:9000{secrets}"


def test_a_stream_id_names_its_broadcaster_and_opens_nothing(stage: Stage) -> None:
    key = key_of(stage.owner)
    assert key_named(stream_id_of(key)) == key
    assert named_by(key) == named_by(stream_id_of(key)) == stage.owner
    with pytest.raises(WrongKey):
        broadcaster_of(stream_id_of(key))
    for wrong in ("", "live", key, "0" * 32, stage.viewers[0].id.hex):
        with pytest.raises(WrongKey):
            key_named(wrong)


def test_a_picture_goes_to_the_video_that_is_live_or_next(stage: Stage) -> None:
    key = key_of(stage.owner)
    first = incoming.find(key)
    assert first.video_id == stage.video.id
    announced = stage.newest()[1]["video"]
    assert announced["playlist"] == f"/media/{stage.video.id}/live.m3u8"
    assert announced["picture"]["state"] == "waiting", "else players ask in vain for what is not there yet"
    assert incoming.find(key) == first
    broadcasts.set_picture(first.video_id, stage.owner, "live")
    incoming.finish(first, has_recording=True)
    assert stage.newest()[1]["video"]["playlist"] == f"/media/{stage.video.id}/{REPLAY_PLAYLIST}"
    Video.objects.update(ended_at=timezone.now() - COMES_BACK)
    second = incoming.find(key)
    video = Video.objects.get(id=second.video_id)
    assert second.video_id != first.video_id
    assert re.fullmatch(r"Broadcaster live, \d{1,2} [A-Z][a-z]{2} \d{4}", video.title)


@pytest.mark.parametrize("comes_back", [False, True])
def test_an_encoder_that_comes_back_after_the_end_opens_no_other_video(stage: Stage, comes_back: bool) -> None:
    """A restarted ingest had forgotten the end: the encoder that came back by itself went live in another video."""
    key = key_of(stage.owner)
    planned = broadcasts.create_video(stage.owner, title="Tomorrow")
    broadcasts.start_video(stage.video.id, stage.owner)
    assert incoming.find(key, comes_back=comes_back).video_id == stage.video.id
    broadcasts.end_video(stage.video.id, stage.owner)
    with pytest.raises(Conflict, match="Stop the encoder"):
        incoming.find(key, comes_back=comes_back)
    broadcasts.start_video(planned.id, stage.owner)
    assert incoming.find(key, comes_back=comes_back).video_id == planned.id
    broadcasts.end_video(planned.id, stage.owner)
    another = broadcasts.create_video(stage.owner, title="At once")
    assert incoming.find(key, comes_back=comes_back).video_id == another.id


def test_a_video_starts_with_its_picture(stage: Stage) -> None:
    incoming.find(key_of(stage.owner))
    broadcasts.set_picture(stage.video.id, stage.owner, "waiting")
    assert stage.newest()[1]["video"]["status"] == "upcoming"
    broadcasts.set_picture(stage.video.id, stage.owner, "live")
    name, data = stage.newest()
    assert (name, data["video"]["status"], data["video"]["picture"]["state"]) == ("video", "live", "live")
    before = len(stage.events)
    broadcasts.set_picture(stage.video.id, stage.owner, "live")
    assert len(stage.events) == before
    broadcasts.set_picture(stage.video.id, stage.owner, "stalled")
    assert stage.newest()[1]["video"]["picture"]["state"] == "stalled"


def test_a_video_that_waits_for_a_click_starts_by_it(stage: Stage) -> None:
    Video.objects.filter(id=stage.video.id).update(starts_itself=False)
    broadcasts.set_picture(stage.video.id, stage.owner, "live")
    assert stage.newest()[1]["video"]["status"] == "upcoming"


def test_what_takes_no_picture_any_more_is_said_in_words(stage: Stage) -> None:
    key = key_of(stage.owner)
    found = incoming.find(key)
    assert incoming.standings({found.video_id: key}) == {found.video_id: KeyStanding("upcoming", picture="waiting")}
    replace_key(stage.owner)
    assert "replaced" in incoming.standings({found.video_id: key})[found.video_id].refusal
    assert incoming.standings({found.video_id: ""}) == {found.video_id: KeyStanding("upcoming", picture="waiting")}
    broadcasts.set_picture(found.video_id, stage.owner, "live")
    incoming.finish(found, has_recording=False)
    assert incoming.standings({found.video_id: ""})[found.video_id].status == "ended"


def test_a_picture_that_was_only_tried_ends_no_video(stage: Stage) -> None:
    Video.objects.filter(id=stage.video.id).update(starts_itself=False)
    found = incoming.find(key_of(stage.owner))
    broadcasts.set_picture(found.video_id, stage.owner, "gone")
    incoming.finish(found, has_recording=False)
    video = Video.objects.get(id=stage.video.id)
    assert (video.status, video.picture, video.picture_since) == ("upcoming", "", None)


def test_a_video_that_was_given_away_ends_all_the_same(stage: Stage) -> None:
    """The ingest acted as the former owner, was refused, and the video was live for ever."""
    found = incoming.find(key_of(stage.owner))
    broadcasts.start_video(stage.video.id, stage.owner)
    Video.objects.filter(id=stage.video.id).update(owner=stage.viewers[0])
    incoming.finish(found, has_recording=False)
    assert Video.objects.get(id=stage.video.id).status == "ended"


def test_of_a_deleted_video_no_file_stays(stage: Stage, settings: Any, tmp_path: Path) -> None:
    """What the ingest wrote while the video was deleted stayed until the hourly job."""
    settings.MEDIA_ROOT = tmp_path
    found = incoming.find(key_of(stage.owner))
    removal.delete_video(stage.video.id, Viewer.objects.create_superuser("root"))
    (tmp_path / str(found.video_id)).mkdir()
    incoming.finish(found, has_recording=False)
    assert list(tmp_path.iterdir()) == []
