"""Going live from the studio's page with Chromium's own false camera and microphone, to a viewer in another window."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, WebSocketRoute, expect

from tests import servers
from tests.conftest import chromium_or_skip, launched
from tests.e2e.conftest import Broadcaster, OpenWindow, Window, signed_in
from tests.sites import Site, wait_for

# What the picture looks like, in one number.
LOOK = """(() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 36 });
  const drawn = canvas.getContext("2d");
  drawn.drawImage(document.querySelector("video"), 0, 0, 64, 36);
  return drawn.getImageData(0, 0, 64, 36).data.reduce((sum, value, at) => (sum + value * (at % 251)) % 1_000_003, 0);
})()"""

# What the page says from now on: some of it stands there for half a second.
NOTE_WORDS = """() => {
  window.said = [];
  const words = document.querySelector("#camera-words");
  new MutationObserver(() => said.push(words.textContent)).observe(words, { childList: true, characterData: true });
}"""


async def moves(window: Window) -> None:
    """Return when the picture is there and changes."""
    await window.until("document.querySelector('video').videoWidth > 0")
    first = await window.page.evaluate(LOOK)
    await window.until(f"{LOOK} !== {first}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One with windows: only that one asks whether a page may use the camera."""
    async with launched(chromium_or_skip(servers.WINDOWED)) as started:
        yield started


@pytest.fixture
def video_id(broadcaster: Broadcaster) -> str:
    return broadcaster.new_video(title="From the page")


@pytest_asyncio.fixture(loop_scope="session")
async def studio(
    ingest: None, broadcaster: Broadcaster, video_id: str, open_window: OpenWindow
) -> AsyncIterator[Window]:
    """The studio, signed in, with the camera on."""
    options: dict[str, Any] = {"permissions": ["camera", "microphone"], "reduced_motion": "reduce"}
    window = await signed_in(open_window, broadcaster, "/studio/", **options)
    page = window.page
    await page.get_by_label("Quality").select_option("360")
    await page.get_by_role("button", name="Turn the camera on").click()
    await window.until("document.querySelector('#camera-preview').videoWidth > 0")
    yield window


async def test_a_broadcaster_goes_live_from_the_page(
    site: Site, broadcaster: Broadcaster, video_id: str, studio: Window, open_window: OpenWindow
) -> None:
    page = studio.page
    await studio.until("document.querySelector('#camera-level').value > 0")
    await expect(page.get_by_label("Microphone", exact=True).locator("option", has_text="Fake")).not_to_have_count(0)
    assert await studio.serious_axe_findings() == []

    await page.get_by_role("button", name="Start sending").click()
    await expect(page.locator("#camera-words")).to_have_text("You are sending.")
    await expect(page.locator("#camera-numbers")).to_have_text(re.compile(r"^\d\.\d Mbit/s · the picture is copied$"))
    viewer = await open_window(f"{site.urls[0]}/videos/{video_id}/")
    await moves(viewer)
    encoder = broadcaster.call("GET", f"/videos/{video_id}/picture")["encoder"]
    shown = await page.locator("#camera-preview").evaluate("(video) => [video.videoWidth, video.videoHeight]")
    assert ([encoder["width"], encoder["height"]], encoder["width"]) == (shown, 640)

    mute = page.get_by_role("button", name="Mute", exact=True)
    await mute.click()
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await studio.until("document.querySelector('#camera-level').value === 0")
    assert await studio.serious_axe_findings() == []

    await page.get_by_role("button", name="Stop sending").click()
    await expect(viewer.page.locator("#curtain-stalled")).to_be_visible()
    broadcaster.call("POST", f"/videos/{video_id}/end")
    # The preview may ask for a playlist that is not there yet, or no more. If the machine is too busy to take the
    # picture, the page is on its way to another line when it is stopped.
    allowed = re.compile(r"live\.m3u8|/ws/picture.* closed before the connection is established")
    assert [problem for problem in studio.problems if not allowed.search(problem)] == []


async def test_a_page_that_loses_its_line_goes_on_by_itself(
    site: Site, broadcaster: Broadcaster, video_id: str, studio: Window, open_window: OpenWindow
) -> None:
    """And one that is cut because the broadcast has ended does not."""
    lines: list[WebSocketRoute] = []

    def pass_on(line: WebSocketRoute) -> None:
        line.connect_to_server()
        lines.append(line)

    await studio.page.route_web_socket(re.compile("/ws/picture"), pass_on)
    await studio.page.get_by_role("button", name="Start sending").click()
    viewer = await open_window(f"{site.urls[0]}/videos/{video_id}/")
    await moves(viewer)

    await studio.page.evaluate(NOTE_WORDS)
    await lines[-1].close(code=1012)  # a busy machine may have made it take a second one, with a smaller picture
    await studio.until("said.includes('The connection is lost. Trying again…')")
    await expect(studio.page.locator("#camera-words")).to_have_text("You are sending.")
    playlist = site.folder / "media" / video_id / "live.m3u8"
    await asyncio.to_thread(wait_for, lambda: "#EXT-X-DISCONTINUITY\n" in playlist.read_text(), "the second line")
    await moves(viewer)

    broadcaster.call("POST", f"/videos/{video_id}/end")
    await expect(studio.page.locator("#camera-problem")).to_have_text("The broadcast has ended.")
    await expect(studio.page.get_by_role("button", name="Start sending")).to_be_visible()


async def test_a_line_that_does_not_keep_up_gets_a_smaller_picture(
    broadcaster: Broadcaster, video_id: str, studio: Window
) -> None:
    """What waited in it would be old when it came."""
    waiting: asyncio.Queue[tuple[WebSocketRoute, str | bytes]] = asyncio.Queue()
    lines: list[WebSocketRoute] = []

    def hold_up(line: WebSocketRoute) -> None:
        lines.append(line)
        server = line.connect_to_server()
        if len(lines) == 1:
            line.on_message(lambda message: waiting.put_nowait((server, message)))

    async def crawl() -> None:
        while True:
            server, message = await waiting.get()
            server.send(message)
            await asyncio.sleep(1.0)

    await studio.page.route_web_socket(re.compile("/ws/picture"), hold_up)
    crawling = asyncio.create_task(crawl())
    await studio.page.get_by_role("button", name="Start sending").click()
    words = studio.page.locator("#camera-words")
    await expect(words).to_have_text(re.compile("^Your line is too slow for this picture."))
    await expect(words).to_have_text("You are sending.")
    crawling.cancel()
    assert len(lines) >= 2
    broadcaster.call("POST", f"/videos/{video_id}/end")


async def test_a_browser_that_may_not_use_the_camera_is_told_what_to_do(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    page = (await signed_in(open_window, broadcaster, "/studio/")).page
    await page.get_by_role("button", name="Turn the camera on").click()
    await expect(page.get_by_role("alert")).to_contain_text("The browser does not allow it.")
