"""A language that is written from right to left, in a real browser."""

from __future__ import annotations

from tests.e2e.conftest import PHONE, Broadcaster, OpenWindow, signed_in
from tests.e2e.test_channel import channel_of
from tests.sites import Site

STICKS_OUT = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
SIDE = "getComputedStyle(document.querySelector('{}')).textAlign"
SWITCH = "Array.from(document.querySelectorAll('.languages button'), (button) => button.textContent)"


async def test_pages_in_arabic_go_from_right_to_left_and_fit_a_phone(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    channel = channel_of(broadcaster)
    video = broadcaster.new_video(title="أمسية شعرية", description="قراءات مختارة.\nIn two languages.")
    broadcaster.comment(video, "Hello (from Berlin)!")
    paths = (f"/videos/{video}/", "/", "/studio/", f"/rules/{channel}/", "/accounts/", "/messages/", "/nothing/")
    window = await signed_in(open_window, broadcaster, "/search/", size=PHONE)
    page = window.page
    await page.context.add_cookies([{"name": "language", "value": "ar", "url": site.urls[0]}])
    for path in paths:
        await window.page.goto(site.urls[0] + path)
        assert await page.evaluate("document.dir") == "rtl", path
        assert not await page.evaluate(STICKS_OUT), path
        assert await window.axe_findings() == [], path

    assert (await page.evaluate(SWITCH))[:2] == ["English", "Deutsch"]
    await window.page.goto(f"{site.urls[0]}/videos/{video}/")
    await window.sees_comment("Hello")
    sides = [await page.evaluate(SIDE.format(part)) for part in (".title", ".description p", ".comment-body")]
    assert sides == ["right"] * 3
    assert await page.evaluate("getComputedStyle(document.querySelector('#seek')).direction") == "ltr"
    assert [problem for problem in window.problems if "404" not in problem] == []
