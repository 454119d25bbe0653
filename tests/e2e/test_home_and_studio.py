"""Home and studio in a real browser."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.e2e.conftest import Broadcaster, OpenWindow
from tests.sites import Site


async def test_a_broadcaster_creates_edits_starts_and_ends_a_video_in_the_studio(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    window = await open_window(f"{site.urls[0]}/studio/")
    page = window.page
    await page.get_by_label("Username").fill(broadcaster.username)
    await page.get_by_label("Password").fill(broadcaster.password)
    await page.get_by_role("button", name="Sign in", exact=True).click()

    await page.get_by_role("button", name="New video").click()
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("alert")).to_have_text("Give the video a title.")
    await page.get_by_label("Title").fill("Made in the studio")
    await page.get_by_label("Planned start").fill("2031-05-01T20:00")
    await page.get_by_role("button", name="Create").click()
    video = page.locator(".studio-video", has_text="Made in the studio")
    await expect(video.get_by_text("Upcoming")).to_be_visible()
    await expect(video.locator("[data-when]")).to_contain_text("8:00")

    await video.get_by_role("button", name="Edit").click()
    await page.get_by_label("Title").fill("Edited in the studio")
    await page.get_by_label("Viewers may comment").uncheck()
    await page.get_by_role("button", name="Save").click()
    video = page.locator(".studio-video", has_text="Edited in the studio")

    await video.get_by_role("button", name="Go live").click()
    await expect(video.locator("[data-fact=status]")).to_have_text("Live")
    video_id = await video.get_attribute("data-video")
    shown = broadcaster.call("GET", f"/videos/{video_id}")
    assert (shown["status"], shown["comments_enabled"]) == ("live", False)
    assert await window.serious_axe_findings() == []

    await video.get_by_role("button", name="End").click()
    await page.get_by_role("dialog").get_by_role("button", name="End it").click()
    await expect(video.locator("[data-fact=status]")).to_have_text("Ended")
    await expect(video.get_by_role("button", name="Go live")).to_be_hidden()
    await expect(video.get_by_text("watching")).to_be_hidden()
    assert window.problems == []


async def test_a_refused_form_says_why_and_keeps_what_was_written(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    window = await open_window(f"{site.urls[0]}/accounts/login/?next=/studio/")
    page = window.page
    await page.get_by_label("Username").fill(broadcaster.username)
    await page.get_by_label("Password").fill("not the password")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("correct")
    await expect(page.get_by_label("Username")).to_have_value(broadcaster.username)
    await page.get_by_label("Password").fill(broadcaster.password)
    await page.get_by_role("button", name="Sign in", exact=True).click()

    await page.get_by_role("button", name="New video").click()
    await page.get_by_label("Title").fill("Wrong picture")
    await page.get_by_label("Playlist of another encoder").fill("http://169.254.169.254/live.m3u8")
    await page.get_by_role("button", name="Create").click()

    await expect(page.locator("#f-error")).to_be_visible()
    await expect(page.get_by_label("Title")).to_have_value("Wrong picture")


async def test_home_shows_what_starts_and_drops_what_ends_by_itself(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    window = await open_window(site.urls[0], color_scheme="dark")
    video_id = broadcaster.new_video(title="Just started")
    card = window.page.locator("[data-live] .card", has_text="Just started")
    await look_again(window.page)
    await expect(card).to_be_visible()

    broadcaster.call("PUT", f"/videos/{video_id}/like", {"kind": "love"})
    await look_again(window.page)
    await expect(card.locator(".likes-figure")).to_have_text("1 like")

    broadcaster.call("POST", f"/videos/{video_id}/end")
    await look_again(window.page)
    await expect(card).to_have_count(0)
    await expect(window.page.get_by_role("heading", name="Recent")).to_be_visible()
    assert await window.serious_axe_findings() == []
    assert window.problems == []


async def look_again(page: Page) -> None:
    """Coming back to the page refreshes it at once."""
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


async def test_the_chosen_appearance_is_there_on_the_next_page_from_the_first_byte(
    site: Site, open_window: OpenWindow
) -> None:
    window = await open_window(site.urls[0], color_scheme="light")
    await window.page.get_by_role("button", name="Account and appearance").click()
    await window.page.get_by_role("radio", name="Dark").click()
    await expect(window.page.locator("html")).to_have_attribute("data-theme", "dark")

    answer = await window.page.request.get(f"{site.urls[0]}/accounts/login/")

    assert re.search(r'<html[^>]* data-theme="dark"', await answer.text())


async def test_a_watch_page_is_dark_until_somebody_chooses_otherwise(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    window = await open_window(f"{site.urls[0]}/videos/{broadcaster.new_video()}/", color_scheme="light")
    html, shown = window.page.locator("html"), "getComputedStyle(document.documentElement).colorScheme"
    dark = await window.page.evaluate(shown)
    await window.page.get_by_role("button", name="Account and appearance").click()
    await expect(window.page.get_by_role("radio", name="Dark")).to_be_checked()
    await window.page.get_by_role("radio", name="System").click()
    await expect(html).not_to_have_attribute("data-theme", "dark")
    await window.page.reload()
    assert (dark, await window.page.evaluate(shown)) == ("dark", "light dark")


SEGMENT = "#EXT-X-PROGRAM-DATE-TIME:2026-09-21T14:13:{:02}.000Z\n#EXTINF:2.00000,\n1790000000000-{}.m4s\n"


async def test_a_broadcaster_trims_and_deletes_a_recording(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.call("POST", "/videos", {"title": "Recorded", "is_recorded": False})["id"]
    folder = site.folder / "media" / video_id
    folder.mkdir(parents=True)
    listed = "".join(SEGMENT.format(20 + 2 * number, number) for number in range(5))
    head = '#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI="1790000000000-init.mp4"\n'
    (folder / "replay.m3u8").write_text(f"{head}{listed}#EXT-X-ENDLIST\n")
    for number in range(5):
        (folder / f"1790000000000-{number}.m4s").write_bytes(b"x")
    broadcaster.call("POST", f"/videos/{video_id}/end")
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": f"/media/{video_id}/replay.m3u8"})

    window = await open_window(f"{site.urls[0]}/accounts/login/?next=/studio/")
    page = window.page
    await page.get_by_label("Username").fill(broadcaster.username)
    await page.get_by_label("Password").fill(broadcaster.password)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    video = page.locator(".studio-video", has_text="Recorded")
    await video.get_by_role("button", name="Recording").click()
    facts = page.locator("#recording-facts")
    await expect(facts).to_contain_text("0:10")
    await expect(page.get_by_label("Keep until")).to_have_value("0:10")
    assert await window.serious_axe_findings() == []
    await page.get_by_label("Keep from").fill("0:9x")
    await page.get_by_role("button", name="Trim").click()
    await expect(page.get_by_role("alert")).to_contain_text("Write times like")
    await page.get_by_label("Keep from").fill("0:04")
    await page.get_by_role("button", name="Trim").click()
    await page.get_by_role("button", name="Trim it").click()
    await expect(facts).to_contain_text("0:06")
    assert len(list(folder.glob("*.m4s"))) == 3
    await page.get_by_role("button", name="Delete", exact=True).click()
    await page.get_by_role("button", name="Delete it").click()
    await expect(video.get_by_role("button", name="Recording")).to_be_hidden()
    assert list(folder.iterdir()) == []
    assert window.problems == []
