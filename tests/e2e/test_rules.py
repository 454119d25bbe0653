"""Rules for comments, as the people concerned meet them: a broadcaster, and a viewer whose comment has to wait."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.conftest import OpenWindow, make_broadcaster, signed_in
from tests.sites import Site


async def test_a_comment_waits_until_the_broadcaster_approves_it(site: Site, open_window: OpenWindow) -> None:
    nadia = make_broadcaster(site, "nadia-of-rules")
    video_id, channel = nadia.new_video(), nadia.call("GET", "/me")["viewer"]["id"]
    owner = await signed_in(open_window, nadia, f"/rules/{channel}/")
    await owner.page.get_by_label("Hold for review").fill("money")
    await owner.page.get_by_role("button", name="Save the words").click()
    await expect(owner.page.get_by_role("status")).to_contain_text("They bind the next comment")

    viewer = await open_window(f"{site.urls[0]}/videos/{video_id}/")
    await viewer.join("Vera")
    await viewer.write("Where is my m0ney?")
    await expect(viewer.page.get_by_text("A moderator looks at your comment first.")).to_be_visible()
    await expect(viewer.page.locator(".comment")).to_have_count(0)

    await owner.page.reload()
    assert await owner.serious_axe_findings() == []
    await owner.page.get_by_role("button", name="Approve").click()
    await expect(owner.page.get_by_text("Nothing waits")).to_be_visible()
    await viewer.sees_comment("Where is my m0ney?")
    assert [*owner.problems, *viewer.problems] == []
