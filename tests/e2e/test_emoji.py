"""Emoji where one writes: the picker, and those that a channel has of its own."""

from __future__ import annotations

from pathlib import Path

import psycopg
from playwright.async_api import expect

from tests.e2e.conftest import Broadcaster, OpenWindow, make_broadcaster, signed_in
from tests.e2e.test_watch import watch
from tests.sites import Site

LOADED = "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => /\\/emoji[-.]/.test(name))"


async def test_emoji_are_found_by_name_in_ones_language_and_sent_by_the_keyboard(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    window = await open_window(watch(site, broadcaster.new_video()), locale="de-DE")
    page, field = window.page, window.page.locator("#body")
    await page.get_by_placeholder("Dein Name").first.fill("Ana")
    await page.get_by_role("button", name="Mitmachen").first.click()
    await window.is_live()
    assert await page.evaluate(LOADED) == [], "loaded when it is needed"
    picker, button = page.get_by_role("dialog", name="Emoji"), page.locator("#write .emoji-button")

    await field.fill("Miau ")
    await button.click()
    await picker.get_by_placeholder("Emoji suchen").fill("katze")
    await expect(picker).to_be_in_viewport(ratio=1)
    await expect(picker.locator(".emoji-one", has_text="🐈").first).to_be_visible()
    await expect(picker.locator(".emoji-one", has_text="😀")).to_have_count(0)
    await page.keyboard.press("ArrowDown")
    await expect(picker.locator(".emoji-one").first).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(field).to_have_value(f"Miau {await picker.locator('.emoji-one').first.text_content()}")

    await picker.get_by_role("button", name="Hautton", exact=True).click()
    await picker.get_by_role("button", name="Dunkel", exact=True).click()
    await picker.get_by_role("tab", name="Leute").click()
    await field.fill("")
    await picker.get_by_role("button", name="winkende Hand", exact=True).click()
    await expect(field).to_have_value("👋🏿")
    assert await window.serious_axe_findings() == []
    await page.keyboard.press("Escape")
    await expect(picker).to_be_hidden()
    await expect(button).to_be_focused()
    await button.click()
    await expect(picker.get_by_role("tab", name="Oft benutzt")).to_be_visible()
    await button.click()
    await expect(picker).to_be_hidden()
    await page.locator("#send").click()
    await window.sees_comment("👋🏿")
    assert window.problems == []


async def test_emoji_of_the_channel_are_made_written_seen_and_taken_away(
    site: Site, open_window: OpenWindow, tmp_path: Path
) -> None:
    nadia = make_broadcaster(site, "nadia-of-emoji")
    video_id, channel = nadia.new_video(), nadia.call("GET", "/me")["viewer"]["id"]
    viewer = await open_window(watch(site, video_id))
    page, field = viewer.page, viewer.page.locator("#body")
    await viewer.join("Vera")
    await viewer.is_live()
    await viewer.write("Hello :party_cat: there")
    comment = page.locator(".comment").first
    await expect(comment.locator(".comment-body")).to_have_text("Hello :party_cat: there")

    owner = await signed_in(open_window, nadia, f"/rules/{channel}/")
    file = tmp_path / "cat.png"
    file.write_bytes(await page.screenshot(clip={"x": 0, "y": 0, "width": 300, "height": 200}))
    await owner.page.get_by_label("Code").fill("party_cat")
    await owner.page.get_by_label("Picture", exact=True).set_input_files(file)
    await owner.page.get_by_role("button", name="Add the emoji").click()
    await expect(owner.page.locator("#emoji-list")).to_contain_text(":party_cat:")
    assert await owner.serious_axe_findings() == []

    drawn = comment.get_by_role("img", name=":party_cat:")
    await expect(drawn).to_be_visible()
    assert await drawn.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 72
    await expect(comment.locator(".comment-body")).to_have_text("Hello  there")

    await field.press_sequentially("Look :par")
    await page.get_by_role("option", name=":party_cat:").wait_for()
    await page.keyboard.press("Enter")
    await expect(field).to_have_value("Look :party_cat: ")
    await page.locator("#write .emoji-button").click()
    picker = page.get_by_role("dialog", name="Emoji")
    await expect(picker.get_by_role("tab", name="Of this channel")).to_have_attribute("aria-selected", "true")
    await picker.get_by_role("button", name=":party_cat:").click()
    await expect(field).to_have_value("Look :party_cat: :party_cat:")
    assert await viewer.serious_axe_findings() == []
    await page.keyboard.press("Escape")
    await page.locator("#send").click()
    await viewer.sees_comment("Look")
    await expect(page.locator(".comment").last.get_by_role("img", name=":party_cat:")).to_have_count(2)
    [last] = nadia.call("GET", f"/videos/{video_id}/comments?limit=1")["items"]
    assert last["body"] == "Look :party_cat: :party_cat:"

    await owner.page.get_by_role("button", name="Delete :party_cat:").click()
    await expect(owner.page.locator("#emoji-list")).to_contain_text("None yet.")
    await expect(comment.locator(".comment-body")).to_have_text("Hello :party_cat: there")
    assert [*owner.problems, *viewer.problems] == []


async def test_page_that_missed_a_change_asks_for_the_emoji_again(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """A page that was away for too long gets the state of the video, which has no emoji in it."""
    channel = broadcaster.call("GET", "/me")["viewer"]["id"]
    window = await open_window(watch(site, broadcaster.new_video()))
    await window.is_live()
    async with window.page.expect_response(f"**/api/v1/channels/{channel}/emoji") as asked:
        with psycopg.connect(site.database_url) as connection:
            connection.execute("UPDATE realtime_drawnepoch SET drawn = gen_random_uuid()")
    assert (await (await asked.value).json())["items"] == []
    assert window.problems == []
