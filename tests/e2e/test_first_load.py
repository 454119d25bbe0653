"""What a browser loads of a live video before it shows the picture: counted, and compared with the files themselves."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.async_api import Route, expect

from liveplatform import assets
from tests.e2e.conftest import Broadcaster, OpenWindow
from tests.e2e.test_watch import plays, watch
from tests.sites import Site

ROOT = Path(__file__).resolve().parent.parent.parent
FIRST_LOAD_MAX_BYTES = 120 * 1024
LOADED = """
    performance.getEntries()
        .filter((entry) => ["navigation", "resource"].includes(entry.entryType))
        .map(({ name, startTime, encodedBodySize }) => ({ path: new URL(name).pathname, startTime, encodedBodySize }))
        .sort((one, other) => one.startTime - other.startTime)
"""
HASH_OF = """
    async (path) => {
        const bytes = await (await fetch(path)).arrayBuffer();
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
    }
"""
Picture = Callable[..., str]


async def test_a_live_picture_comes_after_120_kilobytes(
    site: Site, broadcaster: Broadcaster, picture: Picture, open_window: OpenWindow
) -> None:
    """It came after 240: with all scripts of the page, uncompressed where no proxy does it, and a worker for nothing.

    The bytes of the picture itself are not counted.
    """
    video_id = broadcaster.new_video()
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": picture(video_id)})
    for number in range(5):
        broadcaster.comment(video_id, f"Comment {number}, which is as long as comments often are")

    window = await open_window(watch(site, video_id))

    await window.is_live()
    await plays(window)
    first = [each for each in await before_the_rest(window.page) if not each["path"].startswith("/media/")]
    paths = [each["path"] for each in first]
    assert any("hls.light" in path for path in paths), "the picture came first"
    assert len(paths) < 15
    assert sum(each["encodedBodySize"] for each in first) <= FIRST_LOAD_MAX_BYTES, first
    assert window.problems == []


async def before_the_rest(page: Any) -> list[dict[str, Any]]:
    """Return what was asked for before the page's other scripts."""
    loaded: list[dict[str, Any]] = await page.evaluate(LOADED)
    return loaded[: [each["path"] for each in loaded].index(f"/static/{assets.version()}/css/later.css")]


async def test_what_is_pressed_before_the_rest_is_there_is_done_then(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """A picture that does not come holds nobody up."""
    video_id = broadcaster.new_video()
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": f"/media/{video_id}/live.m3u8"})

    window = await open_window("about:blank")
    await window.page.route("**/live.m3u8*", lambda route: None)  # never answered
    await window.page.goto(watch(site, video_id), wait_until="commit")
    await window.page.locator("#like").click()

    await expect(window.page.locator("#guest-dialog")).to_be_visible()


async def test_a_name_sent_before_any_module_is_there_is_not_lost(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """The form was the browser's own until then: it loaded the page again, without the name."""
    video_id = broadcaster.new_video()
    window = await open_window("about:blank")
    page, held = window.page, asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/start*.js", hold)
    await page.goto(watch(site, video_id), wait_until="commit")
    await page.get_by_placeholder("Your name").first.fill("Early Ana")
    await page.get_by_role("button", name="Join").first.click()
    held.set()

    await expect(page.get_by_placeholder("Write a comment")).to_be_visible()
    assert page.url == watch(site, video_id)
    assert window.problems == []


async def test_a_browser_unpacks_the_vendored_files_that_lie_there(site: Site, open_window: OpenWindow) -> None:
    window = await open_window(f"{site.urls[0]}/accounts/login/")
    packed = [path.with_suffix("") for path in (ROOT / "static" / "vendor").rglob("*.br")]
    assert packed
    for path in packed:
        address = f"/{path.relative_to(ROOT).as_posix()}"
        async with window.page.expect_response(f"**{address}") as answered:
            found = await window.page.evaluate(HASH_OF, address)
        assert (await (await answered.value).all_headers())["content-encoding"] == "br"
        assert found == hashlib.sha256(path.read_bytes()).hexdigest(), path
