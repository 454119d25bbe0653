"""The player in a real browser: keyboard, going back in a live picture, the replay, what is remembered."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from playwright.async_api import Error, Route, expect

from tests.e2e.conftest import Broadcaster, OpenWindow, Window
from tests.e2e.test_watch import plays, watch
from tests.sites import Site

Picture = Callable[..., str]
Encode = Callable[[], subprocess.Popen[bytes]]
LATE_FRAMES = """
  const call = requestAnimationFrame;
  window.requestAnimationFrame = (draw) => call((at) => draw(at - 200));
  null"""
"""A busy machine: each frame is as old as one that was begun before the key was pressed."""
TIME = "document.querySelector('#picture').currentTime"


@pytest.fixture
def live(broadcaster: Broadcaster, picture: Picture) -> str:
    """A video that has been live for 45 seconds."""
    video_id = broadcaster.new_video(title="Live for a while")
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": picture(video_id, seconds_before=45)})
    return video_id


async def test_the_keyboard_plays_goes_back_and_leaves_those_who_type_alone(
    site: Site, live: str, open_window: OpenWindow
) -> None:
    window = await open_window(watch(site, live))
    await window.join("Keys")
    await plays(window)
    keys = window.page.keyboard

    await window.page.locator("#body").focus()
    await keys.type("jkl mf?")
    await expect(window.page.locator("#body")).to_have_value("jkl mf?")
    assert await window.page.evaluate("!document.querySelector('#picture').paused")
    await window.page.evaluate("document.activeElement.blur()")

    await keys.press("k")
    await window.until("document.querySelector('#picture').paused")
    await keys.press("Space")
    await plays(window)
    await window.page.evaluate(LATE_FRAMES)
    await keys.press("m")
    await window.until("!document.querySelector('#picture').muted")
    await keys.press("m")
    await window.until("document.querySelector('#picture').muted")

    before = await window.page.evaluate(TIME)
    await keys.press("j")
    await keys.press("j")
    await window.until(f"{TIME} < {before} - 15")
    await expect(window.page.locator("#behind")).to_have_text(re.compile(r"^−0:[12]\d$"))
    await window.page.locator("#to-live").click()
    await expect(window.page.locator("#behind")).to_have_text("")
    await plays(window)

    await keys.press("?")
    await expect(window.page.locator("#keys-dialog")).to_be_visible()
    assert await window.serious_axe_findings() == []
    await keys.press("Escape")
    await expect(window.page.locator("#keys-dialog")).to_be_hidden()
    assert window.problems == []


async def test_full_screen_keeps_the_comments_beside_the_picture(
    site: Site, live: str, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """The picture alone filled the screen: who wanted to comment had to leave it."""
    window = await open_window(watch(site, live))
    await plays(window)
    await window.page.keyboard.press("f")
    await window.until("document.fullscreenElement?.id === 'main'")
    broadcaster.comment(live, "Seen in full screen")
    await window.sees_comment("Seen in full screen")
    await expect(window.page.locator("#comments")).to_be_visible()
    await window.page.locator("#comments-toggle").click()
    await expect(window.page.locator("#comments")).to_be_hidden()
    await window.page.keyboard.press("f")
    await window.until("document.fullscreenElement === null")
    await expect(window.page.locator("#comments")).to_be_visible()


async def test_the_bar_takes_one_back_in_a_live_picture(site: Site, live: str, open_window: OpenWindow) -> None:
    window = await open_window(watch(site, live))
    await plays(window)
    bar = window.page.locator("#seek")
    await expect(bar).to_be_visible()
    await expect(bar).to_have_attribute("aria-valuetext", "Live")
    box = await bar.bounding_box()
    assert box
    before = await window.page.evaluate(TIME)
    await window.page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] / 2)
    await window.until(f"{TIME} < {before} - 20")
    await expect(bar).to_have_attribute("aria-valuetext", re.compile(r"^\d\d seconds behind live$"))
    await plays(window)
    assert window.problems == []


async def test_volume_sound_and_data_saver_are_remembered(site: Site, live: str, open_window: OpenWindow) -> None:
    window = await open_window(watch(site, live))
    await plays(window)
    # At the edge of a small picture, not in its middle.
    await window.page.set_viewport_size({"width": 390, "height": 844})
    button, picture = [await window.page.locator(place).bounding_box() for place in ("#sound-on", "#picture")]
    assert button and picture
    assert button["x"] == picture["x"] + 8
    await window.page.set_viewport_size({"width": 1280, "height": 800})
    await window.page.locator("#sound-on").click()
    await expect(window.page.locator("#sound-on")).to_be_hidden()
    await window.until("document.querySelector('#picture').volume === 1")
    await window.page.keyboard.press("ArrowDown")
    await window.page.locator("#settings").click()
    await window.page.locator("#saver-switch").click()
    await window.page.locator("#delay-switch").click()
    await expect(window.page.locator("#delay-text")).to_have_text(re.compile(r"^\d+\.\d s behind the camera$"))
    assert await window.serious_axe_findings() == []

    await window.page.reload()

    await plays(window)
    await window.until("Math.abs(document.querySelector('#picture').volume - 0.95) < 0.001")
    await expect(window.page.locator("#delay-text")).to_be_visible()
    await expect(window.page.locator("#saver-switch")).to_have_attribute("aria-checked", "true")


async def test_an_ended_broadcast_offers_its_replay(
    site: Site, broadcaster: Broadcaster, picture: Picture, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="To be seen again")
    picture(video_id, seconds_before=20)
    keep_replay(site.folder / "media" / video_id)
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": f"/media/{video_id}/replay.m3u8"})
    broadcaster.call("POST", f"/videos/{video_id}/end")
    window = await open_window(watch(site, video_id))
    await expect(window.page.locator("#curtain-ended")).to_be_visible()

    await window.page.get_by_role("button", name="Watch the replay").click()

    await plays(window)
    await expect(window.page.locator("#curtain-ended")).to_be_hidden()
    await expect(window.page.locator("#to-live")).to_be_hidden()
    await expect(window.page.locator("#position")).to_have_text(re.compile(r"^0:\d\d / 0:[12]\d$"))
    await window.page.keyboard.press("l")
    await window.until(f"{TIME} > 9")
    assert window.problems == []


def keep_replay(folder: Path) -> None:
    """Keep what the playlist lists now as a recording, whatever the encoder deletes afterwards."""
    text = (folder / "live.m3u8").read_text()
    for name in re.findall(r"^.+\.ts$", text, re.MULTILINE):
        shutil.copy(folder / name, folder / f"replay-{name}")
    kept = re.sub(r"^(?=.+\.ts$)", "replay-", text, flags=re.MULTILINE)
    (folder / "replay.m3u8").write_text(kept + "#EXT-X-ENDLIST\n")


async def test_theatre_gives_the_picture_the_whole_width(site: Site, live: str, open_window: OpenWindow) -> None:
    window = await open_window(watch(site, live))
    await plays(window)
    await window.page.keyboard.press("t")
    await expect(window.page.locator("#comments")).to_be_hidden()
    assert await width_of(window) == 1280
    await window.page.reload()
    await window.until("document.querySelector('#player').clientWidth === 1280")
    await window.page.keyboard.press("t")
    await expect(window.page.locator("#comments")).to_be_visible()


async def width_of(window: Window) -> int:
    width: int = await window.page.evaluate("document.querySelector('#player').clientWidth")
    return width


async def shows_the_first_part_of_a_slow_line(window: Window, playlist: str) -> None:
    """Open the page anew, and let all wait that comes after the first part of a segment, until that is shown.

    What is live was in the midst of the segment, and parts come one after the other, a round trip each: it took 5.4 s
    with 150 ms there and back.
    """
    listed = ""
    while listed.rpartition("#EXTINF")[2].count("#EXT-X-PART:") not in (6, 7, 8):
        listed = await (await window.page.request.get(playlist)).text()
    parts, is_shown = count(), asyncio.Event()

    async def list_once(route: Route) -> None:
        if "_HLS_msn" in route.request.url:
            await route.continue_()
        else:
            await route.fulfill(body=listed, content_type="application/vnd.apple.mpegurl")

    async def hold(route: Route) -> None:
        if next(parts):
            await is_shown.wait()
        with contextlib.suppress(Error):  # the player may have given up on it
            await route.continue_()

    url = window.page.url
    await window.page.goto("about:blank")  # else the page that is there asks for a part, too
    await window.page.route(re.compile(r"/live\.m3u8"), list_once)
    await window.page.route(re.compile(r"/media/.*_\d+\.m4s"), hold)
    try:
        await window.page.goto(url)
        await window.until("document.querySelector('#picture').readyState >= 2")
    finally:
        is_shown.set()
    await window.page.unroute_all(behavior="ignoreErrors")
    await plays(window)


@pytest.fixture
def encode(site: Site, ingest: None, broadcaster: Broadcaster) -> Iterator[Encode]:
    """Send a picture with the broadcaster's key, as OBS would."""
    from imageio_ffmpeg import get_ffmpeg_exe

    key = broadcaster.call("GET", "/me/stream-key")["key"]
    command = [
        get_ffmpeg_exe(), "-nostdin", "-loglevel", "error",
        "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25",
        "-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
        "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-threads", "1",
        "-g", "50", "-c:a", "aac", "-f", "flv", f"rtmp://127.0.0.1:{site.env['LIVE_RTMP_PORT']}/live/{key}",
    ]  # fmt: skip
    with ExitStack() as stack:

        def start() -> subprocess.Popen[bytes]:
            encoder = subprocess.Popen(command)
            stack.callback(encoder.wait)
            stack.callback(encoder.kill)
            return encoder

        yield start


async def test_viewers_see_at_once_what_becomes_of_the_picture(
    site: Site, broadcaster: Broadcaster, encode: Encode, open_window: OpenWindow
) -> None:
    """When an encoder died, its last two seconds played as LIVE for ever, and after the end nothing was left."""
    video_id = broadcaster.new_video(title="From an encoder")
    window = await open_window(watch(site, video_id))
    await window.is_live()
    await expect(window.page.locator("#curtain-none")).to_be_visible()

    encoder = encode()
    await plays(window)
    encoder.kill()
    await expect(window.page.locator("#curtain-stalled")).to_contain_text(re.compile(r"has stopped · 0:0\d"))
    await window.until("document.querySelector('#picture').readyState <= 2")
    shown = await window.page.evaluate(TIME)

    encode()
    await expect(window.page.locator("#curtain-stalled")).to_be_hidden()
    await plays(window)
    assert await window.page.evaluate(TIME) > shown, "nothing is shown again"

    await shows_the_first_part_of_a_slow_line(window, f"{site.urls[0]}/media/{video_id}/live.m3u8")

    broadcaster.call("POST", f"/videos/{video_id}/end")
    await window.page.get_by_role("button", name="Watch the replay").click()
    await plays(window)
    assert await window.page.evaluate(TIME) < shown + 5
    # The picture is said to be there a moment before its playlist is.
    assert [problem for problem in window.problems if "live.m3u8" not in problem] == []


async def test_comments_and_polls_wait_for_the_picture_where_the_viewer_wants_it(
    site: Site, broadcaster: Broadcaster, picture: Picture, open_window: OpenWindow
) -> None:
    """The comments gave a goal away that the picture had yet to show. So did a poll, "Who scored?"."""
    video_id = broadcaster.new_video(title="A match")
    broadcaster.call("PUT", f"/videos/{video_id}/announcement", {"text": "Kick-off"})
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": picture(video_id)})
    window, other = [await open_window(watch(site, video_id)) for _ in range(2)]
    await plays(window)
    await window.page.mouse.move(300, 300)  # else what one presses has faded
    await window.page.locator("#settings").click()
    await window.page.locator("#step-switch").click()
    await window.page.keyboard.press("Escape")
    await window.page.keyboard.press("k")
    await window.until("document.querySelector('#picture').paused")
    for each in (window, other):
        await expect(each.page.locator(".notice-text", has_text="Kick-off")).to_be_visible()

    broadcaster.comment(video_id, "What a goal")
    broadcaster.call("POST", f"/videos/{video_id}/polls", {"question": "Who scored?", "options": ["Ada", "Bo"]})
    await other.sees_comment("What a goal")
    await expect(other.page.locator(".poll-question", has_text="Who scored?")).to_be_visible()
    await expect(window.page.locator("#list")).not_to_contain_text("What a goal")
    await expect(window.page.locator(".poll-question", has_text="Who scored?")).to_be_hidden()
    await window.page.keyboard.press("k")
    await window.sees_comment("What a goal")
    await expect(window.page.locator(".poll-question", has_text="Who scored?")).to_be_visible()
    assert window.problems == []
