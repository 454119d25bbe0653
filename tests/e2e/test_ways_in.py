"""Pictures that come by SRT, are fetched, or stay where they are: from the studio's fields to a viewer's browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e.conftest import DESKTOP, PHONE, Broadcaster, OpenWindow, Window, make_broadcaster, signed_in
from tests.e2e.test_watch import plays, watch
from tests.ingest.booth import encoders
from tests.ingest.origins import film_server
from tests.sites import Site, SiteFactory, free_port

FILM = ("-re", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=10", "-re", "-f", "lavfi", "-i", "sine=r=48000")
CODECS = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "10", "-c:a", "aac")
HEIGHT = "document.querySelector('#picture').videoHeight"


@pytest.fixture(scope="module")
def site(site_factory: SiteFactory) -> Iterator[Site]:
    """One that takes SRT, makes a small rendition, and allows one origin for what it fetches and what viewers load."""
    origin = f"http://127.0.0.1:{free_port()}"
    env = {
        "LIVE_LIMITS": "off",
        "LIVE_LADDER": "120",
        "LIVE_PULL_ORIGINS": origin,
        "LIVE_PULL_NETWORKS": "127.0.0.0/8",
        "LIVE_PLAYLIST_ORIGINS": origin,
    }
    running = site_factory.start(nodes=1, ingest=True, env=env)
    yield running
    running.close()


@pytest.fixture(scope="module")
def broadcaster(site: Site) -> Broadcaster:
    return make_broadcaster(site)


@pytest.fixture
def origin(site: Site, tmp_path: Path) -> Iterator[str]:
    """A web server of somebody else's, with a live picture at `/live.m3u8`."""
    found = site.env["LIVE_PLAYLIST_ORIGINS"]
    with film_server(tmp_path, int(found.rpartition(":")[2]), (*FILM, *CODECS)):
        yield found


async def test_the_address_of_srt_is_copied_from_the_studio_and_viewers_choose_a_quality(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="By SRT")
    studio = await signed_in(open_window, broadcaster, "/studio/", size=DESKTOP)
    field = studio.page.get_by_label("Over a bad network: by SRT")
    known = broadcaster.call("GET", "/me/stream-key")
    await expect(field).to_have_value(re.compile("^srt://"))
    assert known["key"] not in await field.input_value()
    await studio.page.get_by_role("button", name="Show", exact=True).click()
    address = await field.input_value()
    assert address == known["servers"]["srt"]
    assert known["key"] in address

    with encoders() as encode:
        encode(*FILM, *CODECS, "-f", "mpegts", address)
        viewer = await open_window(watch(site, video_id))
        await plays(viewer)
        await viewer.until(f"{HEIGHT} === 240")
        await choose_quality(viewer, "120p")
        await viewer.until(f"{HEIGHT} === 120")
        await choose_quality(viewer, "240p")
        await viewer.until(f"{HEIGHT} === 240")
    assert viewer.problems == []
    broadcaster.call("POST", f"/videos/{video_id}/end")


async def test_an_address_to_fetch_from_is_entered_in_the_form(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow, origin: str
) -> None:
    studio = await signed_in(open_window, broadcaster, "/studio/", size=PHONE)
    page = studio.page
    await page.get_by_role("button", name="New video").click()
    await page.get_by_label("Title", exact=True).fill("Fetched")
    source = page.get_by_label("Fetch the picture from (RTSP or HLS)")
    await source.fill("http://elsewhere.test/live.m3u8")
    await page.get_by_role("button", name="Create").click()
    await expect(page.get_by_role("dialog").get_by_role("alert").locator("visible=true")).to_contain_text(origin)
    assert await studio.serious_axe_findings() == []
    await source.fill(f"{origin}/live.m3u8")
    await page.get_by_role("button", name="Create").click()
    item = page.locator(".studio-video", has_text="Fetched")
    video_id = str(await item.get_attribute("data-video"))

    viewer = await open_window(watch(site, video_id))
    await plays(viewer)
    await viewer.until(f"{HEIGHT} === 240")
    broadcaster.call("POST", f"/videos/{video_id}/end")


async def test_a_playlist_of_an_allowed_origin_is_loaded_from_there(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow, origin: str
) -> None:
    """The page allows that origin, and no other one."""
    video_id = broadcaster.new_video(title="From a CDN")
    broadcaster.call("PATCH", f"/videos/{video_id}", {"playlist": f"{origin}/live.m3u8"})
    viewer = await open_window(watch(site, video_id))
    await plays(viewer)
    await viewer.until(f"{HEIGHT} === 240")
    assert viewer.problems == []
    broadcaster.call("POST", f"/videos/{video_id}/end")


async def choose_quality(viewer: Window, name: str) -> None:
    await viewer.page.locator("#picture").hover()
    await viewer.page.get_by_role("button", name="Settings of the player").click()
    await viewer.page.locator("#qualities").get_by_text(name, exact=True).click()
    await viewer.page.keyboard.press("Escape")
