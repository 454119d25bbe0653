"""The bell of every page, the list behind it, and the way to the comment, in real browsers."""

from __future__ import annotations

import re
from typing import Any

import psycopg
from playwright.async_api import expect

from tests.e2e.conftest import DESKTOP, PHONE, Broadcaster, OpenWindow, Window
from tests.e2e.test_replay import ended
from tests.npm import HtmlErrors
from tests.sites import Site

__all__ = ["ended"]

TELL = "from notices.telling import tell; tell()"
"""What the site's jobs do every two seconds."""
NEWEST_IS_SEEN = """fetch("/api/v1/me/notices?limit=1").then((answer) => answer.json())
    .then(({ items }) => items[0]?.is_seen)"""


def tell(site: Site) -> None:
    site.manage("shell", "--no-imports", "--command", TELL)


async def come(open_window: OpenWindow, site: Site, video_id: str, **options: Any) -> Window:
    """Open a video as Ana, who has written there."""
    window = await open_window(f"{site.urls[0]}/videos/{video_id}/", **options)
    await window.join("Ana")
    await window.write("Who plays today?")
    await window.sees_comment("Who plays today?")
    return window


def answer(broadcaster: Broadcaster, video_id: str, body: str, *, to: str = "Who plays today?") -> str:
    path = f"/videos/{video_id}/comments"
    found = next(each for each in broadcaster.call("GET", path)["items"] if each["body"] == to)
    return str(broadcaster.call("POST", path, {"body": body, "reply_to": found["id"]})["id"])


async def test_who_is_answered_finds_it_on_every_page_live_and_seen_on_all(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow, html_errors: HtmlErrors
) -> None:
    video_id = broadcaster.new_video(title="The final")
    window = await come(open_window, site, video_id, size=PHONE)
    page = window.page
    answer(broadcaster, video_id, "The Hawks")
    tell(site)
    await window.sees_comment("The Hawks")
    await window.until(NEWEST_IS_SEEN)  # it is on the screen
    await page.get_by_role("tab", name="Messages").click()

    other = Window(await page.context.new_page())
    await other.page.goto(site.urls[0])
    bell = other.page.get_by_role("link", name=re.compile("Notifications"))
    await expect(bell).to_have_accessible_name("Notifications")

    answered = answer(broadcaster, video_id, "The Ravens")
    tell(site)
    await expect(bell).to_have_accessible_name("Notifications 1")
    await expect(page.locator("#bell-count")).to_have_text("1")  # beside the video too
    await bell.click()
    line = other.page.locator(".notice-line")
    await expect(line.first).to_contain_text("Nadia answered you")
    await expect(line.first).to_contain_text("The Ravens")
    await expect(other.page.locator("#bell-count")).to_be_hidden()
    await expect(page.locator("#bell-count")).to_be_hidden()
    await expect(other.page.locator("li.is-new")).to_have_count(1)  # it stays marked while it is read

    answer(broadcaster, video_id, "And the Owls")
    tell(site)
    await expect(line.first).to_contain_text("And the Owls")
    assert await other.axe_findings() == []
    await other.looks_right(PHONE, DESKTOP, scrolls=True)
    assert html_errors({"list": await other.page.content()}) == []
    broadcaster.call("DELETE", f"/videos/{video_id}/comments/{answered}")
    tell(site)
    await expect(line).to_have_count(2)

    await line.first.click()
    await expect(other.page).to_have_url(re.compile("comment="))
    await expect(other.page.locator("#thread-bar")).to_be_visible()
    shown = other.page.locator(".comment", has_text="And the Owls")
    await expect(shown).to_be_focused()
    assert [*window.problems, *other.problems] == []


async def test_in_a_replay_it_leads_to_the_moment(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow, ended: str
) -> None:
    with psycopg.connect(site.database_url) as connection:
        query = "SELECT id FROM videos_comment WHERE video_id = %s AND body = 'Fifteen'"
        [comment_id] = connection.execute(query, [ended]).fetchone() or [None]
    window = await open_window(f"{site.urls[0]}/videos/{ended}/?comment={comment_id}")
    await expect(window.page.locator(".comment", has_text="Fifteen")).to_be_visible()
    await window.page.get_by_role("button", name="Watch the replay").click()
    await window.until("document.getElementById('picture').currentTime >= 14.9")
    await expect(window.page.locator(".comment", has_text="Fifteen")).to_be_visible()
    assert window.problems == []


async def test_a_comment_that_is_gone_leaves_the_page_as_it_is(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video()
    comment = broadcaster.comment(video_id, "Gone soon")
    broadcaster.comment(video_id, "Here to stay")
    broadcaster.call("DELETE", f"/videos/{video_id}/comments/{comment['id']}")
    window = await open_window(f"{site.urls[0]}/videos/{video_id}/?comment={comment['id']}")
    await window.sees_comment("Here to stay")
    await expect(window.page.locator("#thread-bar")).to_be_hidden()


async def test_the_page_of_choices(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow, html_errors: HtmlErrors
) -> None:
    video_id = broadcaster.new_video()
    window = await come(open_window, site, video_id, size=PHONE)
    page = window.page
    await window.page.goto(f"{site.urls[0]}/notices/")
    await page.get_by_role("link", name="What you hear of").click()
    answers = page.get_by_role("group", name="Somebody answers you")
    await answers.get_by_label("On this site").uncheck()
    written = page.get_by_role("group", name="Somebody writes to you")
    await expect(written.get_by_label("With the text")).to_be_hidden()
    await written.get_by_label("In your browsers").check()
    await expect(written.get_by_label("With the text")).to_be_checked()
    await written.get_by_label("In your browsers").uncheck()
    await answers.get_by_label("In your browsers").check()
    await expect(page.get_by_role("alert")).to_contain_text("Your browser")  # which is without a push service
    assert await window.axe_findings() == []
    assert html_errors({"choices": await page.content()}) == []
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    await expect(answers.get_by_label("On this site")).not_to_be_checked()
    await expect(answers.get_by_label("In your browsers")).to_be_checked()
