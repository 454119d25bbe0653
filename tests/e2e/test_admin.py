"""The admin in a real browser: under the strict Content-Security-Policy, and felt by viewers on another node."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import expect

from tests.e2e.conftest import DESKTOP, Broadcaster, OpenWindow, Window
from tests.sites import Site

PASSWORD = "a password of the admin"
MAKE_SUPERUSER = f"""
from accounts.models import Viewer
Viewer.objects.create_superuser("root", password="{PASSWORD}")
"""


@pytest.fixture(scope="module")
def root(site: Site) -> None:
    site.manage("shell", "--command", MAKE_SUPERUSER)


async def signed_in(open_window: OpenWindow, site: Site, **options: object) -> Window:
    window = await open_window(f"{site.urls[0]}/admin/", **options)
    await window.page.get_by_label("Username").fill("root")
    await window.page.get_by_label("Password").fill(PASSWORD)
    await window.page.get_by_role("button", name="Log in").click()
    await expect(window.page.get_by_role("heading", name="Site administration")).to_be_visible()
    return window


async def test_admin_pages_break_no_rule_of_the_content_security_policy(
    site: Site, root: None, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video()
    comment = broadcaster.comment(video_id, "Hello <b>there</b>")
    window = await signed_in(open_window, site)
    rows = {
        "videos/video": video_id,
        "videos/comment": comment["id"],
        "accounts/viewer": comment["author"]["id"],
    }
    for model, row in rows.items():
        for page in ("", "add/", f"{row}/change/", f"{row}/history/", f"{row}/delete/"):
            if model != "videos/comment" or page not in ("add/", f"{row}/delete/"):  # comments have none
                await window.page.goto(f"{site.urls[0]}/admin/{model}/{page}")
    await window.page.goto(f"{site.urls[0]}/admin/videos/video/add/")
    await window.page.locator(".select2-selection").click()
    await window.page.keyboard.type("Nadia")  # the list begins with others when many have come before
    await window.page.get_by_role("option", name="Nadia").first.click()
    await window.page.locator(".clock-icon").click()
    await window.page.get_by_role("link", name="Noon").click()
    assert await window.page.locator("#id_starts_at_1").input_value() == "12:00:00"
    assert window.problems == []


async def test_admin_pages_have_no_serious_axe_findings(
    site: Site, root: None, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video()
    comment = broadcaster.comment(video_id, "Hello")
    window = await signed_in(open_window, site)
    # Django's own double list of permissions, on an account's page, is not for us to mend.
    videos = ("video/", f"video/{video_id}/change/", "comment/", f"comment/{comment['id']}/change/")
    for page in (*(f"videos/{page}" for page in videos), "accounts/viewer/"):
        await window.page.goto(f"{site.urls[0]}/admin/{page}")
        await window.looks_right(DESKTOP, scrolls=True)
    await window.page.context.clear_cookies()
    await window.page.goto(f"{site.urls[0]}/admin/")
    await window.looks_right(DESKTOP)


async def test_buttons_of_the_admin_reach_viewers(
    site: Site, root: None, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """Start, a deleted comment, and at last the whole video (row 79), seen on another node without a reload."""
    video_id = broadcaster.new_video(live=False)
    broadcaster.comment(video_id, "Off with this")
    viewer = await open_window(f"{site.urls[1]}/videos/{video_id}/")
    await viewer.is_live()
    staff = await signed_in(open_window, site)
    page = staff.page

    await page.goto(f"{site.urls[0]}/admin/videos/video/{video_id}/change/")
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator(".messagelist")).to_contain_text("Started.")
    await expect(viewer.page.locator("#badge-live")).to_be_visible()

    await page.goto(f"{site.urls[0]}/admin/videos/comment/?video={video_id}")
    await page.get_by_role("link", name="Off with this").click()
    await page.get_by_role("button", name="Delete", exact=True).click()
    await expect(page.locator(".state.deleted")).to_be_visible()
    await expect(viewer.page.get_by_text("Off with this")).to_have_count(0)

    await page.goto(f"{site.urls[0]}/admin/videos/video/{video_id}/delete/")
    await page.get_by_role("button", name="Yes, I’m sure").click()
    await expect(page.locator(".messagelist")).to_contain_text("was deleted successfully")
    await expect(viewer.page.get_by_text("The server closed the connection")).to_be_visible()
    assert httpx.get(f"{site.urls[1]}/api/v1/videos/{video_id}").status_code == 404
    assert staff.problems == viewer.problems == []
