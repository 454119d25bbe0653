"""Messages beside the video, in real browsers: what two say to each other, and what a third may know of it.

Windows are on different nodes, so every event crosses the dispatcher.
"""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import Locator, expect

from tests.e2e.conftest import DESKTOP, PHONE, SIDEWAYS, Broadcaster, OpenWindow, Window, act_on
from tests.e2e.test_watch import tab_to, watch
from tests.npm import HtmlErrors
from tests.sites import Site

LISTEN_IN = """
    // No worker, so that the page hears itself what comes; all of it is kept.
    delete globalThis.SharedWorker;
    globalThis.heard = [];
    const Real = EventSource;
    globalThis.EventSource = class extends Real {
        addEventListener(name, work) {
            super.addEventListener(name, (event) => { if (event.data) heard.push(event.data); work(event); });
        }
    };
"""


BLOCK = "async (id) => { await (await import('/static/js/core/api.js')).call('PUT', `/blocks/${id}`); }"


class Inbox:
    """A window's column of messages."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.page = window.page
        self.tab = self.page.get_by_role("tab", name="Messages")
        self.thread = self.page.locator("#thread")
        self.field = self.page.get_by_placeholder("Write a message")
        self.seen = self.thread.locator(".seen:visible")
        self.typing = self.page.locator("#thread-typing")

    def conversation(self, name: str) -> Locator:
        return self.page.locator("#conversations li", has_text=name)

    async def open(self, name: str) -> None:
        await self.tab.click()
        await self.conversation(name).click()
        await expect(self.field).to_be_visible()

    async def write(self, text: str) -> None:
        await self.field.fill(text)
        await self.thread.get_by_role("button", name="Send").click()

    async def sees(self, text: str) -> None:
        """Return when the open conversation shows a message with this text, acknowledged."""
        await self.thread.locator(".message:not(.sending):not(.failed)", has_text=text).first.wait_for()

    async def message_author_of(self, comment: str) -> None:
        """Press the tool "Message" of a comment."""
        item = self.page.locator(".comment", has_text=comment)
        await act_on(item, "Message")
        await expect(self.field).to_be_focused()


async def people(site: Site, video_id: str, open_window: OpenWindow, *names: str, **options: Any) -> list[Inbox]:
    """Open a window for each name, on the two nodes in turn; each has said something in the comments."""
    inboxes = []
    for number, name in enumerate(names):
        window = await open_window(watch(site, video_id, node=number % 2), **options)
        await window.join(name)
        await window.write(f"{name} is here")
        await window.sees_comment(f"{name} is here")
        inboxes.append(Inbox(window))
    for inbox in inboxes:
        for name in names:
            await inbox.window.sees_comment(f"{name} is here")
    return inboxes


async def test_two_talk_beside_the_video_and_a_third_sees_the_dot_and_nothing_else(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow, html_errors: HtmlErrors
) -> None:
    video_id = broadcaster.new_video(title="Three people")
    ana, bo = await people(site, video_id, open_window, "Ana", "Bo")
    third = await open_window("about:blank")
    await third.page.context.add_init_script(LISTEN_IN)
    await third.page.goto(watch(site, video_id, node=0))
    await third.join("Cy")
    cy = Inbox(third)

    # Cy knows Ana.
    await cy.message_author_of("Ana is here")
    await cy.write("Hello Ana, this is Cy")
    await cy.sees("Hello Ana, this is Cy")
    await expect(ana.tab).to_have_accessible_name(re.compile("1 unread"))
    # Online is shown to those whom one has written to.
    await expect(cy.page.locator("#thread-status")).to_be_hidden()
    await ana.open("Cy")
    await ana.write("Hello Cy")
    await expect(cy.page.locator("#thread-status")).to_have_text("online")
    await ana.page.get_by_role("tab", name="Comments").click()

    # Ana writes to Bo, from his comment.
    await ana.message_author_of("Bo is here")
    await expect(ana.page.locator("#thread-name")).to_have_text(re.compile("Bo"))
    await ana.write("A secret for Bo")
    await expect(bo.page.locator("#unread")).to_have_text("1")
    await bo.open("Ana")
    await bo.sees("A secret for Bo")
    await expect(ana.seen).to_have_text("Seen")
    await expect(bo.page.locator("#unread")).to_be_hidden()

    await bo.field.press_sequentially("An answer")
    await expect(ana.typing).to_contain_text("Bo")
    await expect(ana.typing).to_contain_text("is typing…")
    await bo.page.keyboard.press("Enter")
    await ana.sees("An answer")
    await expect(ana.typing).to_be_empty()
    await expect(bo.seen).to_have_text("Seen")
    await expect(ana.page.locator("#thread-status")).to_have_text("online")
    await expect(cy.page.locator("#thread-status")).to_have_text("online")
    for inbox in (ana, bo, cy):
        assert await inbox.window.serious_axe_findings() == []
        assert inbox.window.problems == []
    drawn = {"ana": await ana.page.content()}

    # Ana leaves: her dot goes out, here by expiry.
    await cy.page.get_by_role("button", name="All messages").click()
    dot = cy.conversation("Ana").locator(".dotted")
    await expect(dot).to_have_attribute("data-online", "true")
    await ana.page.context.close()
    await expect(dot).to_have_attribute("data-online", "false")
    await cy.conversation("Ana").click()
    await expect(cy.page.locator("#thread-status")).to_have_text(re.compile("last active"))

    heard = "\n".join(await cy.page.evaluate("heard"))
    assert "Hello Ana, this is Cy" in heard
    for unheard in ("A secret for Bo", "An answer"):
        assert unheard not in heard
        await expect(cy.page.get_by_text(unheard)).to_have_count(0)
    await expect(cy.page.locator("#conversations li")).to_have_count(1)
    # What the scripts have made of the page is as good HTML as the page.
    assert html_errors({**drawn, "cy": await cy.page.content()}) == []


async def test_typing_that_is_never_stopped_goes_away_by_itself(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="A long thought")
    ana, bo = await people(site, video_id, open_window, "Ana", "Bo")
    await ana.message_author_of("Bo is here")
    await ana.write("Hello")
    await bo.open("Ana")
    await bo.field.press_sequentially("Hm")
    await expect(ana.typing).to_contain_text("is typing…")

    # A window that dies says no goodbye.
    await bo.page.evaluate("() => { fetch = () => new Promise(() => {}); }")
    await bo.page.context.close()

    await expect(ana.typing).to_be_empty()


async def test_who_types_a_comment_is_shown_above_the_composer(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Fingers on keys")
    ana, bo, cy = await people(site, video_id, open_window, "Ana", "Bo", "Cy")
    line = ana.page.locator("#typing")

    await bo.page.get_by_placeholder("Write a comment").press_sequentially("I")
    await expect(line).to_contain_text("is typing…")
    await cy.page.get_by_placeholder("Write a comment").press_sequentially("Me")
    await expect(line).to_contain_text("are typing…")
    await cy.page.get_by_placeholder("Write a comment").fill("")
    await expect(line).to_contain_text("is typing…")
    await bo.page.keyboard.press("Enter")
    await expect(line).to_be_empty()


async def test_whom_one_blocks_can_neither_write_nor_see_the_dot(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Enough")
    ana, bo = await people(site, video_id, open_window, "Ana", "Bo")
    await bo.message_author_of("Ana is here")
    await bo.write("Buy my course")
    await ana.open("Bo")
    await ana.sees("Buy my course")
    await ana.write("No, thank you")
    await expect(bo.page.locator("#thread-status")).to_have_text("online")

    await ana.thread.get_by_role("button", name="More").click()
    await ana.page.get_by_role("button", name="Block", exact=True).click()
    await expect(ana.page.locator("#blocked-text")).to_contain_text("neither of you can write")
    await expect(ana.field).to_be_hidden()
    await expect(ana.page.locator("#unblock-here")).to_be_focused()
    await expect(ana.page.locator("#thread-status")).to_be_hidden()
    # Neither does one read their comments, also those that come now.
    comments = ana.page.locator("#comments-panel .comment")
    await expect(comments.filter(has_text="Bo is here")).to_have_count(0)
    broadcaster.comment(video_id, "Said after the block")
    await expect(comments).to_have_count(2)
    # Nor where a thread is read from the server, which has what is older than all that the page has.
    path = f"/videos/{video_id}/comments"
    ids = {each["body"]: each["id"] for each in broadcaster.call("GET", path)["items"]}
    broadcaster.call("DELETE", f"{path}/{ids['Ana is here']}")
    answer = broadcaster.call("POST", path, {"body": "Welcome", "reply_to": ids["Bo is here"]})
    page = await ana.page.context.new_page()
    async with page.expect_event("requestfinished", lambda request: request.url.endswith("/thread")):
        await page.goto(f"{watch(site, video_id)}?comment={answer['id']}")
    await expect(page.locator("#thread-bar")).to_be_visible()
    for _ in range(5):  # it is drawn with the next frame
        await page.evaluate("new Promise(requestAnimationFrame)")
    texts = await page.locator("#comments-panel .comment-body").all_text_contents()
    assert texts == ["Welcome"]
    await page.close()

    await bo.write("Are you there?")
    await expect(bo.page.locator("#message-error")).to_have_text("This person takes no messages from you.")
    await expect(bo.field).to_have_value("Are you there?")
    await expect(bo.page.locator("#thread-status")).to_be_hidden()
    assert await ana.window.serious_axe_findings() == []

    await ana.page.locator("#unblock-here").click()
    await expect(ana.field).to_be_focused()
    await expect(comments.locator(".comment-body", has_text="Bo is here")).to_have_count(1)
    await expect(ana.page.locator("#thread-status")).to_have_text("online")
    await bo.thread.get_by_role("button", name="Send").click()
    await ana.sees("Are you there?")


async def test_unread_messages_are_counted_until_they_are_looked_at(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Later")
    ana, bo = await people(site, video_id, open_window, "Ana", "Bo")
    await ana.message_author_of("Bo is here")
    for number in range(3):
        await ana.write(f"Message {number}")
        await ana.sees(f"Message {number}")
    await expect(bo.page.locator("#unread")).to_have_text("3")
    await expect(ana.seen).to_have_count(0)

    await bo.tab.click()
    await expect(bo.conversation("Ana")).to_contain_text("Message 2")
    await expect(bo.page.locator("#unread")).to_have_text("3")
    await bo.conversation("Ana").click()
    await expect(bo.page.locator("#unread")).to_be_hidden()
    await expect(ana.seen).to_have_text("Seen")

    # Not in view: the comments are.
    await bo.page.get_by_role("tab", name="Comments").click()
    await ana.write("One more")
    await expect(bo.page.locator("#unread")).to_have_text("1")
    await bo.page.reload()
    await expect(bo.page.locator("#unread")).to_have_text("1")


async def test_a_page_that_is_loaded_again_shows_what_was_open_and_what_was_not_sent(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Once more")
    ana, _bo = await people(site, video_id, open_window, "Ana", "Bo")
    await ana.page.get_by_placeholder("Write a comment").fill("Half a comment")
    await ana.message_author_of("Bo is here")
    await ana.write("Hello")
    await ana.sees("Hello")
    await ana.field.fill("Half a message")

    await ana.page.reload()

    await ana.sees("Hello")
    await expect(ana.field).to_have_value("Half a message")
    await ana.thread.get_by_role("button", name="Send").click()
    await ana.sees("Half a message")
    await ana.page.get_by_role("button", name="All messages").click()
    await ana.page.get_by_role("tab", name="Comments").click()
    await expect(ana.page.get_by_placeholder("Write a comment")).to_have_value("Half a comment")
    await ana.page.reload()
    await expect(ana.page.get_by_placeholder("Write a comment")).to_have_value("Half a comment")
    await ana.open("Bo")
    await expect(ana.field).to_have_value("")


async def test_messages_written_offline_wait_and_are_sent_in_order(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Bad line for two")
    ana, bo = await people(site, video_id, open_window, "Ana", "Bo")
    await ana.message_author_of("Bo is here")
    await ana.page.context.set_offline(True)
    for text in ("Worth keeping", "This too"):
        await ana.write(text)
    waiting = ana.thread.locator(".message.waiting")
    await expect(waiting.get_by_text("Not sent yet. Trying again…")).to_have_count(2)

    await ana.page.context.set_offline(False)
    await ana.sees("This too")
    await bo.open("Ana")
    await bo.sees("This too")
    await expect(bo.thread.locator(".bubble")).to_have_text(["Worth keeping", "This too"])


async def test_older_messages_come_when_one_scrolls_up(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="An old friendship")
    (ana,) = await people(site, video_id, open_window, "Ana")
    guest = broadcaster.call("POST", "/guests", {"name": "Bo"})
    ana_id = await ana.page.evaluate("JSON.parse(document.getElementById('state').textContent).viewer")
    assert ana_id is None, "the page was drawn before she joined"
    comment = broadcaster.call("GET", f"/videos/{video_id}/comments")["items"][0]
    members = {"members": [comment["author"]["id"]]}
    conversation = broadcaster.call("POST", "/conversations", members, token=guest["token"])
    for number in range(60):
        path = f"/conversations/{conversation['id']}/messages"
        broadcaster.call("POST", path, {"body": f"Message {number:02}"}, token=guest["token"])
    await ana.open("Bo")
    await expect(ana.thread.locator(".bubble")).to_have_count(50)

    await ana.page.locator("#thread-scroller").evaluate("(element) => { element.scrollTop = 0; }")

    await expect(ana.thread.locator(".bubble")).to_have_count(60)
    bodies = await ana.thread.locator(".bubble").all_inner_texts()
    assert bodies == [f"Message {number:02}" for number in range(60)]


async def test_a_group_says_who_has_seen_and_can_be_left(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Company")
    ana, bo, cy = await people(site, video_id, open_window, "Ana", "Bo", "Cy")
    comments = broadcaster.call("GET", f"/videos/{video_id}/comments")["items"]
    members = {"title": "The crew", "members": [comment["author"]["id"] for comment in comments]}
    group = broadcaster.call("POST", "/conversations", members)
    nadia = next(member["id"] for member in group["members"] if member["name"] == "Nadia")
    for inbox in (ana, bo, cy):
        await inbox.open("The crew")
    await ana.write("All aboard")
    for inbox in (bo, cy):
        await inbox.sees("All aboard")
        await expect(inbox.thread.locator(".message-author")).to_have_text("Ana")
    await expect(ana.seen).to_contain_text("Seen by")
    await expect(ana.seen).to_contain_text("Bo")
    await expect(ana.seen).to_contain_text("Cy")
    assert await ana.window.serious_axe_findings() == []

    # A group has one order for all: there stands a line for what one does not read.
    await cy.page.evaluate(BLOCK, next(member["id"] for member in group["members"] if member["name"] == "Ana"))
    await expect(cy.thread.locator(".bubble")).to_have_text("A message from somebody you block")
    assert await cy.window.serious_axe_findings() == []

    await cy.thread.get_by_role("button", name="More").click()
    await cy.page.get_by_role("button", name="Leave the conversation").click()
    await cy.page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    await expect(cy.thread).to_be_hidden()
    await expect(cy.conversation("The crew")).to_have_count(0)
    # It was the only one: the focus has somewhere to be.
    await expect(cy.tab).to_be_focused()
    await expect(ana.page.locator("#thread-status")).to_have_text("3 members")

    # However few are left, it is a group: with its name, to be left, and nobody in it is blocked.
    broadcaster.call("DELETE", f"/conversations/{group['id']}/members/{nadia}")
    await expect(ana.page.locator("#thread-status")).to_have_text("2 members")
    await expect(ana.page.locator("#thread-name")).to_have_text("The crew")
    await ana.thread.get_by_role("button", name="More").click()
    await expect(ana.page.get_by_role("button", name="Leave the conversation")).to_be_visible()
    await expect(ana.page.get_by_role("button", name="Block", exact=True)).to_be_hidden()
    await ana.page.keyboard.press("Escape")
    await bo.thread.get_by_role("button", name="More").click()
    await bo.page.get_by_role("button", name="Leave the conversation").click()
    await bo.page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    await expect(ana.page.locator("#thread-status")).to_have_text("Only you are left")
    assert cy.window.problems == []


async def test_the_inbox_is_used_with_the_keyboard_alone(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="No mouse")
    ana, bo = await people(site, video_id, open_window, "Ana", "Bo")
    await bo.message_author_of("Ana is here")
    await bo.write("For your keys")
    await expect(ana.page.locator("#unread")).to_have_text("1")
    keys = ana.page.keyboard

    await tab_to(ana.window, "#tab-comments", backwards=True)
    await keys.press("ArrowRight")
    await expect(ana.tab).to_be_focused()
    await expect(ana.tab).to_have_attribute("aria-selected", "true")
    await expect(ana.page.locator(".conversation").first).to_be_visible()  # drawn with the next frame
    await keys.press("Tab")
    await expect(ana.page.locator(".conversation").first).to_be_focused()
    await keys.press("Enter")
    await expect(ana.field).to_be_focused()
    await keys.type("Typed back")
    await keys.press("Enter")
    await bo.sees("Typed back")
    await keys.press("Escape")
    await expect(ana.page.locator(".conversation").first).to_be_focused()
    await expect(ana.page.locator(".conversation").first).to_contain_text("You: Typed back")
    assert ana.window.problems == []


async def test_who_is_watching_is_told_to_whom_knows_them_and_can_be_written_to(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="In company")
    ana, bo = await people(site, video_id, open_window, "Ana", "Bo")
    await bo.message_author_of("Ana is here")
    await bo.write("Are you watching?")
    await ana.open("Bo")
    await ana.write("I am")
    await bo.sees("I am")
    await ana.page.get_by_role("button", name="All messages").click()
    watching = ana.page.locator("#watching")

    await watching.click()

    popover = ana.page.get_by_role("dialog", name="Watching with you")
    await expect(popover.get_by_role("listitem")).to_contain_text("Bo")
    await expect(popover.locator("#watchers-now")).to_have_text("2")
    assert await ana.window.serious_axe_findings() == []
    await popover.get_by_role("button", name="Message Bo").click()
    await expect(ana.field).to_be_focused()
    await expect(popover).to_be_hidden()

    # One more comes in while it is open; it is no friend, so only the number moves.
    await watching.click()
    await people(site, video_id, open_window, "Dee")
    await expect(popover.locator("#watchers-now")).to_have_text("3")
    await expect(popover.get_by_role("listitem")).to_have_count(1)
    assert ana.window.problems == []


async def test_whoever_appears_offline_looks_offline_to_those_who_know_them(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Incognito")
    ana, bo = await people(site, video_id, open_window, "Ana", "Bo")
    await bo.message_author_of("Ana is here")
    await bo.write("Hello")
    await ana.open("Bo")
    await ana.write("Hello Bo")
    await expect(bo.page.locator("#thread-status")).to_have_text("online")

    await ana.page.get_by_role("button", name="Account and appearance").click()
    switch = ana.page.get_by_role("switch", name="Appear offline")
    await expect(switch).to_have_attribute("aria-checked", "false")
    other = await ana.page.context.new_page()
    await other.goto(watch(site, video_id))
    await other.get_by_role("button", name="Account and appearance").click()
    other_switch = other.get_by_role("switch", name="Appear offline")
    await expect(other_switch).to_have_attribute("aria-checked", "false")
    await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "true")
    await expect(other_switch).to_have_attribute("aria-checked", "true")
    assert await ana.window.serious_axe_findings() == []

    await expect(bo.page.locator("#thread-status")).to_be_hidden()
    await switch.click()
    await expect(bo.page.locator("#thread-status")).to_have_text("online")


async def test_nothing_sticks_out_of_the_inbox_and_axe_is_content(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Long words")
    name = "Rindfleischetikettierungsüberwachungsamt"
    guest = broadcaster.call("POST", "/guests", {"name": name})
    window = await open_window(watch(site, video_id), size=SIDEWAYS)
    await window.page.get_by_role("button", name="Show comments").click()
    await window.join("مريم")
    await window.write("مرحبا بكم جميعا")
    await window.sees_comment("مرحبا بكم جميعا")
    author = broadcaster.call("GET", f"/videos/{video_id}/comments")["items"][0]["author"]["id"]
    conversation = broadcaster.call("POST", "/conversations", {"members": [author]}, token=guest["token"])
    path = f"/conversations/{conversation['id']}/messages"
    broadcaster.call("POST", path, {"body": name * 3 + " 👩‍👩‍👧‍👦 مرحبا"}, token=guest["token"])
    inbox = Inbox(window)

    await inbox.tab.click()
    await expect(inbox.conversation(name)).to_be_visible()
    await window.looks_right(PHONE, SIDEWAYS, DESKTOP)
    await inbox.conversation(name).click()
    await inbox.write("👍🏽 شكرا")
    await inbox.sees("شكرا")
    await window.looks_right(PHONE, SIDEWAYS, DESKTOP)
    assert window.problems == []
