"""Channels in a real browser: to follow one, from its page and beside a video, and to hear of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests import servers
from tests.conftest import chromium_or_skip, launched
from tests.e2e.conftest import PHONE, Broadcaster, OpenWindow, Window
from tests.sites import Site


def channel_of(broadcaster: Broadcaster) -> str:
    id: str = broadcaster.call("GET", "/me")["viewer"]["id"]
    return id


async def test_somebody_new_follows_a_channel_and_finds_it_at_home_and_beside_the_video(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    id = channel_of(broadcaster)
    video_id = broadcaster.new_video(title="To be followed")
    window = await open_window(f"{site.urls[0]}/channels/{id}/", size=PHONE)
    page = window.page
    await page.get_by_role("button", name="Follow").click()
    await page.get_by_placeholder("Your name").fill("Fan")
    await page.get_by_role("button", name="Join").click()
    await expect(page.get_by_role("button", name="Following")).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Tell me when it goes live").click()
    await expect(page.get_by_role("status").first).to_contain_text("Your browser")  # which is without a push service
    await expect(page.get_by_role("button", name="Tell me when it goes live")).to_have_attribute(
        "aria-pressed", "false"
    )
    assert await window.axe_findings() == []

    await page.goto(site.urls[0])
    await expect(page.locator(".followed-channel")).to_have_attribute("href", f"/videos/{video_id}/")
    assert await window.axe_findings() == []
    await page.set_viewport_size({"width": 1280, "height": 800})
    await page.locator(".followed-channel").press("Enter")
    await expect(page.get_by_role("button", name="Following")).to_be_visible()
    await page.get_by_role("button", name="Following").click()
    await expect(page.get_by_role("button", name="Follow", exact=True)).to_be_visible()
    await page.locator(".byline").click()
    await expect(page.get_by_role("button", name="Follow", exact=True)).to_be_enabled()
    assert window.problems == []


@pytest_asyncio.fixture(loop_scope="session")
async def with_messages() -> AsyncIterator[Browser]:
    """A browser that shows messages: the one without windows has none."""
    async with launched(chromium_or_skip(servers.WINDOWED)) as started:
        yield started


@pytest.mark.asyncio(loop_scope="session")
async def test_a_message_of_the_site_is_shown_by_the_browser_and_once(site: Site, with_messages: Browser) -> None:
    context = await with_messages.new_context()
    await context.grant_permissions(["notifications"])
    window = Window(await context.new_page())
    await window.page.goto(f"{site.urls[0]}/search/")
    session = await context.new_cdp_session(window.page)
    await session.send("ServiceWorker.enable")
    registered: list[str] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registered.extend(each["registrationId"] for each in event["registrations"]),
    )
    await window.page.evaluate("navigator.serviceWorker.register('/service-worker.js').then(() => 0)")
    # `ready` comes a little sooner, and a message for a worker that is not there yet is lost.
    await window.until("navigator.serviceWorker.ready.then(({ active }) => active.state === 'activated')")
    for title in ("Nadia starts soon", "Nadia is live"):
        data = json.dumps({"title": title, "body": "Sunrise", "path": "/videos/1/", "tag": "video:1"})
        message = {"origin": site.urls[0], "registrationId": registered[0], "data": data}
        await session.send("ServiceWorker.deliverPushMessage", message)
        await window.until(
            "navigator.serviceWorker.ready.then((worker) => worker.getNotifications())"
            f".then((shown) => shown.length === 1 && shown[0].title === {title!r})"
        )
    assert window.problems == []


async def test_a_video_without_comments_has_the_room_for_its_picture(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """A column with nothing in it took a quarter of the window."""
    video_id = broadcaster.new_video(comments_enabled=False)
    window = await open_window(f"{site.urls[0]}/videos/{video_id}/")
    await expect(window.page.locator("#comments")).to_be_hidden()
    await window.is_live()
    broadcaster.call("PATCH", f"/videos/{video_id}", {"comments_enabled": True})
    await expect(window.page.get_by_placeholder("Your name").first).to_be_visible()
    broadcaster.call("PATCH", f"/videos/{video_id}", {"comments_enabled": False})
    await expect(window.page.locator("#comments")).to_be_hidden()
    await window.page.get_by_role("button", name="Show comments").click()
    await expect(window.page.get_by_text("Comments are off for this video.")).to_be_visible()
    assert window.problems == []
