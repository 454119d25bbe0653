"""Comments at any rate, as a viewer reads them and acts on them."""

from __future__ import annotations

from playwright.async_api import expect

from tests.e2e.conftest import Broadcaster, OpenWindow, act_on, signed_in
from tests.e2e.test_watch import watch
from tests.rooms import open_room
from tests.sites import Site

PLACE = "(element) => element.getBoundingClientRect().top"


async def test_a_flood_is_sampled_and_said_and_what_concerns_one_is_not_missed(
    site: Site, open_window: OpenWindow
) -> None:
    async with open_room(site, people=12) as room:
        nadia, *guests = room.people
        window = await open_window(watch(site, room.video_id))
        await window.join("Ana")
        await window.is_live()
        items, sample = window.page.locator(".comment"), window.page.locator("#sample")

        for number in range(60):
            await room.comment(f"Loud {number}", person=guests[number % 11])
        await room.comment("Good evening, @ana!", person=guests[0])
        await room.comment("Welcome", person=nadia)

        await expect(sample).to_be_visible()
        await expect(items.filter(has_text="Good evening").locator("mark")).to_have_text("@ana")
        await expect(items.filter(has_text="Welcome")).to_be_visible()
        assert await items.count() < 50
        await sample.click()
        await expect(items).to_have_count(62)
        assert window.problems == []


async def test_nothing_moves_under_somebody_who_points_at_a_comment(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    """The comment that one was about to answer was gone from under the mouse."""
    video_id = broadcaster.new_video()
    for number in range(30):
        broadcaster.comment(video_id, f"Number {number}, see https://example.com/{number}.")
    window = await open_window(watch(site, video_id))
    await window.is_live()
    pointed = window.page.locator(".comment", has_text="Number 27")
    await pointed.hover()
    before = await pointed.evaluate(PLACE)
    await pointed.get_by_role("button", name="More").click()
    tools = await pointed.locator(".tools").bounding_box()
    text = await pointed.locator(".comment-body").bounding_box()
    menu = await window.page.locator("#comment-menu").bounding_box()
    assert tools and text and menu
    assert tools["y"] + tools["height"] <= text["y"] + 4, "beside the name"
    assert menu["y"] >= text["y"] + text["height"] or menu["y"] + menu["height"] <= text["y"]

    broadcaster.comment(video_id, "New")

    await expect(window.page.locator("#newest")).to_have_text("1 new comment")
    assert await pointed.evaluate(PLACE) == before
    await window.page.keyboard.press("Escape")
    await window.page.mouse.move(5, 5)
    await window.sees_comment("New")
    await expect(window.page.get_by_text("New", exact=True)).to_be_in_viewport()
    link = pointed.get_by_role("link")
    await expect(link).to_have_attribute("href", "https://example.com/27")
    await expect(link).to_have_attribute("rel", "nofollow ugc noopener noreferrer")
    await window.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await act_on(pointed, "Copy the text")
    await expect(window.page.locator("#toast")).to_have_text("Text copied")
    assert await window.page.evaluate("navigator.clipboard.readText()") == "Number 27, see https://example.com/27."
    assert await window.serious_axe_findings() == []
    assert window.problems == []


async def test_a_comment_is_edited_and_its_thread_is_read_and_answered(
    site: Site, broadcaster: Broadcaster, open_window: OpenWindow
) -> None:
    video_id = broadcaster.new_video(title="Corrected")
    window = await open_window(watch(site, video_id))
    await window.join("Zoë")
    await window.is_live()
    await window.write("Helo evrybody")
    await window.sees_comment("Helo evrybody")
    own = window.page.locator(".comment.mine").first
    await act_on(own, "Edit")
    await expect(window.page.locator("#body")).to_have_value("Helo evrybody")
    await window.write("Hello everybody")

    await expect(own.locator(".comment-body")).to_have_text("Hello everybody")
    await expect(own.get_by_text("edited")).to_be_visible()
    moderator = await signed_in(open_window, broadcaster, f"/videos/{video_id}/")
    said = moderator.page.locator(".comment", has_text="Hello everybody")
    await act_on(said, "What it said before")
    await expect(moderator.page.locator("#versions")).to_contain_text("Helo evrybody")
    await moderator.page.keyboard.press("Escape")

    broadcaster.comment(video_id, "Something else")
    own_id = await own.get_attribute("data-id")
    broadcaster.call("POST", f"/videos/{video_id}/comments", {"body": "Hello, Zoë", "reply_to": own_id})
    answer = window.page.locator(".comment.for-me", has_text="Hello, Zoë")
    await expect(answer).to_be_visible()
    await own.get_by_role("button", name="1 answer").click()
    await expect(window.page.locator(".comment .comment-body")).to_have_text(["Hello everybody", "Hello, Zoë"])
    await expect(window.page.locator("#replying-text")).to_have_text("Replying to Zoë")
    await window.write("Nice to meet you")
    await expect(window.page.locator(".comment")).to_have_count(3)
    assert await window.serious_axe_findings() == []
    await window.page.get_by_role("button", name="All comments").click()
    await expect(window.page.locator(".comment")).to_have_count(4)
    assert window.problems == moderator.problems == []


async def test_somebody_is_named_by_a_few_letters_and_the_one_named_hears_of_it(
    site: Site, open_window: OpenWindow
) -> None:
    async with open_room(site, people=2) as room:
        nadia, bo = room.people
        for number in range(30):
            await room.comment(f"Number {number}", person=bo)
        window = await open_window(watch(site, room.video_id))
        await window.join("Ana")
        await window.is_live()
        keys = window.page.keyboard

        await window.page.locator("#body").click()
        await keys.type("Hi @vi")
        await expect(window.page.get_by_role("option")).to_have_text(["Viewer 1"])
        assert await window.serious_axe_findings() == []
        await keys.press("Enter")
        await expect(window.page.locator("#body")).to_have_value("Hi @Viewer 1 ")
        await keys.press("Enter")
        await window.sees_comment("Hi @Viewer 1")

        await window.page.locator("#scroller").evaluate("(element) => { element.scrollTop -= 400; }")
        await room.comment("Hello @ana", person=nadia)
        await expect(window.page.locator("#toast")).to_have_text("Nadia mentioned you")
        assert window.problems == []
