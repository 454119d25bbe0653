"""The API's docs page in a real browser."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.conftest import OpenWindow
from tests.sites import Site

ONE_OF_EACH_KIND = """() => {
    const kinds = new Set();
    for (const part of document.querySelectorAll(".docs-operation")) {
        const elements = [...part.querySelectorAll("*")].map((at) => `${at.localName}.${at.className}`);
        const kind = [...new Set(elements)].join();
        if (kinds.has(kind)) part.remove();
        kinds.add(kind);
    }
    return document.querySelectorAll(".docs-operation").length;
}"""
"""Leave one operation or type of those that are made of the same elements. Axe takes a minute for all of them."""


async def test_axe_finds_nothing_on_the_docs_page_and_nothing_sticks_out(site: Site, open_window: OpenWindow) -> None:
    """It was Swagger UI, with 156 findings: contrast, buttons within buttons, targets too small to press."""
    window = await open_window(f"{site.urls[0]}/api/v1/docs")
    page = window.page
    await page.get_by_role("navigation", name="Operations").get_by_role("link", name="Write a comment").click()
    await expect(page.get_by_role("heading", name="Write a comment")).to_be_in_viewport()
    await expect(page.get_by_role("navigation", name="Operations")).to_be_in_viewport()

    await page.set_viewport_size({"width": 360, "height": 740})
    assert await page.evaluate("document.documentElement.scrollWidth") == 360
    await expect(page.get_by_role("link", name="Like a video")).to_have_count(1)
    assert 5 < await page.evaluate(ONE_OF_EACH_KIND) < 50
    for width in (1280, 360):
        await page.set_viewport_size({"width": width, "height": 740})
        assert await window.axe_findings() == []
    assert window.problems == []
