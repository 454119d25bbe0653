"""The page of messages, in real browsers: groups, what one says again or takes back, one part at a time on a phone."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Locator, expect

from tests.e2e.conftest import PHONE, Broadcaster, OpenWindow
from tests.e2e.test_inbox import Inbox
from tests.npm import HtmlErrors
from tests.sites import Site


class Friend:
    """Somebody without a browser."""

    def __init__(self, broadcaster: Broadcaster, name: str) -> None:
        guest = broadcaster.call("POST", "/guests", {"name": name})
        self.id, self.token, self.broadcaster = guest["viewer"]["id"], guest["token"], broadcaster

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.broadcaster.call(method, path, body, token=self.token)

    def write(self, *ids: str, text: str, title: str = "") -> str:
        """Write into a new conversation with these people; return its id."""
        id: str = self.call("POST", "/conversations", {"members": ids, "title": title})["id"]
        self.call("POST", f"/conversations/{id}/messages", {"body": text})
        return id


async def named(open_window: OpenWindow, url: str, name: str, **options: Any) -> tuple[Inbox, str]:
    """Open the page as somebody with a name; return their id too."""
    inbox = Inbox(await open_window(url, **options))
    await inbox.page.locator("#inbox-name").fill(name)
    await inbox.page.keyboard.press("Enter")
    await expect(inbox.page.locator("#inbox-nothing")).to_be_visible()
    me = await inbox.page.evaluate("async () => (await (await fetch('/api/v1/me')).json()).viewer.id")
    return inbox, me


def message(inbox: Inbox, text: str) -> Locator:
    return inbox.thread.locator(".message", has_text=text)


async def test_one_writes_edits_takes_back_and_makes_a_group(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow, html_errors: HtmlErrors
) -> None:
    inbox, me = await named(open_window, f"{site.urls[0]}/messages/", "Ana")
    page = inbox.page
    bo, cy = Friend(broadcaster, "Bo"), Friend(broadcaster, "Cy")
    pair = bo.write(me, text="Hello Ana")
    cy.write(me, text="Hello from Cy")
    await expect(page).to_have_title("(2) Messages")

    await inbox.conversation("Bo").click()
    await expect(page).to_have_url(re.compile(f"/messages/{pair}/$"))
    await expect(inbox.conversation("Cy")).to_be_visible()  # the list stays
    await expect(page).to_have_title("(1) Messages")
    await inbox.field.fill("A draft")
    await inbox.conversation("Cy").click()
    await expect(inbox.field).to_have_value("")
    await page.go_back()
    await expect(inbox.field).to_have_value("A draft")
    await inbox.write("Helo")
    await inbox.sees("Helo")

    await inbox.field.press("ArrowUp")
    await expect(inbox.field).to_have_value("Helo")
    await inbox.write("Hello")
    await inbox.sees("Hello")
    await expect(message(inbox, "Helo")).to_have_count(0)
    [sent] = [each for each in bo.call("GET", f"/conversations/{pair}/messages")["items"] if each["author"]["id"] == me]
    assert (sent["body"], sent["edited_at_ms"] is not None) == ("Hello", True)
    mine = inbox.thread.locator(".message.mine")
    await mine.hover()
    await mine.get_by_role("button", name="What to do with this message").click()
    await page.get_by_role("button", name="What it said before").click()
    await expect(page.locator("#said-before li p")).to_have_text("Helo")
    await page.keyboard.press("Escape")
    bo.call("PATCH", f"/conversations/{pair}/messages/{await first_id(inbox)}", {"body": "Hello dear Ana"})
    await inbox.sees("Hello dear Ana")
    await mine.get_by_role("button", name="What to do with this message").click()
    await page.get_by_role("button", name="Delete for all").click()
    await page.locator("#delete-message-yes").click()
    await expect(mine).to_have_count(0)
    assert len(bo.call("GET", f"/conversations/{pair}/messages")["items"]) == 1

    await page.get_by_role("button", name="New conversation").click()
    dialog = page.get_by_role("dialog", name="New conversation")
    await dialog.get_by_role("button", name="Choose Bo").click()
    await dialog.get_by_placeholder("Find by name").fill("cy")
    await expect(dialog.get_by_role("button", name="Choose Bo")).to_have_count(0)
    await dialog.get_by_role("button", name="Choose Cy").click()
    await dialog.get_by_label("Name of the group").fill("We three")
    assert await inbox.window.serious_axe_findings() == []
    await dialog.get_by_role("button", name="Start a group of 3").click()
    await expect(page.locator("#thread-name")).to_have_text("We three")
    await inbox.write("Welcome to https://example.org/plan.")
    await inbox.sees("Welcome to https://example.org/plan.")
    link = inbox.thread.get_by_role("link", name="https://example.org/plan", exact=True)
    assert await link.get_attribute("rel") == "nofollow ugc noopener noreferrer"

    await inbox.thread.locator("#thread-more").click()
    await page.get_by_role("button", name="Members").click()
    members = page.get_by_role("dialog", name="Members")
    await members.get_by_label("Name of the group").fill("Us three")
    await members.get_by_role("button", name="Rename").click()
    await expect(page.locator("#thread-name")).to_have_text("Us three")
    await members.get_by_role("button", name="Take Cy out").click()
    await expect(page.locator("#member-list li")).to_have_count(2)
    await members.get_by_role("button", name="Add Cy").click()
    await expect(page.locator("#member-list li")).to_have_count(3)
    assert await inbox.window.serious_axe_findings() == []
    await page.keyboard.press("Escape")
    await expect(page.locator("#thread-status")).to_have_text("3 members")
    assert html_errors({"messages": await page.content()}) == []
    assert inbox.window.problems == []


async def first_id(inbox: Inbox) -> str:
    id = await inbox.thread.locator(".message").first.get_attribute("data-id")
    assert id
    return id


async def test_a_phone_shows_one_part_at_a_time(site: Site, broadcaster: Broadcaster, open_window: OpenWindow) -> None:
    inbox, me = await named(open_window, f"{site.urls[0]}/messages/", "مريم", size=PHONE, has_touch=True)
    page, long = inbox.page, "Rindfleischetikettierungsüberwachungsamt"
    id = Friend(broadcaster, long).write(me, text=long * 3 + " 👩‍👩‍👧‍👦 مرحبا")
    side = page.locator(".talks-side")

    await inbox.conversation(long).click()
    await expect(side).to_be_hidden()
    await inbox.write("شكرا")
    await inbox.sees("شكرا")
    await message(inbox, "شكرا").locator(".bubble").tap()
    await expect(page.locator("#message-menu")).to_be_visible()
    await inbox.window.looks_right(PHONE)
    await page.keyboard.press("Escape")
    await page.go_back()
    await expect(side).to_be_visible()
    await expect(inbox.thread).to_be_hidden()
    await inbox.window.looks_right(PHONE)

    # An address leads to its conversation; that of others leads to the list.
    await page.goto(f"{site.urls[1]}/messages/{id}/")
    await inbox.sees("شكرا")
    foreign = Friend(broadcaster, "Bo").write(Friend(broadcaster, "Cy").id, text="Not for all")
    await page.goto(f"{site.urls[1]}/messages/{foreign}/")
    await expect(page.locator("#toast")).to_have_text("You are not in this conversation any more.")
    await expect(page).to_have_url(f"{site.urls[1]}/messages/")
    await expect(inbox.conversation(long)).to_be_visible()

    # So does the address by which a channel's page lets one write to its broadcaster.
    dee = Friend(broadcaster, "Dee")
    await page.goto(f"{site.urls[0]}/messages/?to={dee.id}")
    await expect(page.locator("#thread-name")).to_contain_text("Dee")
    await inbox.write("Hello Dee")
    await inbox.sees("Hello Dee")
