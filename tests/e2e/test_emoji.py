"""Emoji where one writes: the picker, and those that a channel has of its own."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.conftest import Broadcaster, OpenWindow
from tests.e2e.test_watch import watch
from tests.sites import Site

LOADED = "performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.includes('moji'))"


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
