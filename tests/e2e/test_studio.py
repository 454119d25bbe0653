"""The studio while a broadcast is live, and after it, in a real browser: desktop and phone."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.conftest import DESKTOP, PHONE, Broadcaster, OpenWindow, make_broadcaster, signed_in
from tests.sites import Site


@pytest.fixture(scope="module")
def broadcaster(site: Site) -> Broadcaster:
    """One of this module's own: the desk goes on to what else is live."""
    return make_broadcaster(site, "sabine")


def guest(broadcaster: Broadcaster, name: str) -> str:
    """Have somebody come; return their token."""
    return str(broadcaster.call("POST", "/guests", {"name": name})["token"])


async def test_a_broadcaster_looks_after_what_is_live(
    broadcaster: Broadcaster, picture: Callable[[str], str], open_window: OpenWindow
) -> None:
    """Preview, plots and comments in one place; the name can be changed; the end asks, and can be taken back."""
    titles = ["On the desk", "Another name"]
    video_id = broadcaster.new_video(title=titles[0])
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": picture(video_id)})
    viewer = guest(broadcaster, "Vera")
    broadcaster.call("POST", f"/videos/{video_id}/comments", {"body": "A rude word"}, token=viewer)

    window = await signed_in(open_window, broadcaster, "/studio/", size=PHONE)
    page = window.page
    desk = page.locator("#desk")
    await expect(desk.get_by_label("Name shown to viewers")).to_have_value(titles[0])
    await window.until("document.querySelector('#preview').currentTime > 0")
    assert await page.locator("#preview").evaluate("element => element.muted")
    broadcaster.call("PUT", f"/videos/{video_id}/like", {"kind": "love"}, token=viewer)
    await expect(desk.locator("[data-plot=viewers] .plot-line")).to_have_attribute("d", re.compile("^M0 "))
    await window.looks_right(DESKTOP, PHONE, scrolls=True)

    comments = page.frame_locator("#desk-comments")
    rude = comments.locator(".comment", has_text="A rude word")
    await rude.hover()
    await rude.locator("[data-do=more]").click()
    await comments.locator("#comment-menu [data-do=delete]").click()
    await expect(rude).to_have_count(0)
    assert broadcaster.call("GET", f"/videos/{video_id}/comments")["items"] == []

    await desk.get_by_label("Name shown to viewers").fill(titles[1])
    await desk.get_by_role("button", name="Rename").click()
    await expect(page.locator(".studio-video h2", has_text=titles[1])).to_be_visible()
    assert broadcaster.call("GET", f"/videos/{video_id}")["title"] == titles[1]

    await desk.get_by_role("button", name="End", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="End it").click()
    await expect(page.locator("#desk-status")).to_have_text("Ended")
    await desk.get_by_role("button", name="Go on").click()
    await expect(page.locator("#desk-status")).to_have_text("Live")
    assert broadcaster.call("GET", f"/videos/{video_id}")["status"] == "live"
    broadcaster.call("POST", f"/videos/{video_id}/end")
    assert window.problems == []


async def test_a_broadcaster_reads_the_report_on_a_broadcast(broadcaster: Broadcaster, open_window: OpenWindow) -> None:
    title = "Reported on"
    video_id = broadcaster.new_video(title=title)
    viewer = guest(broadcaster, "Vera")
    first = broadcaster.call("POST", f"/videos/{video_id}/comments", {"body": "=A question"}, token=viewer)
    broadcaster.call("POST", f"/videos/{video_id}/comments", {"body": "An answer", "reply_to": first["id"]})
    broadcaster.call("PUT", f"/videos/{video_id}/like", {"kind": "love"}, token=viewer)
    broadcaster.call("POST", f"/videos/{video_id}/end")

    window = await signed_in(open_window, broadcaster, "/studio/")
    page = window.page
    await page.locator(".studio-video", has_text=title).get_by_role("link", name="Report").click()
    await expect(page.get_by_role("heading", name=title)).to_be_visible()
    await expect(page.locator("[data-tile=comments]")).to_have_text("2")
    await expect(page.locator("[data-tile=likes]")).to_have_text("1")
    await expect(page.get_by_text("=A question")).to_be_visible()
    await expect(page.get_by_text("1 answer")).to_be_visible()
    await expect(page.locator("[data-plot=comments] svg")).to_have_attribute(
        "aria-label", "Comments a minute: 0 at most"
    )
    await window.looks_right(PHONE, DESKTOP, scrolls=True)
    async with page.expect_download() as coming:
        await page.get_by_role("link", name="Comments (CSV)").click()
    download = await coming.value
    assert download.suggested_filename.startswith(f"{title} ")
    assert "Vera,'=A question,," in (await download.path()).read_text("utf-8-sig")
    assert window.problems == []


async def test_an_uploaded_picture_is_on_the_card_until_one_comes(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow, tmp_path: Path
) -> None:
    """It is made small in the browser: the server takes 64 KB."""
    from imageio_ffmpeg import get_ffmpeg_exe

    photo = tmp_path / "photo.png"
    source = ("-f", "lavfi", "-i", "testsrc2=s=2400x1800", "-frames:v", "1")
    subprocess.run([get_ffmpeg_exe(), "-nostdin", "-v", "error", *source, photo], check=True)
    (tmp_path / "text.png").write_text("no picture")
    window = await signed_in(open_window, broadcaster, "/studio/", size=PHONE)
    page = window.page
    await page.get_by_role("button", name="New video").click()
    await page.get_by_label("Title", exact=True).fill("With a picture")
    await page.locator("#f-picture").set_input_files(tmp_path / "text.png")
    await expect(page.locator("#f-picture-error")).to_be_visible()
    await page.locator("#f-picture").set_input_files(photo)
    await expect(page.locator("#f-picture-shown")).to_be_visible()
    await page.get_by_role("button", name="Create").click()
    item = page.locator(".studio-video", has_text="With a picture")
    await item.scroll_into_view_if_needed()
    await expect(item.locator("img")).to_be_visible()
    await window.until("document.querySelector('.studio-video img:not([hidden])').naturalWidth === 1280")
    video_id = await item.get_attribute("data-video")
    await page.goto(site.urls[1])
    picture = page.locator(".card", has_text="With a picture").locator("img")
    await expect(picture).to_have_attribute("src", re.compile(rf"^/media/{video_id}/thumbnail\.jpg\?t=\d+$"))

    await page.goto(f"{site.urls[0]}/studio/")
    await delete(page, "With a picture")
    assert not (site.folder / "media" / str(video_id)).exists()
    assert window.problems == []


async def delete(page: Page, title: str) -> None:
    """Delete a video, after being asked."""
    item = page.locator(".studio-video", has_text=title)
    await item.get_by_role("button", name="Edit").click()
    await page.get_by_role("button", name="Delete video").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    await expect(item).to_have_count(0)
