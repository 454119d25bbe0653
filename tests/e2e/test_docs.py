"""The API's docs page in a real browser."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.conftest import OpenWindow
from tests.sites import Site


async def test_axe_finds_nothing_on_the_docs_page_and_nothing_sticks_out(site: Site, open_window: OpenWindow) -> None:
    """It was Swagger UI, with 156 findings: contrast, buttons within buttons, targets too small to press."""
    window = await open_window(f"{site.urls[0]}/api/v1/docs")
    page = window.page
    assert await window.axe_findings() == []
    await page.get_by_role("navigation", name="Operations").get_by_role("link", name="Write a comment").click()
    await expect(page.get_by_role("heading", name="Write a comment")).to_be_in_viewport()
    await expect(page.get_by_role("navigation", name="Operations")).to_be_in_viewport()

    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await expect(page.get_by_role("link", name="Like a video")).to_have_count(1)
    # The colors are those from above. To look at them takes axe twice as long as all the rest.
    assert await window.axe_findings(without=["color-contrast"]) == []
    assert window.problems == []
