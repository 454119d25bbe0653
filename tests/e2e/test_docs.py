"""The API's docs page in a real browser, cut off from the rest of the world."""

from __future__ import annotations

from playwright.async_api import Locator, Page, Route, expect

from tests.e2e.conftest import Broadcaster, OpenWindow
from tests.sites import Site


async def run(page: Page, summary: str, *, body: str, video_id: str = "") -> Locator:
    """Try a call out on the page; return where its answer's status is shown."""
    call = page.locator(".opblock", has_text=summary)
    await call.locator(".opblock-summary-control").click()
    await call.get_by_role("button", name="Try it out").click()
    if video_id:
        await call.locator("tr[data-param-name=video_id] input").fill(video_id)
    await call.locator("textarea.body-param__text").fill(body)
    await call.get_by_role("button", name="Execute").click()
    return call.locator(".live-responses-table .response .response-col_status")


async def test_docs_page_works_alone_and_acts_for_the_session(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video()
    window = await open_window("about:blank")
    asked_elsewhere: list[str] = []

    async def only_here(route: Route) -> None:
        if route.request.url.startswith((site.urls[0], "data:")):
            await route.continue_()
        else:
            asked_elsewhere.append(route.request.url)
            await route.abort()

    await window.page.route("**/*", only_here)
    await window.page.goto(f"{site.urls[0]}/api/v1/docs")
    await expect(await run(window.page, "Become a guest", body='{"name":"Reader"}')).to_have_text("201")
    await expect(await run(window.page, "Like a video", body='{"kind":"love"}', video_id=video_id)).to_have_text("200")
    assert broadcaster.call("GET", f"/videos/{video_id}")["likes"]["kinds"]["love"] == 1
    assert asked_elsewhere == []
    assert window.problems == []
