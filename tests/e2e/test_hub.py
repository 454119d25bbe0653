"""One connection for all tabs of a browser, seen from the node that holds it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.async_api import expect

from tests.conftest import watched
from tests.e2e.conftest import Broadcaster, OpenWindow, Window, make_broadcaster
from tests.sites import Site, SiteFactory, wait_for

WITHOUT_WORKERS = "delete globalThis.SharedWorker;"


@pytest.fixture(scope="module")
def own_site(site_factory: SiteFactory) -> Iterator[Site]:
    with watched(site_factory.start(nodes=1)) as running:
        yield running


@pytest.fixture
def quiet(own_site: Site) -> Site:
    """A site of one node, where nobody else is connected."""
    wait_for(lambda: connections(own_site) == 0, "the viewers of the test before to have left")
    return own_site


@pytest.fixture(scope="module")
def host(own_site: Site) -> Broadcaster:
    return make_broadcaster(own_site)


def connections(site: Site) -> int:
    """Return how many streams the node holds."""
    text = httpx.get(f"{site.urls[0]}/metrics").text
    return sum(map(int, re.findall(r"^live_connections\S* (\d+)", text, re.MULTILINE)))


async def tab_beside(window: Window, url: str) -> Window:
    """Open another tab of the same browser."""
    tab = Window(await window.page.context.new_page())
    await tab.page.goto(url)
    await tab.is_live()
    return tab


async def test_tabs_share_one_connection_and_outlive_the_one_that_opened_it(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    videos = [host.new_video(title=title) for title in ("One", "Two")]
    urls = [f"{quiet.urls[0]}/videos/{video}/" for video in videos]
    first = await open_window(urls[0])
    await first.is_live()
    same, other = await tab_beside(first, urls[0]), await tab_beside(first, urls[1])

    host.comment(videos[0], "For two tabs")
    host.comment(videos[1], "For the third")
    for tab in (first, same):
        await tab.sees_comment("For two tabs")
    await other.sees_comment("For the third")
    assert connections(quiet) == 1
    await expect(first.page.locator("html")).to_have_attribute("data-hub", "shared")

    await first.page.close()
    host.comment(videos[0], "Without the first")
    host.comment(videos[1], "Still there")
    await same.sees_comment("Without the first")
    await other.sees_comment("Still there")
    assert connections(quiet) == 1

    await same.page.close()
    await other.page.close()
    wait_for(lambda: connections(quiet) == 0, "the last tab to take the connection with it")
    assert same.problems == other.problems == []


async def test_a_tab_that_dies_without_a_word_is_given_up(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    videos = [host.new_video(title=title) for title in ("Crashes", "Stays")]
    first = await open_window(f"{quiet.urls[0]}/videos/{videos[0]}/")
    await first.is_live()
    other = await tab_beside(first, f"{quiet.urls[0]}/videos/{videos[1]}/")

    def watching(video: str) -> int:
        return int(host.call("GET", f"/videos/{video}")["viewers"]["count"])

    wait_for(lambda: [watching(video) for video in videos] == [1, 1], "a viewer for each")

    # Perhaps with the worker, which lives in the process of one of the two. A crash is never answered.
    devtools = await first.page.context.new_cdp_session(first.page)
    async with asyncio.TaskGroup() as tasks:
        crash = tasks.create_task(devtools.send("Page.crash"))
        await first.page.wait_for_event("crash")
        crash.cancel()

    wait_for(lambda: [watching(video) for video in videos] == [0, 1], "the dead tab not to count")
    host.comment(videos[1], "Life goes on")
    await other.sees_comment("Life goes on")


async def test_without_shared_workers_each_tab_has_a_connection(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    """Chrome on Android has none."""
    video = host.new_video(title="On a phone")
    url = f"{quiet.urls[0]}/videos/{video}/"
    first = await open_window("about:blank")
    await first.page.context.add_init_script(WITHOUT_WORKERS)
    await first.page.goto(url)
    await first.is_live()
    second = await tab_beside(first, url)

    host.comment(video, "Heard all the same")

    for tab in (first, second):
        await tab.sees_comment("Heard all the same")
        await expect(tab.page.locator("html")).to_have_attribute("data-hub", "page")
        assert tab.problems == []
    assert connections(quiet) == 2


async def test_a_worker_that_cannot_be_loaded_is_done_without(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    video = host.new_video(title="An old browser")
    window = await open_window("about:blank")
    # As a browser that knows no modules in workers.
    await window.page.context.add_init_script(
        "const Real = SharedWorker;"
        "globalThis.SharedWorker = class extends Real { constructor() { super('/nowhere.js'); } };"
    )
    await window.page.goto(f"{quiet.urls[0]}/videos/{video}/")
    await window.is_live()

    host.comment(video, "Heard all the same")

    await window.sees_comment("Heard all the same")
    await expect(window.page.locator("html")).to_have_attribute("data-hub", "page")


async def test_whoever_joins_or_likes_in_one_tab_has_done_so_in_all(
    quiet: Site, host: Broadcaster, open_window: OpenWindow
) -> None:
    video = host.new_video(title="Twice the same person")
    url = f"{quiet.urls[0]}/videos/{video}/"
    first = await open_window(url)
    await first.is_live()
    second = await tab_beside(first, url)

    await first.join("Ada")
    await expect(second.page.get_by_placeholder("Write a comment")).to_be_visible()
    await second.page.get_by_role("button", name="Like", exact=True).click()
    await expect(first.page.locator("#like")).to_have_attribute("aria-pressed", "true")

    # And takes it back in the other.
    await first.page.get_by_role("button", name="Like", exact=True).click()
    await expect(second.page.locator("#like")).to_have_attribute("aria-pressed", "false")
    await expect(second.page.locator("#likes")).to_have_text("0")
    assert connections(quiet) == 1
    assert first.problems == second.problems == []
