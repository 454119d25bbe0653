"""What stands where the picture is, for every state of a video (static/js/watch/scene.js), on an empty page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.async_api import Page

LIVE, REPLAY = "/media/1/live.m3u8", "/media/1/replay.m3u8"
SCENE = """async ([state, isReplaying]) => {
    const { sceneOf } = await import("/js/watch/scene.js");
    return sceneOf(state, isReplaying);
}"""


@pytest.mark.parametrize(
    ("status", "playlist", "picture", "curtain", "url"),
    [
        ("upcoming", "", "waiting", "upcoming", ""),
        ("upcoming", LIVE, "live", "upcoming", ""),
        ("live", "", "", "none", ""),
        ("live", LIVE, "", "", LIVE),
        ("live", LIVE, "waiting", "waiting", ""),
        ("live", LIVE, "live", "", LIVE),
        ("live", LIVE, "stalled", "stalled", LIVE),
        ("live", LIVE, "gone", "gone", ""),
        ("ended", LIVE, "", "ended", ""),
        ("ended", REPLAY, "", "ended", ""),
    ],
)
async def test_each_state_of_a_picture_has_its_curtain(
    page: Page, status: str, playlist: str, picture: str, curtain: str, url: str
) -> None:
    video = {"status": status, "playlist": playlist, "picture": {"state": picture, "since_ms": None}}
    scene = await page.evaluate(SCENE, [{"video": video, "over": False}, False])
    assert (scene["curtain"], scene["url"]) == (curtain, url)
    assert scene["isHeld"] is (picture == "stalled" and status == "live"), "only a picture that stopped is held"


async def test_a_video_of_an_older_server_plays_as_before(page: Page) -> None:
    """A page that was open before an update gets events without the state of the picture."""
    scene = await page.evaluate(SCENE, [{"video": {"status": "live", "playlist": LIVE}, "over": False}, False])
    assert scene == {"curtain": "", "url": LIVE, "isLive": True, "isHeld": False}


@pytest.mark.parametrize(("over", "curtain", "url"), [(False, "", REPLAY), (True, "over", "")])
async def test_a_replay_plays_when_it_is_asked_for_and_not_once_it_is_deleted(
    page: Page, over: bool, curtain: str, url: str
) -> None:
    video: dict[str, Any] = {"status": "ended", "playlist": REPLAY, "picture": {"state": "", "since_ms": None}}
    scene = await page.evaluate(SCENE, [{"video": video, "over": over}, True])
    assert (scene["curtain"], scene["url"], scene["isLive"]) == (curtain, url, over)
    scene = await page.evaluate(SCENE, [{"video": {**video, "playlist": ""}, "over": over}, True])
    assert (scene["curtain"], scene["url"]) == ("over" if over else "ended", "")
